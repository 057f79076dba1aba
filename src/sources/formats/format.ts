/** How a program's lines are read as the events of a sync. */
import type { Clock } from "../../clock.ts";
import type { RecordSession } from "../../destinations/record_destination.ts";
import type { JobError } from "../../sync/entry.ts";
import type { SourceEvent } from "../source.ts";

/** Where a line came from. */
export type Output = "stdout" | "stderr";

/** What `timeout` was told. */
export interface Timeout {
  /** How long the program may run, as people read it: `60 s`, `1.5h`. */
  readonly time: string;
  /** Whether it may kill the program, and itself with it. */
  readonly kills: boolean;
}

/** How a process ended: one of the two is null. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
  /** Where `timeout` has started it. */
  readonly timeout?: Timeout;
}

/** How a run came out, by the program's words and its exit. */
export interface Outcome {
  /** Absent when the run completed, perhaps with warnings (the events say so). */
  readonly error?: JobError;
  /** Whether the program says that it was cancelled; `error` is set, but the job has not failed. */
  readonly cancelled?: boolean;
}

/** The outcome, with the events that are still to be told. */
export interface Verdict extends Outcome {
  /** Final totals and last lines. */
  readonly events: readonly SourceEvent[];
}

/** Reads one run of a program: gets its lines in order, then its end. */
export interface LineReader {
  /**
   * Never throws because of a line's content.
   *
   * @param text without its line end; at most LINE_BYTES_MAX
   * @param bar whether it is the state of a progress bar, which the next one is written over
   * @throws {DestinationError}
   */
  line(text: string, from: Output, bar?: boolean): readonly SourceEvent[];
  end(exit: Exit): Verdict;
}

/** A command as it will be started. */
export interface Prepared {
  readonly command: readonly string[];
  /** Flags that were added so that the program tells its progress; shown in the job's log. */
  readonly added: readonly string[];
}

/** The variables that a program is given. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What a reader may need of its run. */
export interface ReaderOptions {
  /** The command as it was started: what a line means may depend on it. */
  readonly command: readonly string[];
  /** Where it was started: paths in the command are relative to it. */
  readonly cwd: string;
  /** The program's environment: some of its flags may be given there. */
  readonly env: Environment;
  /** Its two outputs are not read in the order in which it writes: time tells what is still unread. */
  readonly clock: Clock;
  /** Where records go, for formats that carry them. */
  readonly records?: RecordSession;
}

/** How one kind of program is understood. */
export interface ProgramFormat {
  readonly name: string;
  /** Whether it is one program's, of the same name: that is understood so without being told. */
  readonly ofProgram: boolean;
  /** Outputs that the reader has to see; any other may stay the terminal's. */
  readonly reads: readonly Output[];
  /**
   * Asks the program to stop without harm. Sent only once: a second one may kill the program while
   * it tidies up. Sent by `process.kill`: after `child.kill()` Deno reports no exit code.
   */
  readonly stopSignal: "SIGTERM" | "SIGINT";
  /** Whether it carries records, which need a destination to tell new from known. */
  readonly carriesRecords: boolean;
  /** Adds flags that the program needs to tell its progress; never changes those of the user. */
  prepare(command: readonly string[], env: Environment): Prepared;
  reader(options: ReaderOptions): LineReader;
}

/** Longer lines are cut, with a warning. */
export const LINE_BYTES_MAX = 1024 * 1024;
