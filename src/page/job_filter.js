// @ts-check
/** Which jobs a list shows: by status, sync, tag and words, as its address says. */
import { ACTIVE, ENDED, STATUS_WORDS } from "./words.js";

/** @typedef {import("./wire.d.ts").Listed} Listed */
/** @typedef {import("./wire.d.ts").Status} Status */
/** @typedef {{ status: string, sync: string, tag: string, text: string }} Filter */

/** @type {Filter} */
export const NO_FILTER = { status: "", sync: "", tag: "", text: "" };

/** The filters by status, in words. @type {Readonly<Record<string, string>>} */
export const STATUS_FILTERS = { active: "On the way", ended: "Over", ...STATUS_WORDS };

/**
 * What an address asks for, but for a status that there is not.
 *
 * @param {URLSearchParams} query
 * @returns {Filter}
 */
export function filterFrom(query) {
  const status = query.get("status") ?? "";
  const isStatus = status === "" || Object.hasOwn(STATUS_FILTERS, status);
  return {
    status: isStatus ? status : "",
    sync: query.get("sync") ?? "",
    tag: query.get("tag") ?? "",
    text: query.get("q") ?? "",
  };
}

/** The query of its address. @param {Filter} filter */
export function queryOf(filter) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) {
    if (value !== "") words.set(name === "text" ? "q" : name, value);
  }
  return words;
}

/** @param {string} status one, or `active` or `ended` @returns {readonly Status[]} */
export function statusesOf(status) {
  if (status === "active") return ACTIVE;
  return status === "ended" ? ENDED : [/** @type {Status} */ (status)]; // the server says if not
}

/** @param {Filter} filter */
export function matcher({ status, sync, tag, text }) {
  const statuses = status === "" ? undefined : statusesOf(status);
  const words = text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  return (/** @type {Listed} */ job) => {
    if (statuses && !statuses.includes(job.status)) return false;
    if (sync !== "" && job.sync_id !== sync && job.sync !== sync) return false;
    // The filter comes from the address, which cannot hold half a surrogate pair.
    if (tag !== "" && !job.tags.some((one) => one.toWellFormed() === tag)) return false;
    if (words.length === 0) return true;
    const all = [job.sync, job.name, job.id, ...job.tags].join("\n").toLowerCase();
    return words.every((word) => all.includes(word));
  };
}
