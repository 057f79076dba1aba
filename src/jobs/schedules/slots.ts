/** The moments at which a schedule wants a run. Times are milliseconds since 1970. */
import { Cron } from "croner";
import { durationText } from "../amounts.ts";

/** A slot that is handled within this many milliseconds is on time. */
const LATE_MS = 60_000;
/** Slots are counted up to here, as those of a cron line must be stepped through one by one. */
export const COUNTED_MAX = 1_000;

/** How many of the next moments are shown. */
const SHOWN_MAX = 3;
const CRON_FORM = /^(@[a-z]+|\S+( +\S+){4})$/i;

/** When a sync is run by itself. */
export type Schedule =
  | { readonly type: "every"; readonly everyMs: number }
  | { readonly type: "cron"; readonly cron: string; readonly timeZone: string };

/** From where a schedule's slots are counted. */
export interface Anchor {
  /** When the schedule was put in force. */
  readonly sinceMs: number;
  /** The moment up to which every slot is handled; undefined for none yet. */
  readonly handledMs?: number;
}

/** Slots that have come and are not handled. */
export interface DueSlots {
  readonly firstMs: number;
  readonly lastMs: number;
  /** How many, up to COUNTED_MAX. */
  readonly count: number;
  /** Whether the last of them has come just now, so that a run is on time for it. */
  readonly onTime: boolean;
}

/** `every 15m`, `0 3 * * * Europe/Berlin` */
export function scheduleText(schedule: Schedule): string {
  return schedule.type === "every"
    ? `every ${durationText(schedule.everyMs)}`
    : `${schedule.cron} ${schedule.timeZone}`;
}

/**
 * The first slot that is not handled; undefined when a cron line has no further one. `every` counts
 * from the last run, and starts at once without one.
 */
export function firstSlot(schedule: Schedule, { sinceMs, handledMs }: Anchor): number | undefined {
  if (schedule.type === "cron") return slotAfter(schedule, Math.max(sinceMs, handledMs ?? 0));
  return handledMs === undefined ? sinceMs : Math.max(sinceMs, handledMs + schedule.everyMs);
}

/** The slots up to now that are not handled; undefined when there is none. */
export function dueSlots(schedule: Schedule, anchor: Anchor, nowMs: number): DueSlots | undefined {
  const firstMs = firstSlot(schedule, anchor);
  if (firstMs === undefined || firstMs > nowMs) return undefined;
  if (schedule.type === "every") {
    const after = Math.floor((nowMs - firstMs) / schedule.everyMs);
    const lastMs = firstMs + after * schedule.everyMs;
    const count = Math.min(after + 1, COUNTED_MAX);
    return { firstMs, lastMs, count, onTime: nowMs - lastMs <= LATE_MS };
  }
  let lastMs = firstMs;
  let count = 1;
  for (; count < COUNTED_MAX; count++) {
    const next = slotAfter(schedule, lastMs);
    if (next === undefined || next > nowMs) {
      return { firstMs, lastMs, count, onTime: nowMs - lastMs <= LATE_MS };
    }
    lastMs = next;
  }
  return { firstMs, lastMs: lastSlot(schedule, nowMs) ?? lastMs, count, onTime: false };
}

/** The first slot after that moment; undefined when there is none. */
export function slotAfter(schedule: Schedule, atMs: number): number | undefined {
  if (schedule.type === "every") return atMs + schedule.everyMs;
  return cronOf(schedule.cron, schedule.timeZone).nextRun(new Date(atMs))?.getTime();
}

/** A cron line's last slot up to that moment, which is included. */
function lastSlot({ cron, timeZone }: Schedule & { type: "cron" }, atMs: number) {
  // croner leaves out the moment that it starts from.
  return cronOf(cron, timeZone).previousRuns(1, new Date(atMs + 1)).at(0)?.getTime();
}

/** When a schedule runs next, in words: a few moments, or the rule when they are not known. */
export function outlookText(schedule: Schedule, nowMs: number): string {
  if (schedule.type === "every") {
    return `${scheduleText(schedule)}, counted from the start of its last run`;
  }
  const times: string[] = [];
  let slot = slotAfter(schedule, nowMs);
  while (slot !== undefined && times.length < SHOWN_MAX) {
    times.push(zonedText(slot, schedule.timeZone));
    slot = slotAfter(schedule, slot);
  }
  return `${schedule.cron}; next: ${times.join(", ")} ${schedule.timeZone}`;
}

/** Why the text is not a cron line, in words; undefined when it is one. */
export function cronFault(text: string): string | undefined {
  const expected =
    "expected five fields: minute 0-59, hour 0-23, day 1-31, month 1-12, day of the week 0-7";
  if (!CRON_FORM.test(text)) return expected;
  try {
    if (cronOf(text, "UTC").nextRun(new Date(0)) === null) return "expected a date that comes";
    return undefined;
  } catch {
    return expected; // croner's own reason counts months from 0
  }
}

/** Why the text is not a time zone, in words; undefined when it is one. */
export function zoneFault(text: string): string | undefined {
  try {
    new Intl.DateTimeFormat("en", { timeZone: text });
    return undefined;
  } catch {
    return "expected a time zone, such as Europe/Berlin";
  }
}

/** `2026-11-26 03:00`, as the clocks there show it. */
function zonedText(atMs: number, timeZone: string): string {
  // Sweden writes dates like this.
  return new Intl.DateTimeFormat("sv-SE", {
    timeZone,
    dateStyle: "short",
    timeStyle: "short",
  }).format(atMs);
}

/**
 * A parsed cron line. As in Vixie cron, unless hours are wildcards: runs of an hour that a zone
 * leaves out come at its end, and those of an hour that comes twice come once.
 */
function cronOf(cron: string, timezone: string): Cron {
  const mode = "5-part";
  return new Cron(cron, { timezone, mode, fixedTimeRule: "no-wildcard", paused: true });
}
