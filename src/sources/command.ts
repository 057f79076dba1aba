/** A program as a source: it is run, and what it prints is what its job shows. */
import type { Clock } from "../clock.ts";
import { DestinationError } from "../destinations/index_destination.ts";
import type { RecordDestination, RecordSession } from "../destinations/record_destination.ts";
import { TimeSlice } from "../time_slice.ts";
import { timeoutOf } from "./formats/flags.ts";
import type { LineReader, Prepared, ProgramFormat } from "./formats/format.ts";
import { LongLines } from "./formats/long_lines.ts";
import { guard } from "./process/guard.ts";
import type { OutputChunk } from "./process/output_lines.ts";
import { startProgram } from "./process/program.ts";
import { type ProgramEnd, ProgramRun } from "./process/program_run.ts";
import { programEnv } from "./process/program_env.ts";
import {
  type JobSource,
  SourceCancelled,
  SourceError,
  type SourceEvent,
  type SourceProgress,
  type SourceRun,
} from "./source.ts";
import { commandStopMs } from "./command_stop.ts";
import { unlocked, writeOut } from "./write_out.ts";

/** A timer that comes so late, in milliseconds, means that this process was halted. */
const LATE_MS = 1_000;

export interface CommandOptions {
  /** The program and its arguments; no shell sees them. */
  readonly command: readonly string[];
  /** The working directory, absolute. */
  readonly cwd: string;
  /** Names of this process's variables that the program is given too. */
  readonly passEnv?: readonly string[];
  /** Variables for the program alone. */
  readonly setEnv?: Readonly<Record<string, string>>;
  readonly format: ProgramFormat;
  /** Where records go, for formats that carry them, and in whose name. */
  readonly destination?: { readonly records: RecordDestination; readonly origin: string };
  readonly stopGraceMs: number;
  /** Silence after which the program is stopped and the job fails; any length when left out. */
  readonly stallMs?: number;
  /** This process's environment, from which the program's is made. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs the program once.
 *
 * @throws {SourceError} the codes of startProgram, env_unknown, stalled_timeout, those of the format
 *   and of DestinationError
 */
export function commandSource(options: CommandOptions): JobSource {
  return {
    stopMs: commandStopMs(options.stopGraceMs),
    run: (run) => commandRun(options, run),
  };
}

async function* commandRun(
  options: CommandOptions,
  run: SourceRun,
): AsyncGenerator<SourceEvent, void, void> {
  const { destination } = options;
  let session: RecordSession | undefined;
  try {
    session = await unlocked(() => destination?.records.open(destination.origin), run);
    yield* new CommandRun(options, run, session).events();
  } catch (cause) {
    if (!(cause instanceof DestinationError)) throw cause;
    throw new SourceError(cause.code, cause.message, { cause });
  } finally {
    session?.close();
  }
}

class CommandRun {
  readonly #options: CommandOptions;
  readonly #run: SourceRun;
  readonly #session: RecordSession | undefined;
  readonly #env: Readonly<Record<string, string>>;
  readonly #prepared: Prepared;
  readonly #reader: LineReader;
  readonly #slice: TimeSlice;
  /** The newest totals, not told yet. */
  #held: SourceProgress | undefined;
  #stalled = false;
  readonly #longLines = new LongLines();

  constructor(options: CommandOptions, run: SourceRun, session: RecordSession | undefined) {
    this.#options = options;
    this.#run = run;
    this.#session = session;
    const { format, cwd } = options;
    const env = this.#env = programEnv(options);
    const { command } = this.#prepared = format.prepare(options.command, env);
    this.#reader = format.reader({ command, cwd, env, clock: run.clock, records: session });
    this.#slice = new TimeSlice(run.clock);
  }

