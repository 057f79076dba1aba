/** One run over a directory tree: walk and index side by side, both in the order of their keys. */
import type { Clock } from "../clock.ts";
import type { IndexedEntity, IndexSession } from "../destinations/index_destination.ts";
import type { LogLevel } from "../sync/entry.ts";
import { hashFile } from "./file_hash.ts";
import { errorCode, type FileStat, type FileSystem } from "./file_system.ts";
import { IndexReader } from "./index_reader.ts";
import { Pace } from "./pace.ts";
import type { SourceEvent, SourceLog, SourceProgress } from "./source.ts";
import { TimeSlice } from "./time_slice.ts";
import { entityType, Tally } from "./tally.ts";
import { before, type Met, walk } from "./walk.ts";

export interface DirectoryRunOptions {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly files: FileSystem;
  /** Real and absolute, without a slash at its end. */
  readonly root: string;
  readonly excluded: ReadonlySet<string>;
  readonly session: IndexSession;
  readonly maxPerS: number | undefined;
  readonly maxFileBytes: number;
}

/** What the file system says of a path whose name was listed a moment ago. */
const GONE = new Set(["ENOENT", "ENOTDIR"]);

export class DirectoryRun {
  readonly #options: DirectoryRunOptions;
  readonly #slice: TimeSlice;
  readonly #tally = new Tally();
  readonly #index: IndexReader;
  readonly #pace: Pace | undefined;
  #lines: SourceLog[] = [];
  #phase = "counting";
  #current: string | undefined;
  #total: number | undefined;
  #bytesTotal: number | undefined;

  constructor(options: DirectoryRunOptions) {
    this.#options = options;
    this.#slice = new TimeSlice(options.clock);
    this.#index = new IndexReader(options.session);
    this.#pace = options.maxPerS === undefined
      ? undefined
      : new Pace(options.clock, options.maxPerS);
  }

  /** Counts, then syncs. Returns early, with the index in order, when the signal has fired. */
  async *events(): AsyncGenerator<SourceEvent, void, void> {
    const { signal } = this.#options;
    yield* this.#count();
    this.#phase = "syncing";
    for (const met of this.#walk()) {
      yield* this.#passOver(met.key);
      if (signal.aborted) return;
      if (met.kind === "unlisted") this.#leaveBelow(met.key, met.reason);
      else {
        this.#current = met.key;
        await this.#entity(met.key);
      }
      yield* this.#breathe();
      if (signal.aborted) return;
    }
    yield* this.#passOver(undefined);
    if (signal.aborted) return;
    this.#current = undefined;
    // The tree may have changed since it was counted.
    this.#total = this.#tally.done;
    this.#bytesTotal = this.#tally.bytes;
    yield* this.#told();
  }

  /** Walks once for the totals; until it is through, none are told. */
  async *#count(): AsyncGenerator<SourceEvent, void, void> {
    const { files, root, signal } = this.#options;
    yield this.#progress();
    let total = 0;
    let bytes = 0;
    for (const met of this.#walk()) {
      if (met.kind === "entry") {
        total++;
        try {
          const stat = files.stat(`${root}/${met.key}`);
          if (stat.kind === "file" && stat.size <= this.#options.maxFileBytes) bytes += stat.size;
        } catch {
          // It is told of when the sync comes to it.
        }
      }
      if (this.#slice.over) {
        yield this.#progress();
        await this.#slice.turn();
        if (signal.aborted) return;
      }
    }
    this.#total = total;
    this.#bytesTotal = bytes;
  }

