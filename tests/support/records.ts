/** Records, and destinations for them, by name. */
import { createHash } from "node:crypto";
import { JsonlRecords } from "../../src/destinations/jsonl_records.ts";
import { NoRecords } from "../../src/destinations/no_records.ts";
import type { RecordDestination, SyncRecord } from "../../src/destinations/record_destination.ts";
import { SqliteRecords } from "../../src/destinations/sqlite_records.ts";

export type RecordKind = "sqlite" | "jsonl" | "none";

export function recordsAt(kind: RecordKind, path: string): RecordDestination {
  switch (kind) {
    case "sqlite":
      return new SqliteRecords(path);
    case "jsonl":
      return new JsonlRecords(path);
    case "none":
      return new NoRecords();
  }
}

/** A user of that name. */
export function record(key: string, name: string): SyncRecord {
  const payload = JSON.stringify({ name });
  return { type: "users", key, payload, hash: createHash("sha256").update(payload).digest("hex") };
}
