/** Adds up what workers count to a job's totals. */
import type { ProgressEvent } from "../sync/event.ts";
import { TYPES_MAX } from "../sync/event_limits.ts";
import type { Job } from "../sync/job.ts";
import type { Counters } from "../sync/producer.ts";
import { entitiesDone, type Progress, shareDone } from "../sync/progress.ts";
import { secondsLeft } from "./time_left.ts";
import type { TypeCounts } from "./type_counts.ts";

/** Rates are means in which what is older than about this many milliseconds counts little. */
const MEMORY_MS = 10_000;
/** Rates are taken over at least so many milliseconds: two posts at one moment give no rate. */
const SPAN_MS_MIN = 1_000;

/** Counters that are one number each. */
type Numbers = Omit<Counters, "encountered">;

/** Counts by entity type of one producer, and of all of the job's; changed in place. */
export interface Types {
  readonly own: TypeCounts;
  readonly all: TypeCounts;
}

/** A running total is below the one before. */
export class CounterWentBackError extends Error {
  override readonly name = "CounterWentBackError";

  constructor(counter: string, given: number, last: number) {
    super(
      `Cannot set ${counter} to ${given}: this producer's last total was ${last}, and totals ` +
        `never go back; increments are told by "delta": true`,
    );
  }
}

/** More entity types than a job can have. */
export class TooManyTypesError extends Error {
  override readonly name = "TooManyTypesError";

  constructor() {
    super(`Cannot count entities of another type: a job can have ${TYPES_MAX} of them`);
  }
}

/** A total is beyond what a number can hold exactly. */
export class CounterTooLargeError extends Error {
  override readonly name = "CounterTooLargeError";

  constructor(counter: string) {
    super(`Cannot add to ${counter}: the total would be above ${Number.MAX_SAFE_INTEGER}`);
  }
}

/**
 * A producer's counters after its event.
 *
 * @throws {CounterWentBackError | CounterTooLargeError | TooManyTypesError}
 */
export function counted(
  before: Numbers,
  { counters, delta }: ProgressEvent,
  { own, all }: Types,
): Numbers {
  const next = (name: string, last: number, given: number | undefined): number => {
    if (given === undefined) return last;
    const total = delta ? last + given : given;
    if (total < last) throw new CounterWentBackError(name, total, last);
    if (!Number.isSafeInteger(total)) throw new CounterTooLargeError(name);
    return total;
  };
  for (const [type, given] of Object.entries(counters.encountered ?? {})) {
    const name = `encountered "${type}"`;
    const last = own.of(type);
    const total = next(name, last, given);
    own.set(type, total);
    all.set(type, added(name, all.of(type), last, total));
    if (all.size > TYPES_MAX) throw new TooManyTypesError();
  }
  // Written out, as it runs for every event: a loop over names takes ten times as long.
  return {
    inserted: next("inserted", before.inserted, counters.inserted),
    updated: next("updated", before.updated, counters.updated),
    deleted: next("deleted", before.deleted, counters.deleted),
    kept: next("kept", before.kept, counters.kept),
    skipped: next("skipped", before.skipped, counters.skipped),
    warnings: next("warnings", before.warnings, counters.warnings),
    bytes: next("bytes", before.bytes, counters.bytes),
  };
}

/**
 * The job's totals after one of its producers went from `before` to `after`.
 *
 * @param types with the event's counts included
 * @throws {CounterTooLargeError}
 */
