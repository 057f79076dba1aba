/** Makes a feed's messages into events of a job. */
import type { WorkerEvent } from "../../sync/event.ts";
import { TYPE_MAX, TYPES_MAX } from "../../sync/event_limits.ts";
import type { Job } from "../../sync/job.ts";
import type { Counters } from "../../sync/producer.ts";
import { ENTITY_COUNTS } from "../../sync/progress.ts";
import { isTerminal } from "../../sync/status.ts";
import type { FeedMessage } from "./feed_message.ts";

const NUMBERS = [...ENTITY_COUNTS, "bytes"] as const;
/** How long an equal end counts as the same one, in milliseconds. */
const REPEAT_MS = 60_000;
type Told = { -readonly [Name in keyof Counters]?: Counters[Name] };

const WENT_BACK = "The feed's totals went back; the highest are kept";
const LEFT_OUT =
  `Entity types are left out: a job has at most ${TYPES_MAX}, of 1 to ${TYPE_MAX} characters`;

/** A worker posts the job itself: what the feed says would be counted twice. */
export class CountedElsewhereError extends Error {
  override readonly name = "CountedElsewhereError";

  constructor({ id }: Job) {
    super(`Cannot count what the feed says of job "${id}": a worker posts its totals`);
  }
}

/**
 * Merges two messages: the highest of each total; of all else the newer value, else the older. The
 * older one has no end.
 */
export function merged(older: FeedMessage, newer: FeedMessage): FeedMessage {
  const counters: Told = {};
  for (const name of NUMBERS) counters[name] = higher(older.counters[name], newer.counters[name]);
  const types = higherTypes(older.counters.encountered, newer.counters.encountered);
  counters.encountered = types.counts;
  const was = older.measures;
  const { total, bytesTotal, phase, current } = newer.measures;
  return {
    counters,
    measures: {
      total: total ?? was.total,
      bytesTotal: bytesTotal ?? was.bytesTotal,
      phase: phase ?? was.phase,
      current: current ?? was.current,
    },
    end: newer.end,
    empty: older.empty && newer.empty,
    leftOut: older.leftOut || newer.leftOut || types.leftOut,
  };
}

/**
 * The events of a message. Their totals are never below what the feed has told before, as pub/sub
 * loses messages and workers start anew.
 *
 * @param told the feed's counters of the job
 * @param noted our own log lines that the job already has
 * @throws {CountedElsewhereError} when others have counted entities of the job
 */
export function feedEvents(
  message: FeedMessage,
  job: Job,
  told: Counters,
  noted: ReadonlySet<string>,
): WorkerEvent[] {
  if (!isTerminal(job.status) && countedByOthers(job, told)) throw new CountedElsewhereError(job);
  if (message.empty) return [];
  const types = higherTypes(told.encountered, message.counters.encountered);
  let back = types.back;
  const counters: Told = {};
  if (message.counters.encountered) counters.encountered = types.counts;
  for (const name of NUMBERS) {
    const given = message.counters[name];
    if (given === undefined) continue;
    back ||= given < told[name];
    counters[name] = Math.max(given, told[name]);
  }
  const events: WorkerEvent[] = [
    { type: "progress", delta: false, counters, ...message.measures },
  ];
  if (back && !noted.has(WENT_BACK)) events.push(log(WENT_BACK));
  if ((message.leftOut || types.leftOut) && !noted.has(LEFT_OUT)) events.push(log(LEFT_OUT));
  if (message.end) events.push(message.end);
  return events;
}

/**
 * Whether the message repeats the end that the job has. Feeds that send an end twice do so at once;
 * an equal one that comes later is another run's.
 */
export function repeatsEnd({ end, counters }: FeedMessage, job: Job, nowMs: number): boolean {
  const last = job.lateEnd ?? { status: job.status, error: job.error, atMs: job.endedAtMs ?? 0 };
  if (end?.status !== last.status || nowMs - last.atMs >= REPEAT_MS) return false;
  if (end.error && end.error.message !== last.error?.message) return false;
  if (job.lateEnd) return true; // its totals are not kept
  const { progress } = job;
  const same = (given: number | undefined, known = 0) => given === undefined || given === known;
  return same(counters.bytes, progress.bytesDone) &&
    ENTITY_COUNTS.every((name) => same(counters[name], progress[name]));
}

function countedByOthers({ progress }: Job, told: Counters): boolean {
  return (progress.bytesDone ?? 0) !== told.bytes ||
    ENTITY_COUNTS.some((name) => progress[name] !== told[name]) ||
    Object.entries(progress.encountered).some(([type, count]) =>
      !Object.hasOwn(told.encountered, type) || told.encountered[type] !== count
    );
}

function higher(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? a ?? b : Math.max(a, b);
}

/** The higher counts of both; types beyond what a job can have are left out. */
function higherTypes(known: Counters["encountered"] = {}, given?: Counters["encountered"]) {
  let [back, leftOut] = [false, false];
  if (!given) return { counts: known, back, leftOut };
  const counts: Record<string, number> = { ...known };
  let types = Object.keys(counts).length;
  for (const [type, count] of Object.entries(given)) {
    if (Object.hasOwn(counts, type)) {
      back ||= count < counts[type];
      counts[type] = Math.max(count, counts[type]);
    } else if (types < TYPES_MAX) {
      types++;
      counts[type] = count;
    } else leftOut = true;
  }
  return { counts, back, leftOut };
}

function log(message: string): WorkerEvent {
  return { type: "log", line: { kind: "log", level: "warning", source: "synctail", message } };
}
