/** One run over a directory tree: walk and index side by side, both in the order of their keys. */
import type { Clock } from "../clock.ts";
import type { IndexSession, KnownEntity } from "../destinations/index_destination.ts";
import { TimeSlice } from "../time_slice.ts";
import { EntitySync, GONE } from "./entity_sync.ts";
import { errorCode, type FileStat, type FileSystem } from "./file_system.ts";
import { IndexReader } from "./index_reader.ts";
import { ListedNames } from "./listed_names.ts";
import { LogLines } from "./log_lines.ts";
import { Pace } from "./pace.ts";
import { Seen } from "./seen.ts";
import type { SourceEvent, SourceProgress } from "./source.ts";
import { entityType, Tally } from "./tally.ts";
import { TreeRoot } from "./tree_root.ts";
import { writeOut } from "./write_out.ts";
import { before, NO_UTF8, type Step, walkSteps } from "./walk.ts";

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

/**
 * How often totals are told, in milliseconds. Less often than once a slice: each time is a commit,
 * which writes again some pages of the one before.
 */
const TELL_MS = 20;

/** The entity type of a directory that could not be listed. */
const DIRECTORY = "directory";

/** One run of the source; `events` are its events. */
export class DirectoryRun {
  readonly #options: DirectoryRunOptions;
  readonly #slice: TimeSlice;
  readonly #tally = new Tally();
  readonly #lines = new LogLines();
  readonly #index: IndexReader;
  readonly #entities: EntitySync;
  readonly #pace: Pace | undefined;
  readonly #names: ListedNames;
  readonly #root: TreeRoot;
  #phase = "counting";
  #current: string | undefined;
  #total: number | undefined;
  #bytesTotal: number | undefined;

