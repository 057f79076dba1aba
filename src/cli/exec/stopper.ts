/** Stops the program because somebody has cancelled the job. */
import { type Clock, sleep } from "../../clock.ts";
import { ProcessTree } from "./process_tree.ts";

/** How often it is looked whether anybody is left, in milliseconds. */
const LOOK_MS = 50;

export interface StopperOptions {
  readonly pid: number;
  /** Asks the program to stop without harm. */
  readonly stopSignal: NodeJS.Signals;
  /** Milliseconds until it is killed; `Infinity` for never. */
  readonly graceMs: number;
  readonly clock: Clock;
}

/** Asks once, and after the grace kills what is left of the program and all that it has started. */
export class Stopper {
  readonly #options: StopperOptions;
  readonly #tree: ProcessTree;
  #asked = false;
  #over = false;
  #callOff: (() => void) | undefined;

  constructor(options: StopperOptions) {
    this.#options = options;
    this.#tree = new ProcessTree(options.pid);
  }

  /** Whether the program was asked to stop. */
  get asked(): boolean {
    return this.#asked;
  }

  stop(): void {
    if (this.#asked || this.#over) return;
    this.#asked = true;
    const { stopSignal, graceMs, clock } = this.#options;
    this.#tree.signal(stopSignal);
    // A timer cannot be set for ever.
    if (Number.isFinite(graceMs)) {
      this.#callOff = clock.after(graceMs, () => {
        this.#callOff = undefined;
        this.#tree.signal("SIGKILL");
      });
    }
  }

  /** Call when the program has ended: waits for what it has left behind, where it was asked to stop. */
  async ended(): Promise<void> {
    this.#over = true;
    const { clock } = this.#options;
    while (this.#callOff && this.#tree.alive) {
      await sleep(clock, LOOK_MS);
    }
    this.#callOff?.();
  }
}
