/** What restic's lines mean. */
import { constants } from "node:os";
import type { SourceEvent } from "../source.ts";
import type { Exit, LineReader, Output, Verdict } from "./format.ts";
import { countOf, isObject, type Members, objectIn, textOf } from "./json.ts";
import { Totals } from "./totals.ts";
import { failure, succeeded } from "./verdict.ts";
import { levelOf, logLine, words } from "./words.ts";

/** The entity type of all that is counted; directories are not. */
const FILE = "file";
const BACKING_UP = "backing up";
/** Exit code of a backup whose snapshot was made though something could not be read. */
const INCOMPLETE = 3;
/** What is said of a file that is saved all the same, as from 0.17 on. */
const SAVED = /^incomplete metadata for /;

export interface ResticRun {
  /** The subcommand, such as `backup`; undefined where a script hides it. */
  readonly command: string | undefined;
  readonly dryRun: boolean;
  /** Whether it finds out how much there is while it backs up; not with `--no-scan`. */
  readonly scans: boolean;
}

/** Reads restic's messages (`--json`). */
export class ResticReader implements LineReader {
  readonly #run: ResticRun;
  readonly #totals = new Totals();
  /** What backups before this one came to: a script may run several. */
  #before = { inserted: 0, updated: 0, kept: 0, files: 0, bytes: 0 };
  #fatal: string | undefined;
  #last: string | undefined;

  constructor(run: ResticRun) {
    this.#run = run;
    if (run.dryRun) this.#totals.phase = "dry run";
  }

  line(text: string, from: Output): readonly SourceEvent[] {
    const entry = objectIn(text);
    switch (entry?.message_type) {
      case "status":
      case "verbose_status":
        return this.#backsUp ? this.#status(entry) : logLine("debug", text);
      case "summary":
        return this.#backsUp ? this.#summary(entry) : this.#plain(text, from);
      case "error":
        return this.#error(entry);
      case "exit_error":
        return this.#plain(textOf(entry.message) ?? text, "stderr");
      default:
        return this.#plain(text, from);
    }
  }