  async *events(): AsyncGenerator<SourceEvent, void, void> {
    const { format, cwd, stopGraceMs: graceMs } = this.#options;
    const { signal, clock } = this.#run;
    const { command, added } = this.#prepared;
    if (added.length > 0) yield line("info", `Added to the command: ${added.join(" ")}`);
    while (await unlocked(() => this.#session?.repair?.() ?? false, this.#run)) {
      if (this.#slice.over) await this.#slice.turn();
      if (signal.aborted) return;
    }
    if (signal.aborted) return;
    const program = await startProgram({ command, cwd, env: this.#env });
    const callOffGuard = guard(program);
    const followed = new ProgramRun({ program, clock, graceMs, stopSignal: format.stopSignal });
    const stop = () => followed.stop();
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    try {
      for (;;) {
        const chunk = await this.#unlessStalled(followed, followed.next());
        if (!chunk) break;
        yield* this.#read(chunk);
      }
      // The program may have closed its outputs and still run.
      yield* this.#end(await this.#unlessStalled(followed, followed.done));
    } finally {
      signal.removeEventListener("abort", stop);
      // Where the generator was left in the middle, nobody takes the output any more.
      followed.close();
      followed.stop();
      await followed.done;
      await callOffGuard();
    }
  }

  /** Stops the program when `wait` takes longer than `stallMs`. */
  async #unlessStalled<T>(followed: ProgramRun, wait: Promise<T>): Promise<T> {
    const { stallMs } = this.#options;
    const callOff = stallMs === undefined
      ? undefined
      : unlessHalted(this.#run.clock, stallMs, () => {
        if (followed.exited) return;
        this.#stalled = true;
        followed.stop();
      });
    const heard = await wait;
    callOff?.();
    return heard;
  }

  async *#read({ lines, from }: OutputChunk): AsyncGenerator<SourceEvent, void, void> {
    for (const { text, cut, bar } of lines) {
      for (const event of this.#longLines.told(this.#reader.line(text, from, bar), cut)) {
        if (event.type === "progress") this.#held = event;
        else {
          yield* this.#release();
          yield event;
        }
      }
      if (this.#slice.over) {
        yield* this.#release();
        await this.#slice.turn();
      }
    }
    yield* this.#release();
  }

  /** Tells the totals that are held back, once the records that they count are written. */
  async *#release(): AsyncGenerator<SourceEvent, void, void> {
    if (!this.#held) return;
    await this.#writeOut();
    yield this.#held;
    this.#held = undefined;
  }

  async #writeOut(): Promise<void> {
    if (this.#session) await writeOut(this.#session, this.#run);
  }

  async *#end(
    { exit, killed, leftOthers }: ProgramEnd,
  ): AsyncGenerator<SourceEvent, void, void> {
    const { format, stopGraceMs, stallMs = 0 } = this.#options;
    const name = JSON.stringify(this.#options.command[0]);
    const verdict = this.#reader.end({ ...exit, timeout: timeoutOf(this.#prepared.command) });
    await this.#writeOut();
    const warnings: SourceEvent[] = [];
    if (leftOthers) {
      warnings.push(line("warning", `${name} ended and left processes behind, which were killed`));
    }
    if (killed) {
      const grace = `${stopGraceMs / 1000} s of ${format.stopSignal}`;
      warnings.push(line("warning", `${name} did not stop within ${grace} and was killed`));
    }
    for (const event of this.#longLines.told(verdict.events)) {
      yield event.type === "log" ? event : withWarnings(event, warnings.length);
    }
    yield* warnings;
    if (this.#stalled) {
      const message = `${name} printed nothing for ${stallMs / 1000} s and was stopped`;
      throw new SourceError("stalled_timeout", message);
    }
    if (this.#run.signal.aborted || !verdict.error) return;
    const { code, message } = verdict.error;
    throw verdict.cancelled ? new SourceCancelled(code, message) : new SourceError(code, message);
  }
}

/**
 * Calls `run` once after `ms`. When that comes late, this process was halted, and perhaps the program
 * with it: what was printed meanwhile is not read yet. Then it waits for as long again, at most `ms`.
 *
 * @returns calls it off
 */
function unlessHalted(clock: Clock, ms: number, run: () => void): () => void {
  let callOff = () => {};
  const wait = (waitMs: number) => {
    const dueMs = clock.monotonic() + waitMs;
    callOff = clock.after(waitMs, () => {
      const lateMs = clock.monotonic() - dueMs;
      if (lateMs < LATE_MS) run();
      else wait(Math.min(lateMs, ms));
    });
  };
  wait(ms);
  return () => callOff();
}

function withWarnings(totals: SourceProgress, more: number): SourceProgress {
  return more === 0 ? totals : { ...totals, warnings: (totals.warnings ?? 0) + more };
}

function line(level: "info" | "warning", message: string): SourceEvent {
  return { type: "log", level, source: "synctail", message };
}
