/** Puts frames into words. */
import { clean, cleanLines } from "../sync/clean.ts";
import type { Payload } from "./follow.ts";
import { ENTITY_COUNTS } from "../sync/progress.ts";

/**
 * The counts that are not zero: `12 inserted, 3 kept`. Without any, what the job is busy with;
 * undefined where it does not say that either.
 */
export function countsText(payload: Payload): string | undefined {
  const parts = ENTITY_COUNTS.filter((name) => Number(payload[name]) > 0)
    .map((name) => `${payload[name]} ${name}`);
  if (parts.length > 0) return parts.join(", ");
  return clean(payload.current ?? "").trim() || undefined;
}

/**
 * The percent. Undefined when there is none, or when more is done than the total: then it is 100,
 * and nobody knows how much is left.
 */
export function shareOf(payload: Payload): number | undefined {
  const { status, percent, total, bytes_done: bytesDone, bytes_total: bytesTotal } = payload;
  if (typeof percent !== "number") return undefined;
  const entities = ENTITY_COUNTS.filter((name) => name !== "deleted")
    .reduce((sum, name) => sum + Number(payload[name] ?? 0), 0);
  const beyond = bytesTotal && bytesDone !== undefined
    ? Number(bytesDone) > Number(bytesTotal)
    : typeof total === "number" && entities > total;
  return percent === 100 && beyond && status !== "completed" ? undefined : percent;
}

/** A log line. Its further lines, as of a trace, are indented: none of them looks like another. */
export function logText({ level, message }: Payload): string {
  return `[${clean(level)}] ${cleanLines(String(message)).join("\n  ")}`;
}

/** How a job ended, in one line. */
export function summaryText(payload: Payload): string {
  const warnings = Number(payload.warnings ?? 0);
  const warned = warnings > 0 ? `, ${warnings} ${warnings === 1 ? "warning" : "warnings"}` : "";
  const counts = ENTITY_COUNTS.map((name) => `${Number(payload[name] ?? 0)} ${name}`).join(", ");
  const bytes = typeof payload.bytes_done === "number" ? `, ${bytesText(payload.bytes_done)}` : "";
  const error = payload.error ? `: ${clean(payload.error)}` : "";
  return `${clean(payload.status)}${error} (${counts}${bytes}${warned})`;
}

/** `1.5 MiB` */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
