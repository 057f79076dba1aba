/** What rsync's lines mean. */
import type { Clock } from "../../clock.ts";
import type { SourceEvent } from "../source.ts";
import type { Exit, LineReader, Output, Verdict } from "./format.ts";
import { RsyncSent, type Sent } from "./rsync_sent.ts";
import { Totals } from "./totals.ts";
import { failure, succeeded } from "./verdict.ts";
import { logLine, words } from "./words.ts";

export interface RsyncRun {
  /** What stands before the name: a size in bytes, one for people (`-h`), or nothing. */
  readonly sizes: "exact" | "rounded" | "none";
  readonly dryRun: boolean;
  /** Whether files are put into place only when all are sent (`--delay-updates`). */
  readonly delays: boolean;
  /** Whether all that rsync says comes on stderr, and not only its complaints. */
  readonly allOnStderr: boolean;
  /** The directory of this machine that files are written into; undefined for another one. */
  readonly root: string | undefined;
  readonly clock: Clock;
}

/** Action, kind, attributes (nine, in older versions seven): blanks are unchanged, `+` is new. */
const ITEM = /^([<>ch.])([fdLDS])(\+{7,}| {9}|[a-zA-Z.+?]{7,}) (.*)$/s;
const DELETING = /^\*deleting {3}(.*)$/s;
const SIZED = /^(\d[\d,.]*)([KMGTP]?) (.*)$/s;
const UNITS = ["", "K", "M", "G", "T", "P"];
const KINDS: Readonly<Record<string, string>> = {
  f: "file",
  L: "link",
  D: "device",
  S: "special",
};
/** Progress as of -P or --info=progress2; `ir-chk` would count a list that still grows. */
const TO_CHECK = /^\s*[\d,.]+[KMGT]?\s+\d+%\s.*\bto-chk(?:eck)?=(\d+)\/(\d+)\)\s*$/;
const PROGRESS = /^\s*[\d,.]+[KMGT]?\s+\d+%\s+[\d.,]+\w?B\/s\s/;
/** Lines that say why one entity was left out; others name a call, and say later that it failed. */
const LEFT_OUT =
  /^(?:skipping (?:non-regular file|directory) |symlink has no referent: |file has vanished: |could not make way for new (?!directory))|send_files failed to open /;
