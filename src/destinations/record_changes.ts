/** Tells new records from known ones, and gathers what has changed to be written together. */
import type { RecordOutcome, RecordSession, SyncRecord } from "./record_destination.ts";
import { Unwritten } from "./unwritten.ts";

/** Changes written at once: a few milliseconds' work. */
const CHANGES_MAX = 500;
/** Characters of payload at which changes are written. */
const PAYLOAD_MAX = 4 * 1024 * 1024;

/** A change of one record, to be written. */
export type RecordChange =
  | { readonly op: "inserted" | "updated"; readonly record: SyncRecord }
  | { readonly op: "deleted"; readonly record: Pick<SyncRecord, "type" | "key"> };

/** Where records are kept. */
export interface RecordStore {
  /** As RecordSession.repair. */
  repair?(): boolean;
  /** The hash of a record that has been written; undefined when there is none. */
  hashOf(type: string, key: string): string | undefined;
  /** Writes all changes, in this order, or none. Never called without any. */
  write(changes: readonly RecordChange[]): void;
  /** Throws where the store's file no longer lies at its path. */
  check?(): void;
  close(): void;
}

/** A session over a store. */
export class RecordChanges implements RecordSession {
  readonly #store: RecordStore;
  readonly #changes: Unwritten<RecordChange>;
  /** Hashes of records that are not written yet; undefined for those to be deleted. */
  readonly #hashes = new Map<string, string | undefined>();
  #payload = 0;

  constructor(store: RecordStore) {
    this.#store = store;
    this.#changes = new Unwritten((changes) => store.write(changes), () => this.#forget());
  }

  repair(): boolean {
    return this.#store.repair?.() ?? false;
  }

  put(record: SyncRecord): RecordOutcome {
    const known = this.#hashOf(record.type, record.key);
    if (known === record.hash) return "kept";
    const op = known === undefined ? "inserted" : "updated";
    this.#hashes.set(idOf(record.type, record.key), record.hash);
    this.#payload += record.payload.length;
    this.#add({ op, record });
    return op;
  }

  remove(type: string, key: string): boolean {
    if (this.#hashOf(type, key) === undefined) return false;
    this.#hashes.set(idOf(type, key), undefined);
    this.#add({ op: "deleted", record: { type, key } });
    return true;
  }

  flush(): void {
    this.#changes.flush();
    this.#store.check?.();
  }

  close(): void {
    try {
      this.flush();
    } catch {
      // A caller that needs the outcome has called flush; the next run puts again what was lost.
    }
    this.#store.close();
  }

  #hashOf(type: string, key: string): string | undefined {
    const id = idOf(type, key);
    return this.#hashes.has(id) ? this.#hashes.get(id) : this.#store.hashOf(type, key);
  }

  #add(change: RecordChange): void {
    this.#changes.add(change);
    const many = this.#changes.count >= CHANGES_MAX || this.#payload >= PAYLOAD_MAX;
    if (many) this.#changes.relieve();
  }

  #forget(): void {
    this.#hashes.clear();
    this.#payload = 0;
  }
}

function idOf(type: string, key: string): string {
  return `${type.length} ${type}${key}`;
}
