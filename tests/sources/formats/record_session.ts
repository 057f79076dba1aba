/** Records in memory, for tests of the formats that carry them. */
import type { RecordSession } from "../../../src/destinations/record_destination.ts";

/** Holds hashes by `type key`. */
export function memoryRecords(): RecordSession & { readonly held: ReadonlyMap<string, string> } {
  const held = new Map<string, string>();
  return {
    held,
    put({ type, key, hash }) {
      const last = held.get(`${type} ${key}`);
      held.set(`${type} ${key}`, hash);
      return last === undefined ? "inserted" : last === hash ? "kept" : "updated";
    },
    remove: (type, key) => held.delete(`${type} ${key}`),
    flush() {},
    close() {},
  };
}
