/** Files that rsync has sent, until it is sure that the writing side could write them. */
import type { Clock } from "../../clock.ts";

/** A file that was sent. */
export interface Sent {
  readonly outcome: "inserted" | "updated";
  readonly kind: string;
  /** Bytes, perhaps rounded; undefined where rsync does not tell. */
  readonly bytes: number | undefined;
}

interface Failure {
  readonly path: string;
  /** Whether the writing side ends there and writes no later file. */
  readonly over: boolean;
}

interface Held {
  readonly sent: Sent;
  /** When the line of the next file was read, which is sent behind it; undefined before. */
  nextAtMs: number | undefined;
}

/** How far the writing side may be behind; 4,833 files and 2 MB were seen in local copies. */
const FILES_MAX = 16_384;
const BYTES_MAX = 2 * 1024 * 1024;
/** How long a complaint may lie unread while the lines of later files are read, in milliseconds. */
const UNREAD_MS = 500;
/**
 * After the last complaint further ones may be on their way for so long, in milliseconds: where many
 * files fail they fill all buffers, and come 16,047 files and 424 MB late.
 */
const SETTLED_MS = 2_000;
/** Most files that are held. */
const HELD_MAX = 32_768;
/** Most failures that are remembered until the line of their file comes, and of one plain name. */
const EARLY_MAX = 32_768;
const EARLY_SAME_MAX = 2_000;

