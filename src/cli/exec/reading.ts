/** Reads the program's output as it passes: bytes in, events of its job out. */
import type { Clock } from "../../clock.ts";
import { DestinationLockedError } from "../../destinations/index_destination.ts";
import type { RecordSession } from "../../destinations/record_destination.ts";
import { reasonOf } from "../../reason.ts";
import { timeoutOf } from "../../sources/formats/flags.ts";
import type {
  Environment,
  Exit,
  LineReader,
  Outcome,
  Output,
  ProgramFormat,
} from "../../sources/formats/format.ts";
import { LongLines } from "../../sources/formats/long_lines.ts";
import { LineSplitter, type SplitLine } from "../../sources/process/line_splitter.ts";
import type { SourceEvent, SourceProgress } from "../../sources/source.ts";
import { LOCKED_MS_MAX, PAUSE_MS, writeOut } from "../../sources/write_out.ts";

export interface ReadingOptions {
  readonly format: ProgramFormat;
  /** The command as it was started. */
  readonly command: readonly string[];
  /** Where it was started. */
  readonly cwd: string;
  /** The program's environment. */
  readonly env: Environment;
  /** Opens the destination of records, for a format that has them. @throws {DestinationError} */
  readonly records: () => RecordSession;
  readonly emit: (event: SourceEvent) => void;
  readonly clock: Clock;
}

/** Never throws: after a failure it reads no more, and the program goes on. */
export class Reading {
  readonly #emit: (event: SourceEvent) => void;
  readonly #splitters = { stdout: new LineSplitter(), stderr: new LineSplitter() };
  readonly #command: readonly string[];
  readonly #reader: LineReader;
  readonly #session: RecordSession | undefined;
  /** The newest totals, held until the records that they count have been written. */
  #held: SourceProgress | undefined;
  #fault: string | undefined;
  readonly #longLines = new LongLines();
  readonly #clock: Clock;
  /** Since when another program has the destination locked, by the clock's `monotonic()`. */
  #lockedMs: number | undefined;
  /** Calls off the next try to write to it. */
  #callOff = () => {};

  constructor({ format, command, cwd, env, records, emit, clock }: ReadingOptions) {
    this.#emit = emit;
    this.#clock = clock;
    this.#command = command;
    this.#session = format.carriesRecords ? this.#opened(records) : undefined;
    this.#reader = format.reader({ command, cwd, env, clock, records: this.#session });
  }

  chunk(from: Output, bytes: Uint8Array): void {
    this.#guarded(() => this.#lines(from, this.#splitters[from].push(bytes)));
  }

  /**
   * Emits the events of the last lines.
   *
   * @param signal cuts the wait for a locked destination short
   * @returns how the run ended
   */
  async end(exit: Exit, signal: AbortSignal): Promise<Outcome> {
    let outcome: Outcome = {};
    this.#guarded(() => {
      for (const from of ["stdout", "stderr"] as const) {
        this.#lines(from, this.#splitters[from].end());
      }
    });
    this.#callOff();
    if (this.#fault === undefined) {
      try {
        const verdict = this.#reader.end({ ...exit, timeout: timeoutOf(this.#command) });
        outcome = verdict;
        if (this.#session) await writeOut(this.#session, { clock: this.#clock, signal });
        this.#longLines.told(verdict.events).forEach(this.#emit);
      } catch (cause) {
        this.#fault = reasonOf(cause);
      }
    }
    this.#session?.close();
    if (this.#fault === undefined) return outcome;
    // The outcome is the program's, as far as its output was understood.
    const message = `Not all that the program wrote could be counted: ${this.#fault}`;
    this.#tell("error", message);
    if (outcome.error || exit.code === 0) return outcome;
    return { error: { code: "program_failed", message } };
  }

  #lines(from: Output, lines: readonly SplitLine[]): void {
    for (const { text, cut, bar } of lines) {
      for (const event of this.#longLines.told(this.#reader.line(text, from, bar), cut)) {
        if (event.type === "progress") this.#held = event;
        else this.#emit(event);
      }
    }
    this.#release(LOCKED_MS_MAX);
  }

  /**
   * Tells the totals whose records are written; tries again where the destination is locked.
   *
   * @param lockedMsMax how long it may have been locked
   */
  #release(lockedMsMax: number): void {
    this.#callOff();
    if (!this.#held) return;
    if (this.#flushed(lockedMsMax)) {
      this.#emit(this.#held);
      this.#held = undefined;
    } else {
      // Not only with the next chunk, which may be minutes away, and then meet another lock. While
      // nothing more comes, any lock can be waited for.
      const again = () => this.#guarded(() => this.#release(Infinity));
      this.#callOff = this.#clock.after(PAUSE_MS, again);
    }
  }

  /**
   * Writes the records; false while another program has the destination locked, perhaps for a
   * moment: the program is not held up for that.
   */
  #flushed(lockedMsMax: number): boolean {
    try {
      this.#session?.flush();
      this.#lockedMs = undefined;
      return true;
    } catch (cause) {
      if (!(cause instanceof DestinationLockedError)) throw cause;
      const now = this.#clock.monotonic();
      this.#lockedMs ??= now;
      if (now - this.#lockedMs >= lockedMsMax) throw cause;
      return false;
    }
  }

  #opened(records: () => RecordSession): RecordSession | undefined {
    try {
      return records();
    } catch (cause) {
      this.#tell("warning", reasonOf(cause));
      return undefined;
    }
  }

  #guarded(act: () => void): void {
    if (this.#fault !== undefined) return;
    try {
      act();
    } catch (cause) {
      this.#fault = reasonOf(cause);
    }
  }

  #tell(level: "warning" | "error", message: string): void {
    this.#emit({ type: "log", level, source: "synctail", message });
  }
}
