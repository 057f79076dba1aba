/** The directory that holds everything a server keeps, and the lock that makes it one server's. */
import { DatabaseSync } from "node:sqlite";
import { codeOf, reasonOf } from "../reason.ts";
import { nodePath } from "../system/node.ts";
import { ownFiles } from "../system/own_files.ts";
import { ownProcess } from "../system/own_process.ts";
import { fileAt } from "./disk.ts";

/** The event log's file in the directory. */
export const LOG_FILE = "log.db";
/** The key store's file in the directory. */
export const KEYS_FILE = "keys.db";
/** The file of sign-in links in the directory. */
export const SIGN_IN_FILE = "sign_in.db";
/** The queue of notifications in the directory. */
export const NOTIFY_FILE = "notify.db";
const LOCK_FILE = "lock.db";
const SERVER_FILE = "server.json";
/** The databases there. The names of a database's copies, WAL and reserve begin with its own. */
const DATABASES = [LOG_FILE, LOCK_FILE, KEYS_FILE, SIGN_IN_FILE, NOTIFY_FILE];
const OTHERS = [SERVER_FILE, "schedules.json"];

/** What the server of a data directory says of itself to the commands beside it. */
export interface ServerNote {
  readonly url: string;
  readonly pid: number;
  /** Whether it is there for one command only and ends with it. */
  readonly passing?: boolean;
  /** SHA-256 of its certificate, where it speaks HTTPS. */
  readonly fingerprint?: string;
  /** Where people reach it, as --public-url names it. */
  readonly publicUrl?: string;
  /** Whether it listens on all addresses of the machine; `url` is the loopback one. */
  readonly everywhere?: boolean;
}

/** Another server has the directory. */
export class DataDirectoryTakenError extends Error {
  override readonly name = "DataDirectoryTakenError";
  readonly server: ServerNote | undefined;

  constructor(path: string, server: ServerNote | undefined) {
    const who = server ? `: process ${server.pid} serves it at ${server.url}` : "";
    super(`Cannot use the data directory "${path}": another synctail has it${who}`);
    this.server = server;
  }
}

/** Whether a file of that name in a data directory is the server's own. */
export function ownsName(name: string): boolean {
  return OTHERS.includes(name) || DATABASES.some((own) => name.startsWith(own));
}

/** The databases of a data directory; not all need exist. */
export function ownDatabases(directory: string): string[] {
  return DATABASES.map((name) => nodePath().join(directory, name));
}

const WRITTEN_BY_ALL = 0o002;

const IN_THE_WAY: Readonly<Record<string, string>> = {
  EEXIST: "there is a file of that name, or a link that leads nowhere",
  ENOTDIR: "there is a file in the place of a directory that it lies in",
};

/**
 * Creates the directory where it is missing, for its owner alone; the answer is its real path.
 *
 * @throws {Error} when that fails, or `whyPlantedData`
 */
export function makeDataDirectory(path: string): string {
  try {
    // A directory that was there before keeps its mode: others may use it too. Our own files in it
    // are readable by their owner alone.
    if (ownFiles.makeDirectory(path, 0o700)) ownFiles.chmod(path, 0o700);
    const planted = whyPlantedData(path);
    if (planted !== undefined) throw new Error(planted);
    return ownFiles.realPath(path);
  } catch (cause) {
    const reason = IN_THE_WAY[codeOf(cause) ?? ""] ?? reasonOf(cause);
    throw new Error(`Cannot make the data directory "${path}": ${reason}`, { cause });
  }
}

/**
 * Why a directory or file may be a trap, in words: another user has put it where everybody may
 * write. Links in such a directory would lead our files to any place, and a configuration there
 * starts programs. Undefined when it is ours or root's, or cannot be seen.
 */
