/** What rsync has sent, of which the other side says late what it could not write. */

/** A file that was sent. */
export interface Sent {
  readonly outcome: "inserted" | "updated";
  readonly kind: string;
  /** Perhaps roughly; undefined where it is not told. */
  readonly bytes: number | undefined;
}

/** So far the other side may be behind. Between local folders 2,400 small files and 1.2 MB were seen. */
const FILES_MAX = 4_096;
const BYTES_MAX = 2 * 1024 * 1024;
/** Failures that are remembered until their file is told of. */
const EARLY_MAX = 2_000;

/**
 * The one that sends says what it does before it is done, and the complaint of the one that writes
 * comes when many others have been sent. So a file is held until it must be written.
 */
export class RsyncSent {
  readonly #root: string | undefined;
  /** By name, in the order in which they were sent. */
  readonly #held = new Map<string, Sent>();
  /** Of those; what is not known is much. */
  #bytes = 0;
  /** Failures that were read before the file is told of, as they come by stderr, by plain names. */
  readonly #early = new Map<string, string[]>();
  #earlyCount = 0;
  /** The other side has ended. */
  #over = false;

  /** @param root the directory that names are relative to; undefined where it is not known */
  constructor(root: string | undefined) {
    this.#root = root === "/" ? "" : root;
  }

  /** @returns those that are written by now */
  add(name: string, sent: Sent): readonly Sent[] {
    if (this.#over || this.#failedEarly(name)) return [];
    this.#take(name);
    const written: Sent[] = [];
    // The last one is under way.
    while (this.#held.size > FILES_MAX || this.#bytes >= BYTES_MAX) {
      const [[first, oldest]] = this.#held;
      this.#take(first);
      written.push(oldest);
    }
    this.#held.set(name, sent);
    this.#bytes += weightOf(sent);
    return written;
  }

  /**
   * The file could not be written.
   *
   * @param path as the other side calls it, with or without a dot before its last name, which a
   *   temporary file has in any case
   * @param over whether the other side ends there, and writes none of those behind it
   */
  failed(path: string, over: boolean): void {
    this.#over ||= over;
    const name = this.#namesOf(path).find((each) => this.#held.has(each));
    if (name !== undefined) {
      const behind = over ? [...this.#held.keys()] : [name];
      for (const each of behind.slice(behind.indexOf(name))) this.#take(each);
    } else if (this.#earlyCount < EARLY_MAX) {
      this.#earlyCount++;
      const early = this.#early.get(plainName(path));
      if (early) early.push(path);
      else this.#early.set(plainName(path), [path]);
    }
  }

  /** @param all whether rsync has come to its end; otherwise the last one was under way */
  end(all: boolean): readonly Sent[] {
    return [...this.#held.values()].slice(0, all || this.#over ? undefined : -1);
  }

  #take(name: string): void {
    const sent = this.#held.get(name);
    if (sent && this.#held.delete(name)) this.#bytes -= weightOf(sent);
  }

  /** What the file may be called: where the root is not known its path may begin anywhere. */
  #namesOf(path: string): readonly string[] {
    const root = this.#root;
    return spellings(path).flatMap((one) => {
      if (root !== undefined) return one.startsWith(`${root}/`) ? [one.slice(root.length + 1)] : [];
      const parts = one.split("/");
      return parts.map((_, at) => parts.slice(at).join("/"));
    });
  }

  #failedEarly(name: string): boolean {
    const early = this.#early.get(plainName(name)) ?? [];
    const at = early.findIndex((path) => this.#namesOf(path).includes(name));
    if (at < 0) return false;
    early.splice(at, 1);
    this.#earlyCount--;
    return true;
  }
}

function weightOf({ bytes = BYTES_MAX }: Sent): number {
  return bytes;
}

/** Without and with a dot before the last name. */
function spellings(path: string): readonly string[] {
  const at = path.lastIndexOf("/") + 1;
  const name = plainName(path);
  return [path.slice(0, at) + name, `${path.slice(0, at)}.${name}`];
}

function plainName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/^\./, "");
}
