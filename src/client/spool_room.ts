/** Drops events of a full spool, and tells how many. */
import type { SpoolState } from "./spool_file.ts";
import type { SpoolStore } from "./spool_store.ts";

/** Room is made down to this share of the limit, so that it is seldom done. */
const ROOM_SHARE = 0.9;

/** The counts in the state once the dropped events are told. */
export const NOTHING_DROPPED = { linesDropped: 0, progressDropped: 0 };

/**
 * Makes room for `bytes` more within `bytesMax`. The oldest progress goes first (never the newest),
 * then the oldest log lines; never the end, and never what is being sent.
 */
export function makeRoom(store: SpoolStore, bytes: number, bytesMax: number): void {
  const wanted = Math.max(0, bytesMax * ROOM_SHARE - bytes);
  const newest = store.number("SELECT max(n) AS n FROM event WHERE kind = 'progress'") ?? 0;
  drop(store, "progress", wanted, newest);
  drop(store, "log", wanted, Number.MAX_SAFE_INTEGER);
}

/** Puts a log line on what was dropped, if anything was, before all others: it was the oldest. */
export function tellDropped(store: SpoolStore): void {
  const message = wordsOf(store.state);
  if (message === undefined) return;
  const body = JSON.stringify({ type: "log", level: "warning", source: "synctail", message });
  store.prepend(body, NOTHING_DROPPED);
}

/** Drops the oldest events of a kind before a row, until at most `wanted` bytes are left. */
function drop(store: SpoolStore, kind: "progress" | "log", wanted: number, before: number): void {
  let over = store.bytes - wanted;
  if (over <= 0) return;
  const from = store.state.sending ?? -1;
  const sql = "SELECT n, bytes FROM event WHERE kind = ? AND n > ? AND n < ? ORDER BY n";
  let upTo: number | undefined;
  let count = 0;
  for (const row of store.rows(sql, kind, from, before)) {
    if (over <= 0) break;
    upTo = Number(row.n);
    over -= Number(row.bytes);
    count++;
  }
  if (upTo === undefined) return;
  const dropped = kind === "log" ? "linesDropped" : "progressDropped";
  store.forget("kind = ? AND n > ? AND n <= ?", [kind, from, upTo], {
    [dropped]: store.state[dropped] + count,
  });
}

function wordsOf({ linesDropped: lines, progressDropped: progress }: SpoolState) {
  const parts = [
    lines === 0 ? [] : lines === 1 ? "1 log line" : `${lines} log lines`,
    progress === 0 ? [] : progress === 1 ? "1 progress update" : `${progress} progress updates`,
  ].flat();
  if (parts.length === 0) return undefined;
  return `${parts.join(" and ")} left out: the server could not be told of them in time`;
}