/** Bytes that rsync does not print. */
const ESCAPED = /(?:\\#[0-3][0-7]{2})+/g;
const decoder = new TextDecoder();

/**
 * The sending side names a file before it is written, and a complaint of the writing side comes
 * when many others have been sent. So a file is held until it must have been written.
 */
export class RsyncSent {
  readonly #root: string | undefined;
  readonly #clock: Clock;
  readonly #toTheEnd: boolean;
  /** Held files by name, in the order in which they were sent. */
  readonly #held = new Map<string, Held>();
  /** A walk through them, which begins anew only at its end, and the file that it has come to. */
  #walk = this.#held.entries();
  #front: readonly [string, Held] | undefined;
  /** The file that was added last. */
  #last: Held | undefined;
  /** Bytes of the held files; a file of unknown size counts as BYTES_MAX. */
  #bytes = 0;
  /** Failures that came (on stderr) before the line of their file, by plain name. */
  readonly #early = new Map<string, Failure[]>();
  #earlyCount = 0;
  /** When the last failure was noted. */
  #failedAtMs = -Infinity;
  /** Whether the writing side has ended. */
  #over = false;
  /** How many files were sent. */
  #count = 0;

  /**
   * @param root the directory that names are relative to; undefined where it is not known
   * @param toTheEnd whether any file may fail up to the end: then as many as can be are held
   */
  constructor(root: string | undefined, clock: Clock, toTheEnd: boolean) {
    this.#clock = clock;
    this.#toTheEnd = toTheEnd;
    this.#root = root === "/" ? "" : root;
  }

  /** Adds a file that is being sent. @returns files that are surely written by now */
  add(listed: string, sent: Sent): readonly Sent[] {
    const name = unescaped(listed);
    this.#count++;
    const nowMs = this.#clock.monotonic();
    if (this.#last) this.#last.nextAtMs ??= nowMs;
    if (this.#over || this.#failedEarly(name)) return [];
    // A script that runs rsync again names it again. What came out wrong was taken by its complaint.
    const before = this.#take(name);
    const written = this.#written(nowMs);
    this.#last = { sent, nextAtMs: undefined };
    this.#held.set(name, this.#last);
    this.#bytes += weightOf(sent);
    return before ? [before, ...written] : written;
  }

  /**
   * Notes that a file could not be written.
   *
   * @param named as the writing side names it, or relative to the destination; the last name may have
   *   a dot before it, as temporary files do
   * @param over as of Failure
   */
  failed(named: string, over: boolean): void {
    const path = unescaped(named);
    this.#failedAtMs = this.#clock.monotonic();
    // `rsync file dir/other`: the destination is that one file.
    if (this.#root !== undefined && spellings(path).includes(this.#root)) {
      this.#over = true;
      this.#held.clear();
      return;
    }
    const name = this.#elsewhere(path)
      ? [...this.#held.keys()].find((each) => plainName(each) === plainName(path))
      : this.#namesOf(path).find((each) => this.#held.has(each));
    if (name !== undefined) {
      this.#over ||= over;
      const behind = over ? [...this.#held.keys()] : [name];
      for (const each of behind.slice(behind.indexOf(name))) this.#take(each);
    } else if (this.#earlyCount < EARLY_MAX) {
      const early = this.#early.get(plainName(path)) ?? [];
      if (early.length >= EARLY_SAME_MAX) return;
      early.push({ path, over });
      this.#early.set(plainName(path), early);
      this.#earlyCount++;
    }
  }

  /** The files that were written after all. @param all false where the last one was under way */
  end(all: boolean): readonly Sent[] {
    // `rsync file host:dir/other`: what could not be written has another name, and was the only one.
    if (this.#root === undefined && this.#count === 1 && this.#earlyCount > 0) return [];
    const held = [...this.#held.values()].map(({ sent }) => sent);
    return held.slice(0, all || this.#over ? undefined : -1);
  }

  /** Takes what must have been written by now, as enough was sent behind it. */
  #written(nowMs: number): readonly Sent[] {
    const written: Sent[] = [];
    const settled = nowMs - this.#failedAtMs >= SETTLED_MS;
    for (let oldest = this.#oldest(); oldest; oldest = this.#oldest()) {
      const [name, { sent, nextAtMs = nowMs }] = oldest;
      const behind = this.#held.size > FILES_MAX || this.#bytes - weightOf(sent) >= BYTES_MAX;
      const told = !this.#toTheEnd && behind && settled && nowMs - nextAtMs >= UNREAD_MS;
      if (!told && this.#held.size <= HELD_MAX) break;
      this.#take(name);
      written.push(sent);
    }
    return written;
  }

  /** The held file that was added first: a loop from the start would pass all that were taken. */
  #oldest(): readonly [string, Held] | undefined {
    while (this.#held.size > 0) {
      if (this.#front && this.#held.get(this.#front[0]) === this.#front[1]) return this.#front;
      const next = this.#walk.next();
      if (next.done) this.#walk = this.#held.entries();
      this.#front = next.done ? undefined : next.value;
    }
    return undefined;
  }

  #take(name: string): Sent | undefined {
    const held = this.#held.get(name);
    if (held && this.#held.delete(name)) this.#bytes -= weightOf(held.sent);
    return held?.sent;
  }

  /** Whether the path tells nothing of the file but its last name: that of a `--temp-dir`. */
  #elsewhere(path: string): boolean {
    const root = this.#root;
    return root !== undefined && path.startsWith("/") && !path.startsWith(`${root}/`);
  }

  /** The names that the file may have: without a known root its path may begin anywhere. */
  #namesOf(path: string): readonly string[] {
    const root = this.#root;
    if (root === undefined) {
      const parts = path.split("/");
      return parts.flatMap((_, at) => spellings(parts.slice(at).join("/")));
    }
    if (!path.startsWith("/")) return spellings(path);
    return path.startsWith(`${root}/`) ? spellings(path.slice(root.length + 1)) : [];
  }

  /** As `#namesOf(path).includes(name)` for equal plain names, but cheap: many may have failed. */
  #mayBe(path: string, name: string): boolean {
    const root = this.#root;
    const [is, asked] = [folderOf(path), folderOf(name)];
    if (root !== undefined) return is === (path.startsWith("/") ? `${root}/${asked}` : asked);
    return `/${is}`.endsWith(`/${asked}`);
  }

  #failedEarly(name: string): boolean {
    const plain = plainName(name);
    const early = this.#early.get(plain) ?? [];
    const at = early.findIndex(({ path }) => this.#elsewhere(path) || this.#mayBe(path, name));
    if (at < 0) return false;
    const [{ over }] = early.splice(at, 1);
    if (early.length === 0) this.#early.delete(plain);
    this.#over ||= over;
    this.#earlyCount--;
    return true;
  }
}

/** The name itself: in complaints rsync escapes also what it prints as it is of files (`\\#303`). */
function unescaped(name: string): string {
  return name.replace(ESCAPED, (bytes) => {
    const values = bytes.split("\\#").slice(1).map((octal) => Number.parseInt(octal, 8));
    return decoder.decode(Uint8Array.from(values));
  });
}

function weightOf({ bytes = BYTES_MAX }: Sent): number {
  return bytes;
}

/** The path as it is, and with or without a dot before the last name. */
function spellings(path: string): readonly string[] {
  const at = path.lastIndexOf("/") + 1;
  const name = plainName(path);
  const plain = path.slice(0, at) + name;
  const dotted = `${path.slice(0, at)}.${name}`;
  return path === plain ? [plain, dotted] : [dotted, plain];
}

function plainName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/^\./, "");
}

/** All before the last name, with its slash; empty for a name alone. */
function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}
