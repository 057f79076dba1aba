/** Records of programs that do not say what is new: compared with what the destination holds. */
import { createHash } from "node:crypto";
import type { RecordSession } from "../../destinations/record_destination.ts";
import type { SourceEvent } from "../source.ts";
import { type Members, stableJson } from "./json.ts";
import { TYPES_MAX } from "../../sync/event_limits.ts";
import { valueAt } from "../../sync/json.ts";
import { Totals } from "./totals.ts";
import { logLine } from "./words.ts";

/** A path of members into a record. */
export type KeyPath = readonly string[];

/** Puts records into the session and counts their outcomes; without one, counts them by stream. */
export class RecordCounts {
  readonly totals = new Totals();
  readonly #records: RecordSession | undefined;
  readonly #keys = new Map<string, readonly KeyPath[]>();
  /** Streams for which the log says already that their records have no key. */
  readonly #keyless = new Set<string>();
  #told = false;

  constructor(records: RecordSession | undefined) {
    this.#records = records;
  }

  /** Sets the members that tell the records of a stream apart; an empty list for none. */
  setKey(stream: string, paths: readonly KeyPath[]): void {
    this.#keys.set(stream, paths);
  }

  /** @param deleted whether the record says of itself that it is gone from the source */
  record(stream: string, data: Members, deleted: boolean): readonly SourceEvent[] {
    const { totals } = this;
    totals.meet(stream);
    totals.current = stream;
    if (!this.#records) return [...this.#tellUncounted(), totals.progress()];
    const payload = stableJson(data);
    const hash = createHash("sha256").update(payload).digest("hex");
    const key = this.#keyOf(stream, data);
    const lines = key === undefined ? this.#tellKeyless(stream) : [];
    if (deleted) {
      if (this.#records.remove(stream, key ?? hash)) totals.deleted++;
    } else {
      totals[this.#records.put({ type: stream, key: key ?? hash, hash, payload })]++;
    }
    return [...lines, totals.progress()];
  }

  /** The values of the key's members as JSON; undefined where one is missing. */
  #keyOf(stream: string, data: Members): string | undefined {
    const paths = this.#keys.get(stream) ?? [];
    const values = paths.map((path) => valueAt(data, path));
    if (values.length === 0 || values.some((value) => value === undefined || value === null)) {
      return undefined;
    }
    return stableJson(values);
  }

  #tellUncounted(): readonly SourceEvent[] {
    if (this.#told) return [];
    this.#told = true;
    return logLine(
      "info",
      "Records are only counted by their streams: without a destination nobody can tell new ones from known ones",
    );
  }

  #tellKeyless(stream: string): readonly SourceEvent[] {
    if (this.#keyless.has(stream) || this.#keyless.size >= TYPES_MAX) return [];
    this.#keyless.add(stream);
    return logLine(
      "info",
      `${stream}: records without a primary key are told apart by their content, so that a changed one counts as inserted`,
    );
  }
}

/** Whether a line that is not JSON was meant as a record: it may be cut, or have NaN in it. */
export function isBrokenRecord(line: string): boolean {
  return /^\s*\{/.test(line) && line.includes('"RECORD"');
}
