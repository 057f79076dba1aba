/** What a program says of itself, line by line, as the events of a sync. */
import type { RecordSession } from "../../destinations/record_destination.ts";
import type { JobError } from "../../sync/entry.ts";
import type { SourceEvent } from "../source.ts";

/** Where a line came from. */
export type Output = "stdout" | "stderr";

/** How a process ended: one of the two is null. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** What a run came to, by what the program said and by its exit. */
export interface Outcome {
  /** Absent when the run completed, perhaps with warnings (the events say so). */
  readonly error?: JobError;
  /** Whether the program says that it was cancelled: with an error, but no failure. */
  readonly cancelled?: boolean;
}

/** That, and what is still to be told. */
export interface Verdict extends Outcome {
  /** Final totals, last lines. */
  readonly events: readonly SourceEvent[];
}

/** Reads one run of a program. Told of lines in the order in which they came, then of the end. */
export interface LineReader {
  /**
   * Never throws because of what a line holds; a destination's failure it lets through.
   *
   * @param text without its line end (LF, CRLF, or a CR alone: programs draw progress over itself);
   *   at most LINE_BYTES_MAX
   */
  line(text: string, from: Output): readonly SourceEvent[];
  end(exit: Exit): Verdict;
}

/** A command as it will be started. */
export interface Prepared {
  readonly command: readonly string[];
  /** Flags that were put in so that the program speaks; told to whoever looks. */
  readonly added: readonly string[];
}

/** The variables that a program is given. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What a reader may need of its run. */
export interface ReaderOptions {
  /** The command as it was started: what a line means may depend on it. */
  readonly command: readonly string[];
  /** Where it was started: paths in it are relative to that. */
  readonly cwd: string;
  /** The program's: some of its flags may be given there. */
  readonly env: Environment;
  /** Where records go, for formats that carry them. */
  readonly records?: RecordSession;
}

/** How one kind of program is understood. */
export interface ProgramFormat {
  readonly name: string;
  /** Streams that the reader has to see; another one may stay the terminal's. */
  readonly reads: readonly Output[];
  /**
   * Asks the program to stop without harm. Once, since a second one may kill it while it tidies up,
   * and by `process.kill`: after `child.kill()` Deno reports the signal in place of the exit code.
   */
  readonly stopSignal: "SIGTERM" | "SIGINT";
  /** Whether it carries records, which need a destination to tell new from known. */
  readonly carriesRecords: boolean;
  /** Puts in what the program needs to speak; what the user gave is never changed. */
  prepare(command: readonly string[], env: Environment): Prepared;
  reader(options: ReaderOptions): LineReader;
}

/** Longer lines are cut there, and that is told. */
export const LINE_BYTES_MAX = 1024 * 1024;
