/** Walks a directory tree lazily, in the order of its keys. */
import { Buffer } from "node:buffer";
import { errorCode, type FileStat, type FileSystem } from "./file_system.ts";

/** One step of the walk. The key of a directory ends with a slash; `stat` is of a later look. */
export type Step =
  | { readonly kind: "entry"; readonly key: string; readonly stat?: FileStat }
  /** A directory that could not be listed: what is below it is not known. */
  | { readonly kind: "unlisted"; readonly key: string; readonly reason: string }
  /** A second name that reads the same as the one before it; at least one of them is not UTF-8. */
  | { readonly kind: "unnamed"; readonly key: string }
  /** A directory that was listed by name and is no longer there. */
  | { readonly kind: "vanished"; readonly key: string }
  /** A directory that was listed; also a tree without files has these steps. */
  | { readonly kind: "listed"; readonly key: string };

/** Why a name cannot be used: the runtimes show it with U+FFFD in it and then do not find it. */
export const NO_UTF8 = "its name is no UTF-8";
const UNKNOWN_CHARACTER = "\ufffd";

/** Names of one directory that are still to be visited, the next one last. */
interface Level {
  readonly below: string;
  readonly names: string[];
  last: string;
}

/**
 * Walks a tree. The keys are relative paths with `/`, in the order of their UTF-8 bytes. SQLite
 * keeps them in the same order, so that both can be read side by side.
 *
 * Links are not followed, so a loop of links does no harm. Holds the names of one directory a
 * level.
 *
 * @param root real and absolute, without a slash at its end
 * @param excluded real absolute paths that are left out
 * @param from the directory to begin with: what comes before it is left out
 */
export function* walkSteps(
  files: FileSystem,
  root: string,
  excluded: ReadonlySet<string>,
  from = "",
): Generator<Step, void, void> {
  const levels: Level[] = [];
  const left = keysOf(excluded, root);
  let entered: string | undefined = "";
  for (;;) {
    if (entered !== undefined) yield enter(files, root, entered, from, levels);
    const level: Level | undefined = levels[levels.length - 1];
    if (!level) return;
    entered = undefined;
    const name = level.names.pop();
    if (name === undefined) {
      levels.pop();
      continue;
    }
    const key = level.below + name;
    const directory = name.endsWith("/");
    if (left.size > 0 && left.has(directory ? key.slice(0, -1) : key)) continue;
    // A name that is listed twice is used once: else the keys would be out of order.
    const twin = name === level.last;
    level.last = name;
    if (twin) {
      // A name that is UTF-8 is listed twice only when a file was renamed to it meanwhile.
      if (maybeNoUtf8(name)) yield { kind: "unnamed", key };
    } else if (directory) entered = key;
    else yield { kind: "entry", key };
  }
}

/** The keys of the paths that lie in the tree, directories without a slash. */
function keysOf(paths: ReadonlySet<string>, root: string): ReadonlySet<string> {
  const inside = [...paths].filter((path) => path.startsWith(`${root}/`));
  return new Set(inside.map((path) => path.slice(root.length + 1)));
}

/** Whether the key may be that of a name that is not UTF-8: then no file is found under it. */
export function maybeNoUtf8(key: string): boolean {
  return key.includes(UNKNOWN_CHARACTER);
}

/** Whether `a` comes before `b` by the bytes of their UTF-8. */
export function before(a: string, b: string): boolean {
  return byBytes(a, b) < 0;
}

function enter(
  files: FileSystem,
  root: string,
  key: string,
  from: string,
  levels: Level[],
): Step {
  try {
    const listed = files.list(key === "" ? root || "/" : `${root}/${key}`);
    let names = listed.map(({ name, directory }) => directory ? `${name}/` : name);
    if (from !== key && from.startsWith(key)) {
      names = names.filter((name) => leadsTo(key + name, from) || !before(key + name, from));
    }
    levels.push({ below: key, names: sorted(names).reverse(), last: "" });
    return { kind: "listed", key };
  } catch (cause) {
    const code = errorCode(cause);
    if (code === undefined) throw cause;
    if (code !== "ENOENT" || key === "") return { kind: "unlisted", key, reason: code };
    return maybeNoUtf8(key)
      ? { kind: "unlisted", key, reason: NO_UTF8 }
      : { kind: "vanished", key };
  }
}

/** Whether the key is the directory `from`, or one around it. */
function leadsTo(key: string, from: string): boolean {
  return key.endsWith("/") && from.startsWith(key);
}

/** UTF-16 has the same order as UTF-8 as long as no surrogate is involved, and sorts faster. */
function sorted(names: string[]): string[] {
  return names.some((name) => SURROGATE.test(name)) ? names.sort(byBytes) : names.sort();
}

function byBytes(a: string, b: string): number {
  if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

const SURROGATE = /[\ud800-\udfff]/;
