/** What a worker posts of its job. */
import type { JobError, LogFact } from "./entry.ts";
import type { Counters } from "./producer.ts";
import type { TerminalStatus } from "./status.ts";

/** What a worker says of the whole job. A member left out stays as it is. */
export interface JobMeasures {
  readonly total?: number;
  readonly bytesTotal?: number;
  /** 0 to 100, for workers that know no totals; where there are totals it is computed from them. */
  readonly percent?: number;
  readonly phase?: string;
  readonly current?: string;
}

/** Running totals of one producer, or with `delta` what to add. A counter left out stays as it is. */
export interface ProgressEvent extends JobMeasures {
  readonly type: "progress";
  readonly delta: boolean;
  readonly counters: Partial<Counters>;
}

/** A log line. */
export interface LogEvent {
  readonly type: "log";
  readonly line: LogFact;
}

/** The end of the job. */
export interface EndEvent {
  readonly type: "end";
  readonly status: TerminalStatus;
  readonly error?: JobError;
}

/** `phase` and `total` events on the wire are progress events without counters. */
export type WorkerEvent = ProgressEvent | LogEvent | EndEvent;
