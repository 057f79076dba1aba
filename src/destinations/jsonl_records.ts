/** Records appended to a file of JSON lines, with an index beside it that can be rebuilt. */
import { createHash } from "node:crypto";
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { LineSplitter } from "../sources/process/line_splitter.ts";
import { transaction } from "../log/transaction.ts";
import { HASH_TABLE, HashTable } from "./hash_table.ts";
import { DestinationError } from "./index_destination.ts";
import { isTorn, jsonlLine, parseJsonlLine } from "./jsonl_line.ts";
import { type RecordChange, RecordChanges, type RecordStore } from "./record_changes.ts";
import type { RecordDestination, RecordSession } from "./record_destination.ts";
import { inWords, openStore, ORIGIN_TABLE, placeOf } from "./sqlite_store.ts";

/** "STjx" */
const APPLICATION_ID = 0x53546a78;
const MIGRATIONS = [
  `${HASH_TABLE}
   CREATE TABLE covered (bytes INTEGER NOT NULL, tail TEXT NOT NULL);
   INSERT INTO covered VALUES (0, '');
   ${ORIGIN_TABLE}`,
];
const WHAT = "the record file";
const WHAT_INDEX = "the index of the record file";
/** How many of the last bytes that the index covers are compared, to know the file by. */
const TAIL_BYTES = 4096;
/** Bytes that are read at a time when the file is repaired. */
const READ_BYTES = 128 * 1024;
/** A longer line is foreign: a record comes from a line of 1 MiB at most. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;
const LF = 0x0a;

/**
 * The file at `path`, one change a line, is only appended to. Its index, `<path>.index`, holds the
 * hash of each record. It covers the first bytes of the file, and the rest is read before the first
 * write; without the index, or where it is of another file, the whole file is read.
 */
export class JsonlRecords implements RecordDestination {
  readonly #path: string;
  readonly #index: string;

  constructor(path: string) {
    this.#path = path;
    this.#index = `${path}.index`;
  }

  open(source: string): RecordSession {
    const path = this.#path;
    const file = inWords(WHAT, path, () => {
      mkdirSync(dirname(path), { recursive: true });
      return openSync(path, "a+", 0o600);
    });
    try {
      const db = openStore(this.#index, {
        applicationId: APPLICATION_ID,
        migrations: MIGRATIONS,
        what: WHAT_INDEX,
        source,
      });
      return new RecordChanges(new JsonlStore(path, file, db));
    } catch (cause) {
      closeSync(file);
      throw cause;
    }
  }
}

class JsonlStore implements RecordStore {
  readonly #path: string;
  readonly #file: number;
  readonly #db: DatabaseSync;
  readonly #hashes: HashTable;
  readonly #cover: ReturnType<DatabaseSync["prepare"]>;
  readonly #checks: readonly (() => void)[];
  #repairing: Iterator<void>;
  #repaired = false;
  /** Bytes that the index covers; all of the file once it is repaired. */
  #covered = 0;

  constructor(path: string, file: number, db: DatabaseSync) {
    this.#path = path;
    this.#file = file;
    this.#db = db;
    this.#hashes = new HashTable(db);
    this.#cover = db.prepare("UPDATE covered SET bytes = ?, tail = ?");
    this.#checks = [placeOf(WHAT, path), placeOf(WHAT_INDEX, `${path}.index`)];
    this.#repairing = this.#repair();
  }

