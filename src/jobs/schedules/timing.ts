/** The settings of when a sync runs by itself, is tried again, and is expected to run. */
import { z } from "zod";
import { duration, whole } from "../amount_schemas.ts";
import { durationMs } from "../amounts.ts";
import { cronFault, type Schedule, zoneFault } from "./slots.ts";

/** Most tries after a failed one. */
const RETRIES_MAX = 100;
/** The time zone of a cron line that names none. */
const TIME_ZONE = "UTC";
/** The longest wait before a try, by default. */
const BACKOFF_MAX = "1h";

/** How a failed run is tried again. */
export interface Retries {
  /** Tries after the first one. */
  readonly max: number;
  /** The wait before the first of them; doubled before each further one. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
}

/** How often a run has to start. */
export interface Expectation {
  readonly everyMs: number;
  /** How much later it may start. */
  readonly graceMs: number;
}

/** A sync's timing; each part is undefined when the sync has none. */
export interface Timing {
  readonly schedule?: Schedule;
  readonly retries?: Retries;
  readonly expect?: Expectation;
}

const schedule = z.strictObject({
  every: duration("1s", "366d").optional()
    .describe("From one start to the next, such as 15m; units are s, m, h and d"),
  cron: checked(cronFault).optional().describe("Five fields, such as 0 3 * * *, or @daily"),
  time_zone: checked(zoneFault).optional()
    .meta({ description: "Where the hours of cron are counted", default: TIME_ZONE }),
}).superRefine(({ every, cron, time_zone }, context) => {
  const fault = (path: string, message: string) =>
    context.addIssue({ code: "custom", path: [path], message });
  if (every === undefined && cron === undefined) fault("every", 'expected "every" or "cron"');
  if (every !== undefined && cron !== undefined) fault("cron", 'expected none beside "every"');
  if (cron === undefined && time_zone !== undefined) fault("time_zone", 'expected it with "cron"');
}).describe("When the server runs it by itself: every or cron");

const retries = z.strictObject({
  max: whole(1, RETRIES_MAX).describe("Tries after the first one"),
  backoff: duration("1s", "30d").default("30s")
    .describe("The wait before the first of them; each further one waits twice as long"),
  backoff_max: duration("1s", "30d").default(BACKOFF_MAX)
    .describe("The longest wait; backoff where that is longer"),
}).describe("How a failed run is tried again");

const expect = z.strictObject({
  every: duration("1s", "366d").describe("How often a run has to start"),
  grace: duration("0s", "366d").default("0s").describe("How much later it may be"),
}).describe("A sync that does not start as often is overdue");

/** The schemas of a sync's timing. */
export const TIMING_FIELDS = {
  schedule: schedule.optional(),
  retries: retries.optional(),
  expect: expect.optional(),
};

interface WrittenTiming {
  readonly schedule?: z.output<typeof schedule>;
  readonly retries?: z.output<typeof retries>;
  readonly expect?: z.output<typeof expect>;
}

/** Converts a sync's timing. */
export function timingOf({ schedule, retries, expect }: WrittenTiming): Timing {
  return {
    schedule: schedule && scheduleOf(schedule),
    retries: retries && retriesOf(retries),
    expect: expect && {
      everyMs: durationMs(expect.every),
      graceMs: durationMs(expect.grace),
    },
  };
}

/** Refuses a schedule, retries and a progress interval for a sync that the server cannot run. */
export function onlyWhereItRuns(
  sync: WrittenTiming & {
    readonly source: { readonly type: string };
    readonly progress_interval_ms?: number;
  },
  context: z.core.$RefinementCtx,
): void {
  const { type } = sync.source;
  if (type !== "outside" && type !== "redis_pubsub") return;
  for (const field of ["schedule", "retries", "progress_interval_ms"] as const) {
    if (sync[field] === undefined) continue;
    const message = `expected none: a source of type ${type} cannot be run`;
    context.addIssue({ code: "custom", path: [field], message });
  }
}

function retriesOf({ max, backoff, backoff_max }: z.output<typeof retries>): Retries {
  const backoffMs = durationMs(backoff);
  // The first wait is as written, also where it is longer than the longest by default.
  return { max, backoffMs, backoffMaxMs: Math.max(backoffMs, durationMs(backoff_max)) };
}

function scheduleOf({ every, cron, time_zone }: z.output<typeof schedule>): Schedule {
  return cron === undefined
    ? { type: "every", everyMs: durationMs(every ?? "") } // the schema requires one of the two
    : { type: "cron", cron, timeZone: time_zone ?? TIME_ZONE };
}

/** The schema of a text in which `fault` finds no fault. */
function checked(fault: (text: string) => string | undefined) {
  return z.string().superRefine((text, context) => {
    const message = fault(text);
    if (message !== undefined) context.addIssue({ code: "custom", message, input: text });
  });
}
