/** A committed fact in a job's log. */
import type { Progress } from "./progress.ts";
import type { Status } from "./status.ts";

/** Position of an entry in its job's log: counts from 1 without holes; 0 is before the first. */
export type Seq = number;

/** Why a job failed or was stopped: a code for programs and a message for people. */
export interface JobError {
  readonly code: string;
  readonly message: string;
}

/** Levels of log lines, least urgent first. */
export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
export type LogLevel = typeof LOG_LEVELS[number];

/** The totals as they stood, and the status. Superseded by any later one unless it changes the status. */
export interface ProgressFact {
  readonly kind: "progress";
  readonly status: Status;
  readonly progress: Progress;
  /** Why the job ended so; on a terminal entry only. */
  readonly error?: JobError;
}

/** A line that the job's source or worker wrote. Never superseded. */
export interface LogFact {
  readonly kind: "log";
  readonly level: LogLevel;
  readonly message: string;
  /** Who wrote it, when there is more than one: a program, a logger, a worker. */
  readonly source?: string;
  /** When it was written, by the clock of its writer, in milliseconds since 1970. */
  readonly timeMs?: number;
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** What can be appended. */
export type Fact = ProgressFact | LogFact;

/** A fact's place in the log and the time of its append, in milliseconds since 1970. */
interface Placed {
  readonly seq: Seq;
  readonly atMs: number;
}

/** `changesStatus` is true for an entry that no later progress supersedes. */
export type ProgressEntry = ProgressFact & Placed & { readonly changesStatus: boolean };

/** A stored log line. Its words stay text: most lines are sent on without a look into them. */
export interface LogEntry extends Placed {
  readonly kind: "log";
  readonly level: LogLevel;
  /** As logText makes it and logWords reads it. */
  readonly text: string;
}

/** A committed fact. */
export type Entry = ProgressEntry | LogEntry;

/** Whether `level` is at least as urgent as `least`. */
export function levelAtLeast(level: LogLevel, least: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(least);
}
