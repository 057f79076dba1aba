/** Which entries a read asks for. */
import { type Entry, levelAtLeast } from "../sync/entry.ts";
import type { ReadQuery } from "./event_log.ts";

/** Whether the read asks for the entry, leaving aside where it starts. `Tail` goes by the same. */
export function wanted(entry: Entry, query: ReadQuery): boolean {
  if (entry.kind === "log") {
    return query.logs !== undefined && levelAtLeast(entry.level, query.logs);
  }
  return query.only !== "logs" && (entry.changesStatus || entry.seq >= (query.mergeBelow ?? 0));
}
