/** Stops the program when the job was cancelled. */
import { type Clock, sleep } from "../../clock.ts";
import { ProcessTree } from "./process_tree.ts";

/** How often to check whether a process is left, in milliseconds. */
const LOOK_MS = 50;

export interface StopperOptions {
  readonly pid: number;
  /** The signal that asks the program to stop. */
  readonly stopSignal: NodeJS.Signals;
  /** Milliseconds until it is killed; `Infinity` for never. */
  readonly graceMs: number;
  readonly clock: Clock;
}

/** Asks the program to stop, once; after the grace kills what is left of it and its descendants. */
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
    // What is suspended (SIGSTOP) takes no signal before it goes on.
    this.#tree.signal(stopSignal, "SIGCONT");
    // A timer cannot be set for ever.
    if (Number.isFinite(graceMs)) {
      this.#callOff = clock.after(graceMs, () => {
        this.#callOff = undefined;
        this.#tree.signal("SIGKILL");
      });
    }
  }

  /** To be called when the program has ended: after a stop it waits for descendants left behind. */
  async ended(): Promise<void> {
    this.#over = true;
    const { clock } = this.#options;
    while (this.#callOff && this.#tree.alive) {
      await sleep(clock, LOOK_MS);
    }
    this.#callOff?.();
  }
}
