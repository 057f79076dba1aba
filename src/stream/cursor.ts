/** Event ids, and what a viewer that comes with one is owed. */
import { LOG_LEVELS, type LogLevel, type Seq } from "../sync/entry.ts";
import type { Epoch } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import { isTerminal } from "../sync/status.ts";

/** How a connection starts, as `connected` tells it. */
export type Resume = "start" | "snapshot" | "resumed" | "gap";

/** What a viewer gets first, and where it goes on. */
export type Opening =
  /** Nothing is owed and nothing will come: 204. */
  | { readonly kind: "over" }
  | Beginning;

export interface Beginning {
  readonly kind: "open";
  readonly resume: Resume;
  /** Everything after this position follows. */
  readonly cursor: Seq;
  /** Whether one frame with the totals of now comes first. */
  readonly snapshot: boolean;
}

const EVENT_ID = /^([A-Za-z0-9_]{1,32})-(\d{1,15})$/;

/** `<epoch>-<seq>`: the id of a logged frame. */
export function eventId(epoch: Epoch, seq: Seq): string {
  return `${epoch}-${seq}`;
}

/**
 * Decides how a viewer starts, by its cursor: a `Last-Event-ID`, `0` for everything from the
 * start, or undefined for none. `logs` is the least level of the log lines that it asks for.
 *
 * A gap is told where an entry still owed was removed, where the epoch is another, where the
 * position lies beyond the log, and for anything that is no id of ours. It is never an error:
 * EventSource gives up for good on any answer but 200.
 */
export function openAt(job: Job, cursor: string | undefined, logs?: LogLevel): Opening {
  if (cursor === undefined) {
    const resume = job.seq === 0 ? "start" : "snapshot";
    return { kind: "open", resume, cursor: job.seq, snapshot: job.seq > 0 };
  }
  const seq = positionOf(job, cursor);
  if (seq === undefined || seq > job.seq || seq < trimmedThrough(job, logs)) {
    return { kind: "open", resume: "gap", cursor: job.seq, snapshot: job.seq > 0 };
  }
  if (seq === job.seq && isTerminal(job.status)) return { kind: "over" };
  return { kind: "open", resume: "resumed", cursor: seq, snapshot: false };
}

/** The highest seq of an entry that was removed and that a viewer who asks for `logs` is owed. */
export function trimmedThrough(job: Pick<Job, "trimmed">, logs: LogLevel | undefined): Seq {
  // Superseded progress is owed to nobody, and changes of status are never removed.
  return logs === undefined ? 0 : Math.max(...job.trimmed.slice(LOG_LEVELS.indexOf(logs)));
}

function positionOf(job: Job, cursor: string): Seq | undefined {
  if (cursor === "0") return 0;
  const [, epoch, seq] = EVENT_ID.exec(cursor) ?? [];
  return epoch === job.epoch ? Number(seq) : undefined;
}