  #walk(): Generator<Met, void, void> {
    const { files, root, excluded } = this.#options;
    return walk(files, root, excluded);
  }

  /** Removes what the index has before the key and the tree has not. */
  async *#passOver(key: string | undefined): AsyncGenerator<SourceEvent, void, void> {
    for (let known = this.#index.peek(); known; known = this.#index.peek()) {
      if (key !== undefined && !before(known.key, key)) return;
      this.#index.take();
      this.#options.session.remove(known.key);
      this.#tally.deleted++;
      yield* this.#breathe();
      if (this.#options.signal.aborted) return;
    }
  }

  /** What is below a directory that could not be listed is not known, so it stays as it is. */
  #leaveBelow(directory: string, reason: string): void {
    let left = 0;
    for (
      let known = this.#index.peek();
      known?.key.startsWith(directory);
      known = this.#index.peek()
    ) {
      this.#index.take();
      left++;
    }
    this.#tally.skip("directory");
    this.#warn(
      `Cannot list "${directory}": ${reason}; the ${left} known below it are left as they are`,
    );
  }

  async #entity(key: string): Promise<void> {
    const known = this.#index.peek()?.key === key ? this.#index.take() : undefined;
    const type = entityType(key);
    const path = `${this.#options.root}/${key}`;
    this.#pace?.spend();
    try {
      const stat = this.#options.files.stat(path);
      const unfit = this.#unfit(stat);
      if (unfit) return this.#leaveOut(key, type, known, unfit);
      if (known?.settled && same(known, stat)) return this.#tally.keep(type, stat.size);
      await this.#read(key, type, path, known);
    } catch (cause) {
      const code = errorCode(cause);
      if (code === undefined) throw cause;
      if (code === "ELOOP") return this.#leaveOut(key, type, known, "it is not a file");
      if (!GONE.has(code)) return this.#unreadable(key, type, code);
      if (key.includes("\ufffd")) return this.#unreadable(key, type, "its name is no UTF-8");
      this.#log("debug", `"${key}" has vanished`);
      if (known) this.#remove(known);
    }
  }

  async #read(
    key: string,
    type: string,
    path: string,
    known: IndexedEntity | undefined,
  ): Promise<void> {
    const { files, clock, signal, session } = this.#options;
    const read = await hashFile(files, path, {
      clock,
      signal,
      slice: this.#slice,
      beforeTurn: () => session.flush(),
    });
    if (read.kind === "stopped") return;
    if (read.kind === "other") return this.#leaveOut(key, type, known, "it is not a file");
    const { hash, stat, settled, changing } = read;
    if (changing) this.#warn(`"${key}" changed while it was read; the next run reads it again`);
    if (known?.hash === hash) this.#tally.keep(type, stat.size);
    else if (known) this.#tally.update(type, stat.size);
    else this.#tally.insert(type, stat.size);
    if (known?.hash === hash && same(known, stat) && known.settled === settled) return;
    const { size, mtimeMs, inode } = stat;
    session.put({ key, type, hash, size, mtimeMs, inode, settled });
  }

  #unfit(stat: FileStat): string | undefined {
    if (stat.kind !== "file") return "it is not a file";
    const { maxFileBytes } = this.#options;
    return stat.size > maxFileBytes
      ? `it has ${stat.size} bytes, more than ${maxFileBytes}`
      : undefined;
  }

  /** A link, a fifo or a giant is no entity; what the index had under its name is gone. */
  #leaveOut(key: string, type: string, known: IndexedEntity | undefined, reason: string): void {
    this.#tally.skip(type);
    this.#log("info", `Skipped "${key}": ${reason}`);
    if (known) this.#remove(known);
  }

  /** It is there, but cannot be read now: what the index knows of it stays. */
  #unreadable(key: string, type: string, reason: string): void {
    this.#tally.skip(type);
    this.#warn(`Skipped "${key}": it cannot be read (${reason})`);
  }

  #remove(known: IndexedEntity): void {
    this.#options.session.remove(known.key);
    this.#tally.deleted++;
  }

  #warn(message: string): void {
    this.#tally.warnings++;
    this.#log("warning", message);
  }

  #log(level: LogLevel, message: string): void {
    this.#lines.push({ type: "log", level, message });
  }

  /** At the end of a slice, and while the pace holds back: commits, tells, lets others run. */
  async *#breathe(): AsyncGenerator<SourceEvent, void, void> {
    if (this.#lines.length > 0 || this.#slice.over) {
      this.#options.session.flush();
      yield* this.#told();
      await this.#slice.turn();
    }
    while (this.#pace?.early && !this.#options.signal.aborted) {
      this.#options.session.flush();
      const waited = this.#pace.wait(this.#options.signal);
      yield* this.#told();
      await waited;
    }
  }

  *#told(): Generator<SourceEvent, void, void> {
    const lines = this.#lines;
    this.#lines = [];
    this.#options.session.flush();
    yield* lines;
    yield this.#progress();
  }

  #progress(): SourceProgress {
    return {
      type: "progress",
      ...this.#tally.totals(),
      total: this.#total,
      bytesTotal: this.#bytesTotal,
      phase: this.#phase,
      current: this.#current,
      paced: this.#pace?.held,
    };
  }
}

function same(known: IndexedEntity, stat: FileStat): boolean {
  return known.size === stat.size && known.mtimeMs === stat.mtimeMs && known.inode === stat.inode;
}