const CALL = /\b(?:readlink_stat\(|(?:link_stat|readlink|opendir|open|mkstemp|mknod|symlink) ["(])/;
const CALL_FAILED = "failed: ";
/** Complaints of the writing side about a file; after the last of these it ends. */
const UNWRITTEN =
  /^rsync: (?:\[receiver\] )?(mkstemp|open|rename(?: failed for)?|write failed on) "(.{1,4096}?)"(?: -> "(.{1,4096}?)")?[ :]/s;
const WRITE_FAILED = "write failed on";
/** A file that came out wrong; it is sent once more, unless this is an error already. */
const UNVERIFIED = /^(WARNING|ERROR): (.{1,4096}) failed verification -- update /s;
/** The end of the name of a file that is still being written. */
const TEMPORARY = /\.\w{6}$/;
const WARNING =
  /^(?:WARNING: |IO error encountered|rsync warning:|cannot delete non-empty directory)/;
/** What one side says when the other has gone, which has said why. */
const BROKEN = /Broken pipe|Connection reset by peer|connection unexpectedly closed/;
/** How complaints begin; where all comes on stderr, nothing else tells them from words of other kinds. */
const COMPLAINT = /^(?:rsync(?:: | error: )|@?ERROR: |ssh: )/;
const ERROR = /^rsync error: (.*?)(?: \(see previous errors\))? \(code \d+\).*$/;

/** Exit codes of completed runs; 24: files vanished while they were read. */
const COMPLETED = [0, 24];
/** Exit codes of runs that came to their end, whether or not everything could be transferred. */
const RAN_THROUGH = [0, 23, 24, 25];

/** What became of an entity. */
type Done = Omit<Sent, "outcome"> & { readonly outcome: Sent["outcome"] | "kept" };

/** Reads rsync's itemized changes, progress and messages. */
export class RsyncReader implements LineReader {
  readonly #run: RsyncRun;
  readonly #totals = new Totals();
  readonly #sent: RsyncSent;
  /** Files that are written and not put into place yet, by outcome. */
  readonly #delayed = new Map<
    Sent["outcome"],
    { readonly count: number; readonly bytes: number }
  >();
  #error: string | undefined;
  #last: string | undefined;

  constructor(run: RsyncRun) {
    this.#run = run;
    this.#sent = new RsyncSent(run.root, run.clock, run.delays);
    if (run.dryRun) this.#totals.phase = "dry run";
  }

  line(text: string, from: Output): readonly SourceEvent[] {
    if (from === "stderr" && (!this.#run.allOnStderr || COMPLAINT.test(text))) {
      return this.#complaint(text);
    }
    // With progress shown, a part that a CR writes over and an item may share a line.
    const parts = text.includes("\r") ? text.split("\r") : [text];
    return parts.flatMap((part) => this.#part(part));
  }

  end(exit: Exit): Verdict {
    const ranThrough = succeeded(exit, RAN_THROUGH);
    for (const sent of this.#sent.end(ranThrough)) this.#written(sent);
    for (const [outcome, { count, bytes }] of ranThrough ? this.#delayed : []) {
      this.#count({ outcome, kind: KINDS.f, bytes }, count);
    }
    const events = [this.#totals.progress()];
    if (succeeded(exit, COMPLETED)) return { events };
    const reasons = [this.#error, this.#last].filter((reason) => reason !== undefined);
    return { events, error: failure("rsync", exit, reasons.join(": ")) };
  }

  #part(text: string): readonly SourceEvent[] {
    const item = ITEM.exec(text);
    if (item) return this.#item(item[1], item[2], item[3], item[4], text);
    const deleted = DELETING.exec(text);
    if (deleted) return this.#deleted(deleted[1], text);
    const left = TO_CHECK.exec(text);
    if (left) return this.#checked(Number(left[1]), Number(left[2]));
    // A large file may take hours, in which a job without events would be stalled.
    if (PROGRESS.test(text)) return [this.#totals.progress()];
    if (leavesOut(text) || WARNING.test(text)) return this.#complaint(text);
    return logLine("info", text);
  }

  #item(
    how: string,
    type: string,
    attributes: string,
    rest: string,
    text: string,
  ): readonly SourceEvent[] {
    const kind = KINDS[type];
    const totals = this.#totals;
    if (kind === undefined) return [totals.progress()]; // directories are not counted
    const { bytes, name } = this.#sized(rest);
    const unchanged = attributes.trim() === "";
    if (this.#run.dryRun && !unchanged) return logLine("info", text);
    const isNew = attributes.startsWith("+++");
    if (how === "<" || how === ">") {
      const outcome = isNew ? "inserted" : "updated";
      for (const sent of this.#sent.add(name, { outcome, kind, bytes })) this.#written(sent);
    } else {
      const outcome = unchanged ? "kept" : isNew ? "inserted" : "updated";
      this.#count({ outcome, kind, bytes });
    }
    totals.current = name;
    return [totals.progress()];
  }

  #deleted(rest: string, text: string): readonly SourceEvent[] {
    if (rest.endsWith("/")) return [];
    if (this.#run.dryRun) return logLine("info", text);
    this.#totals.deleted++;
    return [this.#totals.progress()];
  }

  #written(sent: Sent): void {
    if (!this.#run.delays) return this.#count(sent);
    const { count, bytes } = this.#delayed.get(sent.outcome) ?? { count: 0, bytes: 0 };
    this.#delayed.set(sent.outcome, { count: count + 1, bytes: bytes + (sent.bytes ?? 0) });
  }

  #count({ outcome, kind, bytes = 0 }: Done, count = 1): void {
    this.#totals[outcome] += count;
    this.#totals.meet(kind, count);
    if (this.#run.sizes !== "exact") return;
    this.#totals.bytesDone = (this.#totals.bytesDone ?? 0) + bytes;
  }

  #sized(rest: string): { bytes: number | undefined; name: string } {
    const [, size, unit, name] = (this.#run.sizes !== "none" && SIZED.exec(rest)) || [];
    if (size === undefined) return { bytes: undefined, name: rest };
    return { bytes: Number(size.replaceAll(",", "")) * 1_000 ** UNITS.indexOf(unit), name };
  }

  #checked(left: number, all: number): readonly SourceEvent[] {
    if (all === 0 || left > all) return [];
    const percent = ((all - left) / all) * 100;
    this.#totals.percent = Math.max(this.#totals.percent ?? 0, percent);
    return [this.#totals.progress()];
  }

  #complaint(text: string): readonly SourceEvent[] {
    const message = words(text);
    if (message === "") return [];
    const error = ERROR.exec(message);
    if (error) {
      this.#error = error[1];
      return logLine("error", message);
    }
    const totals = this.#totals;
    if (BROKEN.test(message)) this.#last ??= message;
    else if (!WARNING.test(message)) this.#last = message;
    totals.warnings++;
    const [, how = "", path, target] = UNWRITTEN.exec(text) ?? [];
    if (path !== undefined) {
      const temporary = how === "mkstemp" || how === "rename";
      const unwritten = target ?? (temporary ? path.replace(TEMPORARY, "") : path);
      this.#sent.failed(unwritten, how === WRITE_FAILED);
    }
    const [, severity, unverified] = UNVERIFIED.exec(text) ?? [];
    if (unverified !== undefined) this.#sent.failed(unverified, false);
    if (leavesOut(message) || how.startsWith("rename") || severity === "ERROR") {
      totals.skipped++;
      totals.meet("file");
    }
    return [...logLine("warning", message), totals.progress()];
  }
}

/** Whether the line says why one entity was left out. Looks once, as a line may have 1 MiB. */
function leavesOut(text: string): boolean {
  const failed = Math.max(0, text.lastIndexOf(CALL_FAILED));
  return LEFT_OUT.test(text) || CALL.test(text.slice(0, failed));
}
