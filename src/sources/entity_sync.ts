/** Syncs one file: compares it with its row in the index, reads it if need be, writes the row. */
import type { Clock } from "../clock.ts";
import type {
  IndexedEntity,
  IndexSession,
  KnownEntity,
} from "../destinations/index_destination.ts";
import type { TimeSlice } from "../time_slice.ts";
import { type Hashed, hashFile, hashSmall } from "./file_hash.ts";
import { errorCode, type FileStat, type FileSystem, sameStamp } from "./file_system.ts";
import type { LogLines } from "./log_lines.ts";
import { entityType, type Tally } from "./tally.ts";
import { maybeNoUtf8, NO_UTF8 } from "./walk.ts";

export interface EntitySyncOptions {
  readonly clock: Clock;
  readonly files: FileSystem;
  /** Real and absolute, without a slash at its end. */
  readonly root: string;
  readonly session: IndexSession;
  readonly maxFileBytes: number;
  readonly slice: TimeSlice;
  readonly tally: Tally;
  readonly lines: LogLines;
  /** Called when a file has vanished; throws when the whole tree has. */
  readonly checkRoot: () => void;
}

/** Error codes for a file that is gone since its name was listed. */
export const GONE: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR"]);
/** Error codes for a file whose place a link or a directory has taken since. */
const NO_FILE_ANY_MORE = new Set(["ELOOP", "EISDIR"]);
const NO_FILE = "it is not a file";
const LINK = "it is a link";

/** What a look at the file came to. */
type Looked =
  | { readonly kind: "kept"; readonly stat: FileStat }
  | { readonly kind: "hashed"; readonly row: IndexedEntity }
  | { readonly kind: "unfit"; readonly reason: string }
  | { readonly kind: "unreadable"; readonly reason: string }
  | { readonly kind: "vanished" };

/** The file has to be read step by step. */
interface Unread {
  readonly kind: "unread";
  readonly stat: FileStat;
}

/** Syncs files one by one, and counts them. */
export class EntitySync {
  readonly #options: EntitySyncOptions;

  constructor(options: EntitySyncOptions) {
    this.#options = options;
  }

  /** Whether the file is as the index knows it; then it is counted as kept. */
  keep(known: KnownEntity, seen: FileStat): boolean {
    const kept = known.settled && sameStamp(known, seen) && this.#unfit(seen) === undefined;
    if (kept) this.#options.tally.keep(known.type, seen.size);
    return kept;
  }

  /**
   * Syncs a file.
   *
   * @param known the key's row, if there is one
   * @param seen the file's stat of a moment ago; without it the file is looked at
   * @returns for a large file the work that is left; it yields to hand control back
   */
  sync(
    key: string,
    known: KnownEntity | undefined,
    seen: FileStat | undefined,
  ): Generator<void, void, void> | undefined {
    const type = entityType(key);
    const looked = this.#look(key, type, known, seen);
    if (looked.kind === "unread") return this.#syncLarge(key, type, known, looked.stat);
    this.#settle(key, type, known, looked);
    return undefined;
  }

  *#syncLarge(
    key: string,
    type: string,
    known: KnownEntity | undefined,
    stat: FileStat,
  ): Generator<void, void, void> {
    this.#settle(key, type, known, yield* this.#read(key, type, stat));
  }

  #settle(key: string, type: string, known: KnownEntity | undefined, looked: Looked): void {
    const { tally, lines, session } = this.#options;
    switch (looked.kind) {
      case "kept":
        return tally.keep(type, looked.stat.size);
      case "hashed":
        return this.#write(looked.row, known);
      case "unreadable":
        // The file is there but cannot be read now: its row stays.
        tally.skip(type);
        return lines.warn(`Skipped "${key}": it cannot be read (${looked.reason})`);
      case "unfit":
        // A link, a fifo or a file that is too large is no entity: a row under its name goes.
        tally.skip(type);
        lines.add("info", `Skipped "${key}": ${looked.reason}`);
        break;
      case "vanished":
        this.#options.checkRoot();
        lines.add("debug", `"${key}" has vanished`);
        break;
      default:
        looked satisfies never;
    }
    if (!known) return;
    session.remove(key);
    tally.deleted++;
  }

  /** Looks at the file. Uses only the file system, so that no error of the index is caught here. */
  #look(
    key: string,
    type: string,
    known: KnownEntity | undefined,
    seen: FileStat | undefined,
  ): Looked | Unread {
    const { files, root, clock } = this.#options;
    const path = `${root}/${key}`;
    try {
      const stat = seen ?? files.stat(path);
      const reason = this.#unfit(stat);
      if (reason) return { kind: "unfit", reason };
      if (known?.settled && sameStamp(known, stat)) return { kind: "kept", stat };
      const read = hashSmall(files, path, stat, clock);
      return read ? this.#hashed(key, type, read) : { kind: "unread", stat };
    } catch (cause) {
      return unread(key, cause);
    }
  }

  /** Reads a file that takes more than one step. */
  *#read(key: string, type: string, stat: FileStat): Generator<void, Looked, void> {
    const { files, root, clock, slice, maxFileBytes: bytesMax } = this.#options;
    try {
      const read = yield* hashFile(files, `${root}/${key}`, stat, { clock, slice, bytesMax });
      return this.#hashed(key, type, read);
    } catch (cause) {
      return unread(key, cause);
    }
  }

  #hashed(key: string, type: string, read: Hashed): Looked {
    if (read.kind === "unfit") {
      return { kind: "unfit", reason: this.#unfit(read.stat) ?? NO_FILE };
    }
    if (read.changing) {
      this.#options.lines.warn(`"${key}" changed while it was read; the next run reads it again`);
    }
    const { hash, settled } = read;
    const { size, mtimeMs, inode } = read.stat;
    return { kind: "hashed", row: { key, type, hash, size, mtimeMs, inode, settled } };
  }

  #write(row: IndexedEntity, known: KnownEntity | undefined): void {
    const { session, tally } = this.#options;
    const same = known !== undefined && session.hashOf(row.key) === row.hash;
    if (!known) tally.insert(row.type, row.size);
    else if (same) tally.keep(row.type, row.size);
    else tally.update(row.type, row.size);
    const told = same && sameStamp(known, row) && known.settled === row.settled;
    if (!told) session.put(row);
  }

  #unfit(stat: FileStat): string | undefined {
    if (stat.kind !== "file") return stat.kind === "link" ? LINK : NO_FILE;
    const { maxFileBytes } = this.#options;
    return stat.size > maxFileBytes
      ? `it has ${stat.size} bytes, more than ${maxFileBytes}`
      : undefined;
  }
}

/** What an error of the file system means for the file. @throws any other error */
function unread(key: string, cause: unknown): Looked {
  const code = errorCode(cause);
  if (code === undefined) throw cause;
  if (NO_FILE_ANY_MORE.has(code)) {
    return { kind: "unfit", reason: code === "ELOOP" ? LINK : NO_FILE };
  }
  if (!GONE.has(code)) return { kind: "unreadable", reason: code };
  return maybeNoUtf8(key) ? { kind: "unreadable", reason: NO_UTF8 } : { kind: "vanished" };
}