  repair(): boolean {
    if (this.#repaired) return false;
    try {
      this.#repaired = this.#inWords(() => this.#repairing.next().done === true);
      return !this.#repaired;
    } catch (cause) {
      this.#repairing = this.#repair(); // begins where the index ends
      throw cause;
    }
  }

  hashOf(type: string, key: string): string | undefined {
    this.#finishRepair();
    return this.#inWords(() => this.#hashes.hashOf(type, key));
  }

  /** Writes the file before its index: what the index lacks can be read again from the file. */
  write(changes: readonly RecordChange[]): void {
    this.#finishRepair();
    this.#inWords(() => {
      const bytes = Buffer.from(changes.map(jsonlLine).join(""));
      let appended = false;
      try {
        this.#index(changes, this.#covered + bytes.length, () => {
          if (fstatSync(this.#file).size !== this.#covered) {
            throw this.#fault("destination_changed", "somebody else has written to it meanwhile");
          }
          this.#append(bytes);
          appended = true;
        });
      } catch (cause) {
        // They were not counted: the next run would count them as kept.
        if (appended) this.#takeAway(bytes.length);
        throw cause;
      }
    });
  }

  check(): void {
    for (const check of this.#checks) check();
  }

  #append(bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#file, bytes, at);
    } catch (cause) {
      ftruncateSync(this.#file, this.#covered);
      throw cause;
    }
  }

  /** Takes the last `length` bytes away again, unless somebody has written behind them. */
  #takeAway(length: number): void {
    if (fstatSync(this.#file).size !== this.#covered + length) return;
    ftruncateSync(this.#file, this.#covered);
  }

  close(): void {
    try {
      fsyncSync(this.#file);
    } catch {
      // A power cut may then take the end of the file; the next run writes it again.
    }
    closeSync(this.#file);
    this.#db.close();
  }

  #finishRepair(): void {
    while (this.repair());
  }

  /** Reads what the index does not cover, and removes a last line that was not written whole. */
  *#repair(): Generator<void, void, void> {
    const covered = this.#db.prepare("SELECT bytes, tail FROM covered").get();
    this.#covered = Number(covered?.bytes);
    if (this.#tail(this.#covered) !== covered?.tail) {
      transaction(this.#db, () => {
        this.#hashes.clear();
        this.#cover.run(this.#covered = 0, "");
      });
    }
    const splitter = new LineSplitter(LINE_BYTES_MAX, { utf16: false });
    const chunk = new Uint8Array(READ_BYTES);
    for (let at = this.#covered;;) {
      const length = readSync(this.#file, chunk, 0, READ_BYTES, at);
      if (length === 0) break;
      const read = chunk.subarray(0, length);
      const changes = splitter.push(read).map(({ text }) => this.#change(text));
      const end = read.lastIndexOf(LF) + 1;
      if (end > 0) this.#index(changes, at + end);
      at += length;
      yield;
    }
    const [torn] = splitter.end();
    if (!torn) return;
    if (!isTorn(torn.text)) throw this.#foreign();
    ftruncateSync(this.#file, this.#covered);
  }

  #change(text: string): RecordChange {
    const change = parseJsonlLine(text);
    if (!change) throw this.#foreign();
    return change;
  }

  /** Writes changes to the index. @param first called once no other program can lock the index */
  #index(changes: readonly RecordChange[], covered: number, first = () => {}): void {
    transaction(this.#db, () => {
      first();
      for (const change of changes) this.#hashes.apply(change);
      this.#cover.run(covered, this.#tail(covered) ?? "");
    });
    this.#covered = covered;
  }

  /** A hash of the last bytes before `end`, to know the file by; undefined when it is shorter. */
  #tail(end: number): string | undefined {
    if (end === 0) return "";
    const start = Math.max(0, end - TAIL_BYTES);
    const bytes = new Uint8Array(end - start);
    const length = readSync(this.#file, bytes, 0, bytes.length, start);
    return length < bytes.length ? undefined : createHash("sha256").update(bytes).digest("hex");
  }

  #foreign(): DestinationError {
    const reason = `behind byte ${this.#covered} there is a line that is no record of a sync`;
    return this.#fault("destination_foreign", reason);
  }

  #fault(code: string, reason: string): DestinationError {
    return new DestinationError(code, `Cannot use ${WHAT} "${this.#path}": ${reason}`);
  }

  #inWords<T>(run: () => T): T {
    return inWords(WHAT, this.#path, run);
  }
}
