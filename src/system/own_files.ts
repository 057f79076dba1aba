/**
 * What a start does with its own files, by calls that load nothing of Node's under Deno. What fails
 * throws an error with the system's code, in Node's words.
 */
import { codeOf, reasonOf } from "../reason.ts";
import { nodeFs } from "./node.ts";

export interface FileFacts {
  /** In bytes. */
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  /** The device and the file's number there: no two files that are there have the same. */
  readonly identity: string;
}

export interface OwnFiles {
  /** Whether something is there, and can be seen. Follows links. */
  exists(path: string): boolean;
  /** Follows links; undefined where nothing is. */
  stat(path: string): FileFacts | undefined;
  /** Of a link, the link. */
  lstat(path: string): FileFacts;
  realPath(path: string): string;
  /** Makes a directory, and those that lead to it. @returns false where it was there */
  makeDirectory(path: string, mode: number): boolean;
  chmod(path: string, mode: number): void;
  /** Opens the file to write to it, and makes an empty one where there is none. */
  create(path: string, mode: number): void;
  readText(path: string): string;
  /** At most so many of the file's first bytes. */
  readFirst(path: string, bytesMax: number): Uint8Array<ArrayBuffer>;
  /** Replaces what is in the file, or makes one. @param mode of one that is made */
  writeText(path: string, text: string, mode: number): void;
  /** Removes a file, where there is one. @throws {Error} for a directory, too */
  remove(path: string): void;
}

export const ownFiles: OwnFiles = "Bun" in globalThis ? nodes() : denos();

function nodes(): OwnFiles {
  const fs = nodeFs();
  const factsOf = ({ size, mode, uid, dev, ino }: import("node:fs").Stats): FileFacts => {
    return { size, mode, uid, identity: `${dev} ${ino}` };
  };
  return {
    exists: fs.existsSync,
    stat(path) {
      const stat = fs.statSync(path, { throwIfNoEntry: false });
      return stat && factsOf(stat);
    },
    lstat: (path) => factsOf(fs.lstatSync(path)),
    realPath: (path) => fs.realpathSync(path),
    makeDirectory: (path, mode) => fs.mkdirSync(path, { recursive: true, mode }) !== undefined,
    chmod: fs.chmodSync,
    create: (path, mode) => fs.closeSync(fs.openSync(path, "a", mode)),
    readText: (path) => fs.readFileSync(path, "utf8"),
    readFirst(path, bytesMax) {
      const file = fs.openSync(path, "r");
      try {
        const bytes = new Uint8Array(bytesMax);
        return bytes.subarray(0, fs.readSync(file, bytes, 0, bytesMax, 0));
      } finally {
        fs.closeSync(file);
      }
    },
    writeText: (path, text, mode) => fs.writeFileSync(path, text, { mode }),
    remove: (path) => fs.rmSync(path, { force: true }),
  };
}

function denos(): OwnFiles {
  const factsOf = ({ size, mode, uid, dev, ino }: Deno.FileInfo): FileFacts => {
    return { size, mode: mode ?? 0, uid: uid ?? 0, identity: `${dev} ${ino}` };
  };
  const stat = (path: string) => unlessNone("stat", path, () => factsOf(Deno.statSync(path)));
  return {
    exists(path) {
      try {
        return stat(path) !== undefined;
      } catch {
        return false;
      }
    },
    stat,
    lstat: (path) => called("lstat", path, () => factsOf(Deno.lstatSync(path))),
    realPath: (path) => called("realpath", path, () => Deno.realPathSync(path)),
    makeDirectory(path, mode) {
      const there = stat(path) !== undefined;
      called("mkdir", path, () => Deno.mkdirSync(path, { recursive: true, mode }));
      return !there;
    },
    chmod: (path, mode) => called("chmod", path, () => Deno.chmodSync(path, mode)),
    readText: (path) => called("open", path, () => Deno.readTextFileSync(path)),
    create(path, mode) {
      const how = { append: true, create: true, mode };
      called("open", path, () => Deno.openSync(path, how).close());
    },
    readFirst(path, bytesMax) {
      return called("open", path, () => {
        using file = Deno.openSync(path);
        const bytes = new Uint8Array(bytesMax);
        return bytes.subarray(0, file.readSync(bytes) ?? 0);
      });
    },
    writeText(path, text, mode) {
      called("open", path, () => {
        // Deno.writeTextFileSync would give the mode to a file that is there, too.
        using file = Deno.openSync(path, { write: true, create: true, truncate: true, mode });
        let bytes = new TextEncoder().encode(text);
        while (bytes.length > 0) bytes = bytes.subarray(file.writeSync(bytes));
      });
    },
    remove(path) {
      const there = unlessNone("rm", path, () => Deno.lstatSync(path));
      // Deno would remove an empty one.
      if (there?.isDirectory) throw new Error(`ERR_FS_EISDIR: rm '${path}': it is a directory`);
      if (there) unlessNone("rm", path, () => Deno.removeSync(path));
    },
  };
}

/** What `act` gives; undefined where there is no such file. */
function unlessNone<T>(call: string, path: string, act: () => T): T | undefined {
  try {
    return called(call, path, act);
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined;
    throw cause;
  }
}

/** Says a failure of Deno's as Node does. One without a code is a permission that Deno was not given. */
function called<T>(call: string, path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const code = codeOf(cause);
    if (code === undefined) throw cause;
    const words = reasonOf(cause).replace(/ \(os error .*/s, "").toLowerCase();
    throw Object.assign(new Error(`${code}: ${words}, ${call} '${path}'`, { cause }), { code });
  }
}
