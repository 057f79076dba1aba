/** Follows a program from its start until nothing of it is left. */
import { type Clock, sleep } from "../../clock.ts";
import type { Exit } from "../formats/format.ts";
import { type OutputChunk, OutputLines } from "./output_lines.ts";
import type { Program } from "./program.ts";
import type { Signal } from "./send_signal.ts";

/** How long processes that a program has started may outlive its own end, in milliseconds. */
const LINGER_MS = 1_000;
/** How often the group is looked at, in milliseconds. */
const LOOK_MS = 20;
/**
 * Most bytes that are read after the whole group has ended. A pipe and the buffers here hold less,
 * so further output must be of a process that has left the group.
 */
const LATE_BYTES_MAX = 2 * 1024 * 1024;
/** Longest such reading, in milliseconds, without the time for which lines wait to be taken. */
const LATE_MS_MAX = 2_000;

export interface ProgramRunOptions {
  readonly program: Program;
  readonly clock: Clock;
  /** Asks the program to stop without harm. */
  readonly stopSignal: Signal;
  /** Milliseconds between the stop signal and SIGKILL. */
  readonly graceMs: number;
}

/** How a program ended. */
export interface ProgramEnd {
  readonly exit: Exit;
  /** Whether it was asked to stop, did not stop in time, and was killed. */
  readonly killed: boolean;
  /** Whether it ended by itself and left processes behind, which were killed. */
  readonly leftOthers: boolean;
}

/**
 * Follows a program that leads a group of its own. Processes of the group that outlive the program
 * are killed after LINGER_MS, or at the end of the grace where the program was asked to stop.
 *
 * A process out of reach (a daemon with its own session, another user's process) is not waited for,
 * even when it keeps the outputs open.
 */
export class ProgramRun {
  /** Resolves when no process is left and all output was taken, or let go of. Never rejects. */
  readonly done: Promise<ProgramEnd>;
  readonly #options: ProgramRunOptions;
  readonly #lines: OutputLines;
  /** Resolves when the rest of the group is killed because its time is over. */
  readonly #kill = Promise.withResolvers<void>();
  #callOffKill: (() => void) | undefined;
  #asked = false;
  #exited = false;
  #graceOver = false;
  /** Whether a process was there to be killed. */
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
    // A program that is suspended (SIGSTOP, Ctrl-Z) takes no signal before it goes on.
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
    // Processes that have closed the outputs still have the grace.
    const restMs = asked ? Infinity : LINGER_MS;
    for (let ms = 0; program.alive && !this.#graceOver && ms < restMs; ms += LOOK_MS) {
      await sleep(clock, LOOK_MS);
    }
    this.#callOffKill?.();
    this.#killAll();
    await this.#readLate();
    return { exit, killed, leftOthers: this.#killed && !asked };
  }

  /** Reads what is still in the pipes, within limits: the group cannot write more. */
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
