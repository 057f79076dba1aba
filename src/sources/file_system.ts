/** The calls of the file system that the directory source makes; tests replace them. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  readSync,
  realpathSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { codeOf } from "../reason.ts";

/** What is known of a file without reading it. */
export interface FileStat {
  readonly kind: "file" | "directory" | "link" | "other";
  readonly size: number;
  /** Whole milliseconds since 1970: Deno gives no finer ones. */
  readonly mtimeMs: number;
  readonly inode: number;
}

/** Tells one state of a file from another without reading it. */
export type Stamp = Pick<FileStat, "size" | "mtimeMs" | "inode">;

/** A name in a directory; a link to a directory does not count as a directory. */
export interface Listed {
  readonly name: string;
  readonly directory: boolean;
}

/** Synchronous, because each call is short; a caller of many hands control back in between. */
export interface FileSystem {
  realPath(path: string): string;
  /** In no order. A name that is not UTF-8 has U+FFFD in it, so two names may read the same. */
  list(path: string): Listed[];
  stat(path: string): FileStat;
  /** Opens for reading; never follows a link and never waits for a fifo's writer. */
  open(path: string): number;
  statOpen(file: number): FileStat;
  /** As `statOpen`, or of what is under the path, where that is cheaper: both tell of a change. */
  lookAgain(file: number, path: string): FileStat;
  /** Bytes read into the buffer; 0 at the end. */
  read(file: number, buffer: Uint8Array): number;
  close(file: number): void;
}

const READ = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

const KINDS: Readonly<Record<number, FileStat["kind"]>> = {
  [constants.S_IFREG]: "file",
  [constants.S_IFDIR]: "directory",
  [constants.S_IFLNK]: "link",
};

/** The machine's own. */
export const fileSystem: FileSystem = {
  realPath: (path) => realpathSync(path),
  list,
  stat: (path) => statOf(lstatSync(path)),
  open: (path) => openSync(path, READ),
  statOpen,
  lookAgain: statOpen,
  read: (file, buffer) => readSync(file, buffer, 0, buffer.byteLength, null),
  close: (file) => closeSync(file),
};

/** The path without links on its way, as far as it exists. */
export function realPathOf(path: string, files: FileSystem = fileSystem): string {
  try {
    return files.realPath(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : join(realPathOf(above, files), basename(path));
  }
}

/** Whether both are stamps of the same state of the same file. */
export function sameStamp(one: Stamp, other: Stamp): boolean {
  return one.size === other.size && one.mtimeMs === other.mtimeMs && one.inode === other.inode;
}

/**
 * Folds a time or an inode into a whole number below 2^53: node:sqlite stores larger ones and then
 * refuses to read them. Network and overlay file systems have inodes of 64 bits.
 */
export function wholeNumber(value: number): number {
  return Number.isFinite(value) ? Math.floor(value) % 2 ** 53 : 0;
}

/** The reason for paths that Deno refuses: /dev, /proc and /sys, unless it has all permissions. */
const KEPT_OUT = "Deno's permissions do not allow it";

/** The system's code of an error, such as ENOENT, or why Deno refused; undefined for any other. */
export function errorCode(cause: unknown): string | undefined {
  return cause instanceof Error && cause.name === "NotCapable" ? KEPT_OUT : codeOf(cause);
}

/** Lists by opendir: readdirSync takes Deno three times as long for 100,000 names. */
function list(path: string): Listed[] {
  const directory = opendirSync(path);
  try {
    const listed: Listed[] = [];
    for (let entry = directory.readSync(); entry; entry = directory.readSync()) {
      listed.push({ name: entry.name, directory: entry.isDirectory() });
    }
    return listed;
  } finally {
    directory.closeSync();
  }
}

function statOpen(file: number): FileStat {
  return statOf(fstatSync(file));
}

function statOf(stat: ReturnType<typeof lstatSync>): FileStat {
  if (!stat) throw new Error("There is no such file");
  return {
    kind: KINDS[Number(stat.mode) & constants.S_IFMT] ?? "other",
    size: Number(stat.size),
    mtimeMs: wholeNumber(Number(stat.mtimeMs)),
    inode: wholeNumber(Number(stat.ino)),
  };
}
