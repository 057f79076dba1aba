/** From a program's start to the moment at which nothing of it is left, whatever it does. */
import { type Clock, sleep } from "../../clock.ts";
import type { Exit } from "../formats/format.ts";
import { type OutputChunk, OutputLines } from "./output_lines.ts";
import type { Program } from "./program.ts";
import type { Signal } from "./send_signal.ts";

/** What a program has started may outlive it by this, in milliseconds, when it ends by itself. */
const LINGER_MS = 1_000;
/** How often it is looked whether anybody is left. */
const LOOK_MS = 20;
/**
 * Read at most after the end of all that could be killed: more than a pipe and our buffers hold, so
 * whatever comes later is of somebody who has left the group.
 */
const LATE_BYTES_MAX = 2 * 1024 * 1024;
/** And for so long, in milliseconds, not counting the time for which lines waited to be taken. */
const LATE_MS_MAX = 2_000;

export interface ProgramRunOptions {
  readonly program: Program;
  readonly clock: Clock;
  /** Asks the program to stop without harm. */
  readonly stopSignal: Signal;
  /** Milliseconds between that and SIGKILL. */
  readonly graceMs: number;
}

/** How it went. */
export interface ProgramEnd {
  readonly exit: Exit;
  /** Whether it was asked to stop, did not in time, and was killed. */
  readonly killed: boolean;
  /** Whether it had ended by itself and left others behind, which were killed. */
  readonly leftOthers: boolean;
}

/**
 * Follows a program that has a group of its own. What is left of the group when its leader has
 * ended is killed: after LINGER_MS, or when the grace is over where it was asked to stop.
 *
 * Whoever is out of reach (a daemon with a session of its own, another user's process) is not waited
 * for, even when it keeps the outputs open.
 */
export class ProgramRun {
  /** Resolves when nothing is left and all output was taken, or let go of. Never rejects. */
  readonly done: Promise<ProgramEnd>;
  readonly #options: ProgramRunOptions;
  readonly #lines: OutputLines;
  /** Resolves when what is left is killed. */
  readonly #kill = Promise.withResolvers<void>();
  #callOffKill: (() => void) | undefined;
  #asked = false;
  #exited = false;
  #graceOver = false;
  /** Whether somebody was there to be killed. */
  #killed = false;

  constructor(options: ProgramRunOptions) {
    this.#options = options;
    this.#lines = new OutputLines(options.program);
    this.done = this.#settle();
  }

  /** The next output; undefined after the last. Has to be called, or the program waits to write. */
  next(): Promise<OutputChunk | undefined> {
    return this.#lines.next();
  }

  /** Asks the program to stop, and kills it when the grace is over. The same again changes nothing. */
  stop(): void {
    if (this.#asked) return;
    this.#asked = true;
    const { program, stopSignal, graceMs } = this.#options;
    if (this.#exited) return;
    program.signal(stopSignal);
    // One that somebody has stopped (SIGSTOP, Ctrl-Z) hears nothing before it goes on.
    program.signal("SIGCONT");
    this.#killAfter(graceMs);
  }

  /** Whether the program itself has ended. */
  get exited(): boolean {
    return this.#exited;
  }

  /** Takes no more output. */
  close(): void {
    this.#lines.close();
  }

  async #settle(): Promise<ProgramEnd> {
    const { program, clock } = this.#options;
    const exit = await program.exit;
    this.#exited = true;
    const killed = this.#graceOver;
    const asked = this.#asked;
    if (!asked) this.#killAfter(LINGER_MS);
    await Promise.race([this.#lines.ended, this.#kill.promise]);
    // Whoever has let go of the outputs still has the grace.
    const restMs = asked ? Infinity : LINGER_MS;
    for (let ms = 0; program.alive && !this.#graceOver && ms < restMs; ms += LOOK_MS) {
      await sleep(clock, LOOK_MS);
    }
    this.#callOffKill?.();
    this.#killAll();
    await this.#readLate();
    return { exit, killed, leftOthers: this.#killed && !asked };
  }

  /** What is still in the pipes; nobody is known that could write more. */
  async #readLate(): Promise<void> {
    const { clock } = this.#options;
    const lines = this.#lines;
    const before = lines.bytes;
    let idleMs = 0;
    for (let quietMs = 0; !lines.over; quietMs += LOOK_MS) {
      const seen = lines.bytes;
      await sleep(clock, LOOK_MS);
      if (!lines.waiting) idleMs += LOOK_MS;
      if (lines.waiting || lines.bytes > seen) quietMs = 0;
      const late = idleMs >= LATE_MS_MAX || lines.bytes - before > LATE_BYTES_MAX;
      if (late || quietMs >= LINGER_MS) lines.close();
    }
  }

  #killAfter(ms: number): void {
    this.#callOffKill = this.#options.clock.after(ms, () => {
      this.#graceOver = true;
      this.#killAll();
      this.#kill.resolve();
    });
  }

  #killAll(): void {
    const { program } = this.#options;
    this.#killed ||= program.alive;
    program.signal("SIGKILL");
  }
}
