// @ts-check
/** Numbers and states in words. */
import { known, told } from "./time.js";

/** @typedef {import("./wire.d.ts").Listed} Listed */
/** @typedef {import("./wire.d.ts").Status} Status */
/** @typedef {import("./wire.d.ts").Totals} Totals */

/** @type {Readonly<Record<Status, string>>} */
export const STATUS_WORDS = {
  pending: "Pending",
  in_progress: "In progress",
  cancelling: "Cancelling",
  completed: "Completed",
  failed: "Failed",
  cancelled: "Cancelled",
};

/** @type {readonly Status[]} */
export const ACTIVE = ["pending", "in_progress", "cancelling"];
/** @type {readonly Status[]} */
export const ENDED = ["completed", "failed", "cancelled"];

export const COUNTS = /** @type {const} */ (["inserted", "updated", "deleted", "kept", "skipped"]);

/** @param {Status} status */
export function isEnded(status) {
  return ENDED.includes(status);
}

const NUMBER = new Intl.NumberFormat("en");
const RATE = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/** `18,291` @param {number} value */
export function number(value) {
  return NUMBER.format(value);
}

/** `40.7 %` @param {number} value */
export function percent(value) {
  return `${value.toFixed(1)} %`;
}

/**
 * The percent; undefined also where it says 100 but more is done than the total: then nobody knows
 * how much is left.
 *
 * @param {Totals} totals
 */
export function shareOf(totals) {
  const { status, percent, total = Infinity, bytes_done, bytes_total } = totals;
  const beyond = bytes_total && bytes_done !== undefined
    ? bytes_done > bytes_total
    : doneOf(totals) > total;
  return percent === 100 && beyond && status !== "completed" ? undefined : percent;
}

/** Entities of the source that were dealt with, so not the deleted ones. @param {Totals} totals */
export function doneOf(totals) {
  return totals.entities_inserted + totals.entities_updated + totals.entities_kept +
    totals.entities_skipped;
}

/** Whether the percent is a share of bytes, not of entities. @param {Totals} totals */
export function isOfBytes(totals) {
  const { bytes_done = 0, bytes_total } = totals;
  const percent = shareOf(totals);
  if (percent === undefined || !bytes_total) return false;
  return Math.abs((bytes_done / bytes_total) * 100 - percent) < 0.11; // `percent` is cut to tenths
}

/** `2 warnings` for a job that completed with some; else empty. @param {Totals} totals */
export function warningsOf({ status, warnings }) {
  return status === "completed" && warnings ? many(warnings, "warning") : "";
}

/** `4,810/s` @param {number} value */
export function rate(value) {
  return `${value < 1000 ? RATE.format(value) : number(Math.round(value))}/s`;
}

/** `1.5 MiB` @param {number} value */
export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** `12 inserted, 3 kept`: the counts that are not zero. @param {Totals} totals */
export function counts(totals) {
  return COUNTS.filter((name) => totals[`entities_${name}`] > 0)
    .map((name) => `${number(totals[`entities_${name}`])} ${name}`).join(", ");
}

/**
 * A job's title.
 *
 * @param {{ readonly sync: string | null, readonly name: string | null, readonly id: string }} job
 */
export function title(job) {
  return titleParts(job).join(BETWEEN);
}

/** Stands between the parts of a job's title. */
export const BETWEEN = " \u00b7 ";

/**
 * The parts of a job's title: the names of its sync and its own, as far as there are any.
 *
 * @param {{ readonly sync: string | null, readonly name: string | null, readonly id: string }} job
 */
export function titleParts(job) {
  const parts = [job.sync, job.name].filter((part) => part !== null);
  return parts.length > 0 ? parts : [`Job ${shortId(job.id)}`];
}

/**
 * Whether nothing has been heard of a listed job for so long that the server calls it stalled. What
 * the stream has not told yet is not known, so silence counts up to what it told last.
 *
 * @param {Listed} job
 * @param {number} stallAfterMs
 */
export function isStalled({ status, heard_at }, stallAfterMs) {
  return !isEnded(status) && told() - Date.parse(heard_at) >= stallAfterMs;
}

/** After this many milliseconds without news a rate, and the time left by it, are out of date. */
const QUIET_MS = 10_000;

/** Whether the totals were told too long ago to tell a rate. @param {number} toldMs */
export function isQuiet(toldMs) {
  return known() - toldMs >= QUIET_MS;
}

/** The first part of a UUID. @param {string} id */
export function shortId(id) {
  return id.slice(0, 8);
}

/** The text in at most so many characters, none of them cut in two. @param {string} text @param {number} most */
export function shortened(text, most) {
  if (text.length <= most) return text;
  return `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, "")}\u2026`;
}

/** `1 line`, `2 lines` @param {number} count @param {string} noun */
export function many(count, noun) {
  return `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
}