  end(exit: Exit): Verdict {
    const incomplete = this.#run.command === "backup" && succeeded(exit, [INCOMPLETE]);
    if (succeeded(exit) || incomplete) return { events: [this.#totals.progress()] };
    const events = [...this.#unsaved(), this.#totals.progress()];
    return { events, error: failure("restic", exit, this.#fatal ?? this.#last) };
  }

  /** Says that files which were counted as they were read are in no snapshot; what was kept is in an earlier one. */
  #unsaved(): readonly SourceEvent[] {
    const { inserted, updated } = this.#totals;
    const count = inserted + updated - this.#before.inserted - this.#before.updated;
    if (count === 0) return [];
    this.#totals.warnings++;
    const files = count === 1
      ? "1 file that is counted as inserted or updated is"
      : `${count} files that are counted as inserted or updated are`;
    return logLine("warning", `No snapshot was saved, so ${files} in none`);
  }

  /** Whether it is a backup: messages of other commands have the same names but other meanings. */
  get #backsUp(): boolean {
    return this.#run.command === undefined || this.#run.command === "backup";
  }

  #status(entry: Members): readonly SourceEvent[] {
    const totals = this.#totals;
    const item = textOf(entry.item);
    switch (entry.action) {
      case undefined: {
        if (this.#run.dryRun) return [totals.progress()];
        const bytesDone = this.#before.bytes + (countOf(entry.bytes_done) ?? 0);
        const current = Array.isArray(entry.current_files) ? entry.current_files[0] : undefined;
        totals.bytesDone = Math.max(totals.bytesDone ?? 0, bytesDone);
        totals.current = textOf(current) ?? totals.current;
        totals.phase ??= this.#run.scans ? "scanning" : BACKING_UP;
        return [totals.progress()];
      }
      case "scan_finished":
        // Until then the totals still grow.
        totals.total = sum(this.#before.files, countOf(entry.total_files));
        totals.bytesTotal = sum(this.#before.bytes, countOf(entry.data_size));
        if (!this.#run.dryRun) totals.phase = BACKING_UP;
        return [totals.progress()];
      case "new":
      case "modified":
      case "unchanged":
        return item === undefined || item.endsWith("/") ? [] : this.#file(entry.action, item);
      default:
        return [];
    }
  }

  #file(action: "new" | "modified" | "unchanged", item: string): readonly SourceEvent[] {
    const totals = this.#totals;
    if (this.#run.dryRun && action !== "unchanged") return logLine("info", `${action}: ${item}`);
    if (action === "new") totals.inserted++;
    else if (action === "modified") totals.updated++;
    else totals.kept++;
    totals.meet(FILE);
    totals.current = item;
    return [totals.progress()];
  }

  /** Takes the exact counts, which are there even without lines about files. */
  #summary(entry: Members): readonly SourceEvent[] {
    const totals = this.#totals;
    const snapshot = textOf(entry.snapshot_id);
    const saved = snapshot && !this.#run.dryRun
      ? logLine("info", `snapshot ${snapshot} saved`)
      : [];
    if (this.#run.dryRun) return saved;
    const before = this.#before;
    const exact = (was: number, count: unknown) => was + (countOf(count) ?? 0);
    totals.inserted = Math.max(totals.inserted, exact(before.inserted, entry.files_new));
    totals.updated = Math.max(totals.updated, exact(before.updated, entry.files_changed));
    totals.kept = Math.max(totals.kept, exact(before.kept, entry.files_unmodified));
    const { inserted, updated, kept, skipped } = totals;
    totals.meet(FILE, inserted + updated + kept + skipped - totals.met(FILE));
    totals.total = inserted + updated + kept + skipped;
    const processed = sum(before.bytes, countOf(entry.total_bytes_processed));
    if (processed !== undefined) totals.bytesDone = Math.max(totals.bytesDone ?? 0, processed);
    totals.bytesTotal = totals.bytesDone;
    totals.current = undefined;
    this.#before = { inserted, updated, kept, files: totals.total, bytes: totals.bytesDone ?? 0 };
    return [...saved, totals.progress()];
  }

  #error(entry: Members): readonly SourceEvent[] {
    // What fails when it is scanned fails again when it is read, perhaps by another path.
    if (entry.during === "scan") return [];
    const item = textOf(entry.item);
    const reason = reasonOf(entry.error);
    const said = item === undefined || reason.includes(item) ? reason : `${item}: ${reason}`;
    this.#last = words(said);
    return this.#warn(said, item !== undefined && !SAVED.test(reason));
  }

  #warn(said: string, skipsOne: boolean): readonly SourceEvent[] {
    const totals = this.#totals;
    totals.warnings++;
    if (skipsOne) {
      totals.skipped++;
      totals.meet(FILE);
    }
    return [...logLine("warning", said), totals.progress()];
  }

  #plain(text: string, from: Output): readonly SourceEvent[] {
    const message = words(text);
    if (message === "") return [];
    if (from === "stdout") return logLine(levelOf(message), message);
    this.#last = message;
    if (message.startsWith("Fatal:")) {
      this.#fatal = message.slice("Fatal:".length).trim();
      return logLine("error", message);
    }
    // Lines after a fatal one explain it.
    if (this.#fatal !== undefined) return logLine("error", message);
    return this.#warn(message, message.endsWith("does not exist, skipping"));
  }
}

/** The sum; undefined where the second is. */
function sum(before: number, count: number | undefined): number | undefined {
  return count === undefined ? undefined : before + count;
}

/** Older versions print Go's error as it is: an operation, a path and an errno. */
function reasonOf(error: unknown): string {
  if (!isObject(error)) return textOf(error) ?? "an error without words";
  const message = textOf(error.message);
  if (message !== undefined) return message;
  const parts = [error.Op, error.Path].flatMap((part) => textOf(part) ?? []);
  const inner = isObject(error.Err) ? reasonOf(error.Err) : errnoName(error.Err);
  return `${parts.join(" ")}${inner === undefined ? "" : `: ${inner}`}` || "an error without words";
}

function errnoName(errno: unknown): string | undefined {
  const known = Object.entries(constants.errno).find(([, value]) => value === errno);
  return known?.[0] ?? (typeof errno === "number" ? `errno ${errno}` : textOf(errno));
}