export function whyPlanted(path: string): string | undefined {
  const uid = ownProcess.uid();
  try {
    // What ends with a slash or a dot would be what a link leads to.
    const itself = /(^|\/)\.{0,2}$/.test(path) ? nodePath().resolve(path) : path;
    const there = ownFiles.lstat(itself);
    if (uid === undefined || there.uid === uid || there.uid === 0) return undefined;
    const around = ownFiles.stat(nodePath().dirname(nodePath().resolve(itself)));
    if (around === undefined || (around.mode & WRITTEN_BY_ALL) === 0) return undefined;
  } catch {
    return undefined; // Whoever opens it is told why it cannot be.
  }
  return `another user has put "${path}" where everybody may write`;
}

/** As `whyPlanted` for a data directory, and where one is taken (also where a disk makes ours another's). */
export function whyPlantedData(path: string): string | undefined {
  const planted = whyPlanted(path);
  if (planted === undefined) return undefined;
  return `${planted}; --data names one elsewhere, as below a directory that others may not write`;
}

/** A data directory that is this process's until `release`, or until the process ends, however it ends. */
export class DataDirectory {
  readonly path: string;
  readonly #lock: DatabaseSync;
  readonly #lockFile: string | undefined;

  /** @throws {DataDirectoryTakenError}; {Error} when it cannot be made */
  constructor(path: string) {
    this.path = makeDataDirectory(path);
    // SQLite's own file lock: the system lets go of it when the process dies, even by kill -9. With
    // the journal in memory nothing is written, so that a full disk keeps no server from starting.
    this.#lock = opened(this.file(LOCK_FILE));
    try {
      this.#lock.exec("PRAGMA journal_mode = MEMORY");
      this.#lock.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    } catch (cause) {
      this.#lock.close();
      const reason = reasonOf(cause);
      if (/locked/.test(reason)) throw new DataDirectoryTakenError(path, serverOf(this.path));
      const file = this.file(LOCK_FILE);
      throw new Error(`Cannot lock the data directory: "${file}": ${reason}`, { cause });
    }
    this.#lockFile = fileAt(this.file(LOCK_FILE));
  }

  /** The path of a file in the directory. */
  file(name: string): string {
    return `${this.path}/${name}`;
  }

  /** Tells the commands beside it where the server is. */
  announce(server: ServerNote): void {
    ownFiles.writeText(this.file(SERVER_FILE), JSON.stringify(server), 0o600);
  }

  release(): void {
    try {
      // Where the directory was removed or moved, another server may have a new one in its place.
      if (fileAt(this.file(LOCK_FILE)) === this.#lockFile) {
        ownFiles.remove(this.file(SERVER_FILE));
      }
    } catch {
      // The disk has become read-only. A note of a server that is gone misleads nobody for long: it
      // does not answer.
    } finally {
      this.#lock.close();
    }
  }
}

function opened(file: string): DatabaseSync {
  try {
    // For its owner alone: whoever can read it can lock it, which would keep every server out.
    if (!ownFiles.exists(file)) ownFiles.create(file, 0o600);
    return new DatabaseSync(file, { timeout: 0 });
  } catch (cause) {
    const reason = reasonOf(cause);
    throw new Error(`Cannot write to the data directory: "${file}": ${reason}`, { cause });
  }
}

/** The server that has announced itself there; it may be gone by now. */
export function serverOf(path: string): ServerNote | undefined {
  try {
    const note: unknown = JSON.parse(ownFiles.readText(`${path}/${SERVER_FILE}`));
    if (typeof note !== "object" || note === null) return undefined;
    const { url, pid, passing, fingerprint, publicUrl, everywhere } = note as Partial<ServerNote>; // looked at below
    if (typeof url !== "string" || typeof pid !== "number") return undefined;
    return {
      url,
      pid,
      ...(passing === true && { passing }),
      ...(typeof fingerprint === "string" && { fingerprint }),
      ...(typeof publicUrl === "string" && { publicUrl }),
      ...(everywhere === true && { everywhere }),
    };
  } catch {
    // No file, or one that is being written: nothing is known of a server.
    return undefined;
  }
}
