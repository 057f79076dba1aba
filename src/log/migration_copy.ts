/** Copies of SQLite files: the one that is made before a migration changes it. */
import { DatabaseSync } from "node:sqlite";
import { codeOf } from "../reason.ts";
import { nodeFs, nodePath, nodeProcess } from "../system/node.ts";
import { ownFiles } from "../system/own_files.ts";
import { ownProcess } from "../system/own_process.ts";
import { placeOfFile } from "./disk.ts";

/** Suffixes of the files that SQLite writes beside a database. */
export const COMPANIONS: readonly string[] = ["-wal", "-shm", "-journal"];
/** The file and its WAL; SQLite makes the -shm, an index of the WAL, anew. */
const SUFFIXES = ["", "-wal"];

/**
 * Copies the file to `<path>.v<version>.bak`, with the WAL where there is one; where the path is a
 * link, beside the file, as that disk was chosen for it. Not by VACUUM INTO: Deno refuses that unless
 * it has all permissions.
 *
 * This process must not have the file open: closing what was copied would let go of SQLite's locks.
 * So another process may change the file meanwhile, if only by closing it, which moves the WAL into
 * it. The copy is made under another name first, so that a file named `.bak` is always whole.
 *
 * @param version the file's schema
 * @returns undefined when there is a copy; else why not, and a later try may succeed
 */
export function backUp(path: string, version: number): Error | undefined {
  const file = placeOfFile(path);
  const unfinished = `${file}.v${version}.${ownProcess.pid()}.tmp`;
  try {
    removeLeft(file);
    copyWithWal(file, unfinished);
    requireWhole(unfinished, version);
    nodeFs().renameSync(unfinished, `${file}.v${version}.bak`);
    return undefined;
  } catch (cause) {
    return cause instanceof Error ? cause : new Error(String(cause));
  } finally {
    removeDatabase(unfinished);
  }
}

/** What follows a log's name in the name of a backup that is being put in its place. */
export const RESTORING = ".restoring";

/** Removes what a restore that was killed has left, which is as large as its backup. Never throws. */
export function removeRestoring(log: string): void {
  try {
    removeDatabase(`${placeOfFile(log)}${RESTORING}`);
  } catch {
    // It only takes up room, and the next start tries again.
  }
}

/** Removes a SQLite file with all that SQLite may have left beside it; also where there is none. */
export function removeDatabase(path: string): void {
  for (const suffix of ["", ...COMPANIONS]) ownFiles.remove(path + suffix);
}

/** What follows a file's name in the name of a copy that is being made: schema and process id. */
const UNFINISHED = /^\.v\d+\.(\d+)\.tmp(-wal|-shm|-journal)?$/;

/** Removes what processes that were killed have left of copies; each may be as large as the file. */
function removeLeft(path: string): void {
  const { basename, dirname } = nodePath();
  const own = basename(path);
  for (const name of nodeFs().readdirSync(dirname(path))) {
    const pid = name.startsWith(own) ? UNFINISHED.exec(name.slice(own.length))?.[1] : undefined;
    if (pid === undefined || (Number(pid) !== ownProcess.pid() && lives(Number(pid)))) continue;
    ownFiles.remove(`${dirname(path)}/${name}`);
  }
}

function lives(pid: number): boolean {
  try {
    return nodeProcess().kill(pid, 0);
  } catch (cause) {
    return codeOf(cause) !== "ESRCH";
  }
}

/** Copies a SQLite file with its WAL, for its owner alone. @throws {Error} when somebody writes to it */
export function copyWithWal(path: string, copy: string): void {
  const { chmodSync, copyFileSync, existsSync } = nodeFs();
  const from = placeOfFile(path);
  const before = stampOf(from);
  for (const suffix of SUFFIXES) {
    if (!existsSync(from + suffix)) continue;
    copyFileSync(from + suffix, copy + suffix);
    chmodSync(copy + suffix, 0o600);
  }
  if (stampOf(from) !== before) throw new Error("it is written to while it is copied");
}

/** A text that changes when the files are written to. */
function stampOf(path: string): string {
  return SUFFIXES.map((suffix) => {
    const stat = nodeFs().statSync(path + suffix, { throwIfNoEntry: false });
    return stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : "none";
  }).join();
}

/** Moves the copy's WAL into it. @throws {Error} when it is damaged or has another schema */
function requireWhole(path: string, version: number): void {
  const copy = new DatabaseSync(path);
  try {
    copy.exec("PRAGMA journal_mode = DELETE");
    const [check] = copy.prepare("PRAGMA quick_check(1)").all();
    if (check.quick_check !== "ok") throw new Error(`it is damaged: ${check.quick_check}`);
    const found = copy.prepare("PRAGMA user_version").get()?.user_version;
    if (found !== version) throw new Error(`its copy has schema ${found} instead of ${version}`);
  } finally {
    copy.close();
  }
}