  constructor(options: DirectoryRunOptions) {
    const { clock, files, root, session, maxPerS } = options;
    this.#options = options;
    this.#slice = new TimeSlice(clock);
    this.#index = new IndexReader(session);
    this.#entities = new EntitySync({
      ...options,
      slice: this.#slice,
      tally: this.#tally,
      lines: this.#lines,
      checkRoot: () => this.#root.check(),
    });
    this.#pace = maxPerS === undefined ? undefined : new Pace(clock, maxPerS);
    this.#names = new ListedNames(files, root);
    this.#root = new TreeRoot(files, root);
  }

  /** Counts, then syncs. Returns early, with the index in order, when the signal has fired. */
  async *events(): AsyncGenerator<SourceEvent, void, void> {
    const { signal, clock } = this.#options;
    yield this.#progress();
    let toldAtMs = clock.monotonic();
    for (const _ of this.#work()) {
      yield* this.#lines.take();
      if (this.#pace || clock.monotonic() - toldAtMs >= TELL_MS) {
        yield await this.#written();
        toldAtMs = clock.monotonic();
      }
      await this.#pace?.wait(signal);
      await this.#slice.turn();
      if (signal.aborted) break;
    }
    if (signal.aborted) return yield await this.#written();
    this.#current = undefined;
    // The tree may have changed since it was counted.
    this.#total = this.#tally.done;
    this.#bytesTotal = this.#tally.bytes;
    yield* this.#lines.take();
    yield await this.#written();
  }

  /** The totals, after what they count has been written. */
  async #written(): Promise<SourceProgress> {
    await writeOut(this.#options.session, this.#options);
    return this.#progress();
  }

  /** Yields whenever there is something to tell or it is time to hand control back. */
  *#work(): Generator<void, void, void> {
    const { signal } = this.#options;
    const seen = new Seen(this.#slice);
    yield* this.#count(seen);
    this.#phase = "syncing";
    for (const step of seen.steps((from) => this.#steps(from))) {
      if (signal.aborted) return;
      const known = this.#index.peek();
      if (known && known.key !== step.key) yield* this.#removeBefore(step.key);
      const left = this.#sync(step);
      if (left) yield* left;
      if (this.#lines.waiting || this.#slice.over) yield;
      while (this.#pace?.hold()) yield;
    }
    if (!signal.aborted) yield* this.#removeBefore(undefined);
  }

  /** Walks once to count: `total` and `bytesTotal` are known only after the whole walk. */
  *#count(seen: Seen): Generator<void, void, void> {
    const { maxFileBytes } = this.#options;
    let total = 0;
    let bytes = 0;
    for (const step of this.#steps("")) {
      this.#checkListed(step);
      const stat = step.kind === "entry" ? this.#statOf(step.key) : undefined;
      if (stat?.kind === "file" && stat.size <= maxFileBytes) bytes += stat.size;
      seen.add(stat ? { kind: "entry", key: step.key, stat } : step);
      if (step.kind !== "listed" && step.kind !== "vanished") total++;
      if (this.#slice.over) yield;
    }
    this.#total = total;
    this.#bytesTotal = bytes;
  }

  #statOf(key: string): FileStat | undefined {
    const { files, root } = this.#options;
    try {
      return files.stat(`${root}/${key}`);
    } catch {
      return undefined; // The sync tells of it when it comes to the file.
    }
  }

  #steps(from: string): Generator<Step, void, void> {
    const { files, root, excluded } = this.#options;
    return walkSteps(files, root, excluded, from);
  }

  #checkListed(step: Step): void {
    if (step.kind === "unlisted" && step.key === "") throw this.#root.gone(step.reason);
  }

  /** Removes rows before the key that the walk has not met; all that are left without a key. */
  *#removeBefore(key: string | undefined): Generator<void, void, void> {
    for (let known = this.#index.peek(); known; known = this.#index.peek()) {
      if (key !== undefined && (known.key === key || !before(known.key, key))) return;
      this.#index.take();
      const left = this.#unmet(known);
      if (left) yield* left;
      if (this.#slice.over) yield;
    }
  }

  /**
   * Removes a row that the walk has not met. A listing may leave out what is renamed at that
   * moment, and leaves out everything where another tree lies at the root: both are checked first.
   */
  #unmet(known: KnownEntity): Generator<void, void, void> | undefined {
    if (this.#isThere(known.key)) {
      this.#pace?.spend();
      return this.#entities.sync(known.key, known, undefined);
    }
    this.#root.check();
    this.#options.session.remove(known.key);
    this.#tally.deleted++;
  }

  /** Whether the key is a file that the walk should have met, or one that cannot be looked at. */
  #isThere(key: string): boolean {
    const { files, root, excluded } = this.#options;
    const path = `${root}/${key}`;
    try {
      if (files.stat(path).kind !== "file" || files.realPath(path) !== path) return false;
      if ([...excluded].some((left) => path === left || path.startsWith(`${left}/`))) return false;
      return !this.#names.isAlias(key);
    } catch (cause) {
      const code = errorCode(cause);
      if (code === undefined) throw cause;
      return !GONE.has(code);
    }
  }

  /** Syncs a step. @returns work that is left to do, which yields to hand control back */
  #sync(step: Step): Generator<void, void, void> | undefined {
    this.#checkListed(step);
    switch (step.kind) {
      case "listed":
        return;
      case "vanished":
        // The rows below it are removed by the merge.
        this.#root.check();
        return;
      case "unnamed":
        this.#tally.skip(entityType(step.key));
        this.#lines.warn(`Skipped "${step.key}": it cannot be read (${NO_UTF8})`);
        return;
      case "unlisted":
        return this.#leaveBelow(step.key, step.reason);
      case "entry": {
        this.#current = step.key;
        this.#pace?.spend();
        const known = this.#index.peek()?.key === step.key ? this.#index.take() : undefined;
        if (known && step.stat && this.#entities.keep(known, step.stat)) return;
        return this.#entities.sync(step.key, known, step.stat);
      }
      default:
        step satisfies never;
    }
  }

  /** What is below a directory that could not be listed is not known, so it stays as it is. */
  *#leaveBelow(key: string, reason: string): Generator<void, void, void> {
    this.#tally.skip(DIRECTORY);
    let left = 0;
    while (this.#index.peek()?.key.startsWith(key)) {
      this.#index.take();
      left++;
      if (this.#slice.over) yield;
    }
    this.#lines.warn(
      `Cannot list "${key}": ${reason}; the ${left} known below it are left as they are`,
    );
  }

  #progress(): SourceProgress {
    const { warnings } = this.#lines;
    return {
      type: "progress",
      ...this.#tally.totals(),
      total: this.#total,
      bytesTotal: this.#bytesTotal,
      phase: this.#phase,
      current: this.#current,
      warnings: warnings > 0 ? warnings : undefined,
      paced: this.#pace?.held,
    };
  }
}
