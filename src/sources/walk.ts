/** Walks a directory tree lazily, in the order of its keys. */
import { Buffer } from "node:buffer";
import { errorCode, type FileSystem } from "./file_system.ts";

/** One thing that the walk meets. */
export type Met =
  | { readonly kind: "entry"; readonly key: string }
  /** A directory that could not be listed: what is below it is not known. `key` ends with a slash. */
  | { readonly kind: "unlisted"; readonly key: string; readonly reason: string };

/**
 * Yields the keys of all that is no directory, by the bytes of their UTF-8: relative paths with
 * `/`. That is the order in which SQLite keeps them, so that both can be read side by side.
 *
 * Links are not followed, so a loop of links is just some links. Holds the names of one directory
 * a level. A directory that vanishes before it is listed is passed over.
 *
 * @param excluded absolute paths that are not entered nor met
 */
export function* walk(
  files: FileSystem,
  root: string,
  excluded: ReadonlySet<string>,
  below = "",
): Generator<Met, void, void> {
  let listed: { name: string; directory: boolean }[];
  try {
    listed = files.list(below === "" ? root : `${root}/${below}`);
  } catch (cause) {
    // The root is looked at before the walk; what vanishes during it is no fault of the tree.
    const unnamed = below.includes("\ufffd");
    if (errorCode(cause) === "ENOENT" && below !== "" && !unnamed) return;
    const reason = unnamed ? "its name is no UTF-8" : errorCode(cause) ?? String(cause);
    return yield { kind: "unlisted", key: below, reason };
  }
  const names = listed.map(({ name, directory }) => directory ? `${name}/` : name);
  for (const name of sorted(names)) {
    const key = below + name;
    const directory = name.endsWith("/");
    if (excluded.size > 0 && excluded.has(`${root}/${directory ? key.slice(0, -1) : key}`)) {
      continue;
    }
    if (directory) yield* walk(files, root, excluded, key);
    else yield { kind: "entry", key };
  }
}

/** Whether `a` comes before `b` by the bytes of their UTF-8. */
export function before(a: string, b: string): boolean {
  return inOrder(a, b) < 0;
}

function sorted(names: string[]): string[] {
  return names.sort(inOrder);
}

/** UTF-16 has the same order as UTF-8 as long as no surrogate is involved. */
function inOrder(a: string, b: string): number {
  if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

const SURROGATE = /[\ud800-\udfff]/;