export function summed(
  job: Pick<Job, "progress" | "startedAtMs" | "updatedAtMs">,
  { before, after, event, types, nowMs }: {
    readonly before: Numbers;
    readonly after: Numbers;
    readonly event: ProgressEvent;
    readonly types: Types;
    readonly nowMs: number;
  },
): Progress {
  const { progress: was } = job;
  const sum = (name: keyof Numbers, total: number) => added(name, total, before[name], after[name]);
  const inserted = sum("inserted", was.inserted);
  const updated = sum("updated", was.updated);
  const deleted = sum("deleted", was.deleted);
  const kept = sum("kept", was.kept);
  const skipped = sum("skipped", was.skipped);
  const done = entitiesDone({ inserted, updated, deleted, kept, skipped });
  const tellsBytes = was.bytesDone !== undefined || event.counters.bytes !== undefined;
  const tellsWarnings = was.warnings !== undefined || event.counters.warnings !== undefined;
  const bytesDone = tellsBytes ? sum("bytes", was.bytesDone ?? 0) : undefined;
  const span = { job, nowMs };
  // Without entities there is no rate of them.
  const ratePerS = done > 0 ? rate(was.ratePerS, done, done - entitiesDone(was), span) : undefined;
  const bytesPerS = bytesDone === undefined
    ? undefined
    : rate(was.bytesPerS, bytesDone, bytesDone - (was.bytesDone ?? 0), span);
  const measured = {
    total: event.total ?? was.total,
    bytesDone,
    bytesTotal: event.bytesTotal ?? was.bytesTotal,
    ratePerS: ratePerS === undefined ? undefined : Math.round(ratePerS * 10) / 10,
    bytesPerS: bytesPerS === undefined ? undefined : Math.round(bytesPerS),
  };
  // Written out, too: copying objects takes as long as all the sums.
  return {
    inserted,
    updated,
    deleted,
    kept,
    skipped,
    encountered: types.all.share(),
    total: measured.total,
    bytesDone,
    bytesTotal: measured.bytesTotal,
    ratePerS: measured.ratePerS,
    bytesPerS: measured.bytesPerS,
    phase: event.phase ?? was.phase,
    current: event.current ?? was.current,
    warnings: tellsWarnings ? sum("warnings", was.warnings ?? 0) : undefined,
    percent: percentOf(measured, done, { last: was.percent, told: event.percent }),
    etaS: secondsLeft(measured, done, nowMs - (job.startedAtMs ?? nowMs)),
  };
}

/**
 * The new rate a second, from the last one alone: a mean in which older amounts count less.
 * Undefined before the job has begun to report.
 */
function rate(
  mean: number | undefined,
  done: number,
  added: number,
  { job, nowMs }: {
    readonly job: Pick<Job, "startedAtMs" | "updatedAtMs">;
    readonly nowMs: number;
  },
): number | undefined {
  if (job.startedAtMs === null || nowMs <= job.startedAtMs) return undefined;
  const weight = (untilMs: number) =>
    1 - Math.exp(-Math.max(SPAN_MS_MIN, untilMs - (job.startedAtMs ?? untilMs)) / MEMORY_MS);
  const spanMs = Math.max(0, nowMs - job.updatedAtMs);
  const kept = Math.exp(-spanMs / MEMORY_MS);
  // What was added came evenly over the span, so a part of it counts a little less already.
  const fresh = spanMs === 0 ? 1 : (1 - kept) / (spanMs / MEMORY_MS);
  const sum = (mean ?? 0) * weight(job.updatedAtMs) * kept + (added * fresh) / (MEMORY_MS / 1000);
  // The newest amount weighs most; in the first second that could exceed all there is.
  return Math.min(sum / weight(nowMs), done / (SPAN_MS_MIN / 1000));
}

/** The percent, by bytes, else by the total, else as the worker says, if known. Never goes back. */
function percentOf(
  p: Pick<Progress, "total" | "bytesDone" | "bytesTotal">,
  done: number,
  { last, told }: { readonly last: number | undefined; readonly told: number | undefined },
): number | undefined {
  const share = shareDone(p, done) ?? (told === undefined ? undefined : told / 100);
  if (share === undefined) return last;
  return Math.max(last ?? 0, Math.min(100, Math.floor(share * 1000) / 10));
}

/** The total after a part of it went from one number to another. @throws {CounterTooLargeError} */
function added(name: string, total: number, from: number, to: number): number {
  if (!Number.isSafeInteger(total + to - from)) throw new CounterTooLargeError(name);
  return total + to - from;
}
