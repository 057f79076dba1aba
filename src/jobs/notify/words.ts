/** Puts messages into words. */
import { clean, cleanLines } from "../../sync/clean.ts";
import { shortened } from "../../sync/cut.ts";
import { WORKER_LOST } from "../changes.ts";
import type { Message, MessageKind } from "./message.ts";
import { isoTime } from "../../sync/iso_time.ts";
import { ENTITY_COUNTS } from "../../sync/progress.ts";

/** How many characters a title and a text have at most: they must fit every service that shows them. */
const TITLE_MAX = 200;
const TEXT_MAX = 1_000;
/** A message that comes so late, in milliseconds, says when it happened: it looks like news. */
const LATE_MS = 60_000;
/** A time as `exec` writes it. */
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const TITLES: Readonly<Record<MessageKind, string>> = {
  started: "has started",
  completed: "completed",
  warning: "completed with warnings",
  failed: "failed",
  cancelled: "was cancelled",
  stalled: "has stalled",
  overdue: "is overdue",
  recovered: "is well again",
  test: "would be told like this",
};

/** The title, one line: `docs failed`. */
export function titleOf({ kind, sync, job }: Message): string {
  const name = sync?.name ?? job?.name ?? (job ? `job ${job.id}` : "a sync");
  const words = ` ${TITLES[kind]}`; // never cut: they say what has happened
  return shortened(clean(name), TITLE_MAX - words.length) + words;
}

/**
 * The text, a few lines: when, where it comes late, why, how far the job came, how long it took.
 * Empty when there is nothing to say.
 *
 * @param nowMs when it is sent
 */
export function textOf(message: Message, nowMs: number): string {
  const { kind, detail, atMs } = message;
  // A job that has ended by the time its start is told says of its end in the next message.
  const job = kind === "started" ? null : message.job;
  const error = job?.error as { code: string; message: string } | null | undefined;
  const lines = [
    nowMs - atMs >= LATE_MS ? `this was at ${isoTime(atMs)}` : "",
    detail,
    error ? `${error.code}: ${error.message}` : "",
    ...(job ? [countsOf(job)] : []),
  ];
  return shortened(lines.flatMap(cleanLines).filter((line) => line !== "").join("\n"), TEXT_MAX);
}

/** `12 inserted, 3 kept, 1 warning in 90 s`; `took 90 s` where nothing is counted, which may be much. */
function countsOf(job: Readonly<Record<string, unknown>>): string {
  const parts = ENTITY_COUNTS.filter((name) => Number(job[`entities_${name}`]) > 0)
    .map((name) => `${job[`entities_${name}`]} ${name}`);
  const warnings = Number(job.warnings ?? 0);
  if (warnings > 0) parts.push(warnings === 1 ? "1 warning" : `${warnings} warnings`);
  const counts = parts.join(", ");
  if (typeof job.started_at !== "string" || typeof job.ended_at !== "string") return counts;
  const startedMs = Date.parse(job.started_at);
  // A lost job ends when it is missed: a server that comes back in the morning ends those of the night.
  const lost = (job.error as { code: string } | null | undefined)?.code === WORKER_LOST.code;
  const beganMs = beganBefore(job.meta, startedMs - LATE_MS) ?? (lost ? startedMs : undefined);
  if (beganMs !== undefined) return `${counts}\nit began at ${isoTime(beganMs)}`;
  const tookMs = Date.parse(job.ended_at) - startedMs;
  return `${counts === "" ? "took" : `${counts} in`} ${Math.round(tookMs / 1000)} s`;
}

/**
 * When `exec` began a job that the server was told of late, and so knows no times of, before that
 * moment; undefined for any other.
 */
function beganBefore(meta: unknown, ms: number): number | undefined {
  const { started_at: at } = (meta ?? {}) as { readonly started_at?: unknown };
  const beganMs = typeof at === "string" && ISO_TIME.test(at) ? Date.parse(at) : NaN;
  return beganMs <= ms ? beganMs : undefined;
}
