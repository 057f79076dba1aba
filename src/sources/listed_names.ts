/** Tells a file's listed name from other names by which a file system finds it too. */
import type { FileSystem } from "./file_system.ts";

/** Directories whose names are remembered. */
const DIRECTORIES_MAX = 64;

interface Names {
  readonly exact: ReadonlySet<string>;
  readonly folded: ReadonlySet<string>;
}

/** Remembers the names of directories, so that keys asked for in order list each directory once. */
export class ListedNames {
  readonly #files: FileSystem;
  readonly #root: string;
  readonly #directories = new Map<string, Names>();

  constructor(files: FileSystem, root: string) {
    this.#files = files;
    this.#root = root;
  }

  /**
   * Whether the file that is found under the key is listed by another name, one that differs in
   * case or in how its characters are composed: vfat, SMB and the like find it all the same.
   */
  isAlias(key: string): boolean {
    let path = this.#root;
    for (const name of key.split("/")) {
      const { exact, folded } = this.#names(path);
      if (!exact.has(name) && folded.has(fold(name))) return true;
      path += `/${name}`;
    }
    return false;
  }

  #names(path: string): Names {
    const known = this.#directories.get(path);
    if (known) return known;
    const listed = this.#files.list(path || "/").map(({ name }) => name);
    const names = { exact: new Set(listed), folded: new Set(listed.map(fold)) };
    if (this.#directories.size >= DIRECTORIES_MAX) this.#directories.clear();
    this.#directories.set(path, names);
    return names;
  }
}

function fold(name: string): string {
  return name.normalize("NFC").toLowerCase();
}
