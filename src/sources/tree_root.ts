/** The directory whose tree is synced. It must be there: a tree that is gone is not an empty one. */
import { errorCode, type FileSystem } from "./file_system.ts";
import { SourceError } from "./source.ts";

/**
 * The directory's real path, empty for `/`.
 *
 * @throws {SourceError} source_unreadable
 */
export function rootOf(files: FileSystem, path: string): string {
  try {
    const root = files.realPath(path);
    files.list(root);
    return root === "/" ? "" : root;
  } catch (cause) {
    const message = `Cannot read the directory "${path}": ${whyNoDirectory(cause)}`;
    throw new SourceError("source_unreadable", message, { cause });
  }
}

/** Why the directory cannot be read; undefined when it can. */
export function unreadable(files: FileSystem, path: string): string | undefined {
  try {
    files.list(files.realPath(path));
    return undefined;
  } catch (cause) {
    return whyNoDirectory(cause);
  }
}

function whyNoDirectory(cause: unknown): string {
  const code = errorCode(cause);
  if (code === "ENOENT") return "there is no such directory";
  if (code === "ENOTDIR") return "it is not a directory";
  if (code === "EACCES") return "reading it is not permitted (EACCES)";
  return code ?? String(cause);
}

/** Tells whether the same directory is still at the root. */
export class TreeRoot {
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #inode: number;

  /** @param root as `rootOf` gives it */
  constructor(files: FileSystem, root: string) {
    this.#files = files;
    this.#path = root || "/";
    this.#inode = files.stat(this.#path).inode;
  }

  /** To be called before a row is removed. @throws {SourceError} when the tree itself is gone */
  check(): void {
    let inode: number;
    try {
      inode = this.#files.stat(this.#path).inode;
    } catch (cause) {
      throw this.gone("it has vanished", cause);
    }
    if (inode !== this.#inode) throw this.gone("another directory has taken its place");
  }

  /** The error of a run whose tree is gone. */
  gone(reason: string, cause?: unknown): SourceError {
    const message = `Cannot read the directory "${this.#path}" any more: ${reason}`;
    return new SourceError("source_unreadable", message, { cause });
  }
}
