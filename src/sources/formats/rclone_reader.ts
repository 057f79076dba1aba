/** What rclone's lines mean. */
import type { SourceEvent } from "../source.ts";
import type { Exit, LineReader, Output, Verdict } from "./format.ts";
import { countOf, isObject, type Members, objectIn, textOf } from "./json.ts";
import { Names } from "./names.ts";
import { RcloneChecks } from "./rclone_checks.ts";
import { RcloneReplaced, type RcloneWays } from "./rclone_replaced.ts";
import { Totals } from "./totals.ts";
import { failure, succeeded } from "./verdict.ts";
import { levelCalled, levelOf, logLine, words } from "./words.ts";

export interface RcloneRun extends RcloneWays {
  /** Whether it may copy files; what others (`check`, `md5sum`) look at is neither kept nor left out. */
  readonly copies: boolean;
  readonly dryRun: boolean;
  /** Whether it looks at what is there before it copies; not with `--no-check-dest`. */
  readonly looks: boolean;
  /** Whether its log level hides the lines about single files. */
  readonly hidden: boolean;
  /** Whether its log goes to a file, and not to its outputs. */
  readonly logFile: boolean;
}

/** The entity type of all that rclone copies. */
const FILE = "file";
const COPIED = /^(?:Multi-thread )?Copied\b/;
/** A server has moved a file, as asked or into the backup directory. */
const MOVED = /^Moved \(server-side\)(?: to: (.*))?$/s;
/** `--track-renames`: a new name, and an old one that is gone. */
const RENAMED = /^Renamed from\b/;
const NEW = /^(?:Multi-thread )?Copied \((?:Rcat, )?new\)/;
const REPLACED = /^(?:Multi-thread )?Copied \((?:Rcat, )?replaced existing\)/;
/** The content was the same; such a file counts as updated, as with rsync. */
const TOUCHED = /^Updated modification time\b/;
const DELETED = /^Deleted\b/;
const SET_ASIDE = /^Moved into backup dir\b/;
/** A dry run that the command does not show: rclone runs inside a script. */
const DRY = /^Skipped .+ as --dry-run is set\b/;
const ATTEMPT_FAILED = /^Attempt (\d+)\/(\d+) failed/;
const CHECKED_FIRST = "Checks finished, now starting transfers";
const TRACKING = "Making map for --track-renames";
/** The last line of older versions when they fail, which is not JSON; under systemd it has no date. */
const DATED = /^(?:\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d (?![A-Z]+ *:)|(?=Failed to ))/;
/** Lines of the block that `-P` draws on stdout, anew twice a second and behind its last line. */
const BLOCK =
  /^(?:(?:Transferred|Checks|Errors|Deleted|Renamed|Listed|Elapsed time): {2,}|Server Side (?:Copies|Moves): *\d|(?:Checking|Transferring):$| \* )/;
/** The one line that it draws with `--stats-one-line`, each time behind the one before. */
const DRAWN_LINE =
  /^(?:\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d - )? *[\d.]+ ?[A-Za-z]* \/ [\d.]+ ?[A-Za-z]+, (?:-|\d+%), [\d.]+ ?[A-Za-z]+\/s, ETA /;
/** Exit codes of completed runs; 9 is "nothing to do" (`--error-on-no-transfer`). */
const COMPLETED = [0, 9];

/** Reads rclone's JSON log (`--use-json-log`) with its statistics. */
export class RcloneReader implements LineReader {
  readonly #run: RcloneRun;
  #dryRun = false;
  readonly #totals = new Totals();
  /** Files that were not copied; counted at the end, as a later attempt may still copy them. */
  readonly #failed = new Names();
  /** Those of them that may have been there before: rclone does not say. */
  readonly #failedCopies = new Names();
  readonly #replaced: RcloneReplaced;
  readonly #checks = new RcloneChecks();
  #transfers = 0;
  #bytesAll: number | undefined;
  #checkedFirst = false;
  #toldUnsure = false;
  #error: string | undefined;
  #plain: string | undefined;

  constructor(run: RcloneRun) {
    this.#run = run;
    this.#replaced = new RcloneReplaced(run);
    if (run.dryRun) this.#dry();
  }

  line(text: string, from: Output): readonly SourceEvent[] {
    const entry = objectIn(text);
    const message = textOf(entry?.msg);
    if (!entry || message === undefined) return this.#other(text, from);
    if (isObject(entry.stats)) return this.#stats(entry.stats);
    return this.#message(message, entry);
  }

  end(exit: Exit): Verdict {
    const totals = this.#totals;
    const completed = succeeded(exit, COMPLETED);
    totals.inserted += this.#replaced.movedAtEnd;
    const leftOut = this.#run.copies ? this.#failed.count : 0;
    totals.skipped += leftOut;
    totals.meet(FILE, this.#replaced.movedAtEnd + leftOut);
    const untold = this.#untold();
    // A killed rclone has not said which checked files were still to be copied. What has failed in a
    // move was one more check, and a further attempt does not find what the first has moved.
    const unsure = this.#run.moves && this.#error !== undefined;
    if (exit.signal === null && untold.length === 0 && !unsure) {
      this.#keep(this.#checks.keptAtEnd(totals.updated, this.#failedCopies.count));
    }
    if (completed) totals.bytesTotal = this.#bytesAll;
    const events = [...untold, totals.progress()];
    if (completed) return { events };
    return { events, error: failure("rclone", exit, this.#error ?? this.#plain) };
  }

  #dry(): void {
    this.#dryRun = true;
    this.#totals.phase = "dry run";
  }

  #message(message: string, entry: Members): readonly SourceEvent[] {
    const level = entry.level === "notice" ? "warning" : levelCalled(entry.level);
    const object = entityOf(entry);
    if (level === "info" && object !== undefined) {
      if (COPIED.test(message)) return this.#copied(message, object);
      if (MOVED.test(message)) return this.#moved(message, object);
      if (RENAMED.test(message)) return this.#rename(object);
      if (DELETED.test(message)) return this.#replaced.deleted(object) ? this.#gone(object) : [];
      if (SET_ASIDE.test(message)) return this.#gone(object);
      if (TOUCHED.test(message)) return this.#touch(object);
    }
    if (message === CHECKED_FIRST) this.#checkedFirst = true;
    if (message === TRACKING) this.#checks.tracking = true;
    const [, attempt, last] = ATTEMPT_FAILED.exec(message) ?? [];
    if (attempt !== undefined && attempt !== last) this.#again();
    const named = textOf(entry.object);
    const itself = named === "rclone" && object === undefined;
    const said = named === undefined || itself ? message : `${named}: ${message}`;
    if (level === "error") return this.#failure(said, message, object);
    // Other lines about single files would flood the log.
    if (level === "info" && object !== undefined) return logLine("debug", said);
    if (level !== "warning") return logLine(level, said);
    if (DRY.test(message)) this.#dry();
    return this.#notice(said, object, entry.skipped !== undefined);
  }

  /** Another attempt begins: it deals with all files once more. */
  #again(): void {
    this.#checks.again(this.#totals.inserted);
    this.#failed.again();
    this.#failedCopies.again();
  }

  #copied(message: string, object: string): readonly SourceEvent[] {
    if (REPLACED.test(message) || this.#replaced.settle(object)) return this.#update(object);
    const lines = NEW.test(message) && this.#run.looks ? [] : this.#unsure();
    this.#checks.sentNew++;
    return [...lines, ...this.#insert(object)];
  }

  #moved(message: string, object: string): readonly SourceEvent[] {
    const to = MOVED.exec(message)?.[1] ?? object;
    const outcome = this.#replaced.moved(object, to);
    if (outcome === undefined) return logLine("debug", `${object}: ${message}`);
    return outcome === "updated" ? this.#update(to) : this.#insert(to);
  }

  #rename(object: string): readonly SourceEvent[] {
    this.#checks.renamed++;
    return [...this.#gone(object), ...this.#insert(object)];
  }

  #touch(object: string): readonly SourceEvent[] {
    this.#checks.touched++;
    return this.#update(object);
  }

  #insert(object: string): readonly SourceEvent[] {
    this.#totals.inserted++;
    return this.#done(object);
  }

  #update(object: string): readonly SourceEvent[] {
    this.#totals.updated++;
    return this.#done(object);
  }

  #done(object: string): readonly SourceEvent[] {
    this.#failed.delete(object);
    this.#failedCopies.delete(object);
    this.#totals.meet(FILE);
    this.#totals.current = object;
    return [this.#totals.progress()];
  }

  #gone(object: string): readonly SourceEvent[] {
    this.#replaced.settle(object);
    this.#totals.deleted++;
    return [this.#totals.progress()];
  }

  /** Says once that rclone does not tell which of these files are new. */
  #unsure(): readonly SourceEvent[] {
    if (this.#toldUnsure) return [];
    this.#toldUnsure = true;
    const which = this.#run.looks ? "files that a server copies itself" : "files (--no-check-dest)";
    return logLine(
      "info",
      `rclone does not say which of the ${which} are new: all are counted as inserted`,
    );
  }

  #failure(said: string, message: string, object: string | undefined): readonly SourceEvent[] {
    this.#error = words(said);
    if (object !== undefined && !/delet/i.test(message)) this.#failed.add(object);
    if (object !== undefined && message.startsWith("Failed to copy")) {
      this.#failedCopies.add(object);
    }
    return logLine("error", said);
  }

  /** A notice about a file says why it is left out; in a dry run each file has one. */
  #notice(said: string, object: string | undefined, dry: boolean): readonly SourceEvent[] {
    if (dry || object === undefined) return logLine("info", said);
    if (this.#failed.has(object)) return [];
    this.#failed.add(object);
    this.#totals.warnings++;
    return [...logLine("warning", said), this.#totals.progress()];
  }

  #stats(stats: Members): readonly SourceEvent[] {
    const totals = this.#totals;
    this.#checks.read(stats);
    this.#transfers = countOf(stats.transfers) ?? this.#transfers;
    if (!this.#dryRun) {
      totals.bytesDone = Math.max(totals.bytesDone ?? 0, countOf(stats.bytes) ?? 0);
      this.#bytesAll = countOf(stats.totalBytes);
      // Until all is checked the total still grows.
      if (this.#checkedFirst) totals.bytesTotal = this.#bytesAll;
    }
    // Files that wait to be moved by the server are not among the transfers.
    if (!this.#run.moves) this.#keep(this.#checks.keptSoFar(totals.updated));
    const transferring = firstOf(stats.transferring);
    const checking = firstOf(stats.checking);
    const phase = transferring ? "transferring" : checking ? "checking" : undefined;
    if (!this.#dryRun) totals.phase = phase ?? totals.phase;
    const current = isObject(transferring) ? transferring.name : checking;
    totals.current = textOf(current) ?? totals.current;
    return [totals.progress()];
  }

  #keep(kept: number): void {
    const totals = this.#totals;
    const more = kept - totals.kept;
    // Without lines about files nobody knows which were updated. Totals never go back.
    if (more <= 0 || this.#dryRun || this.#run.hidden || !this.#run.copies) return;
    totals.kept = kept;
    totals.meet(FILE, more);
  }

  #untold(): readonly SourceEvent[] {
    const { inserted, updated } = this.#totals;
    const removals = this.#run.hidden ? this.#checks.removals : 0;
    const message = this.#run.logFile
      ? "rclone writes its log into a file (--log-file): what it does is not counted"
      : `rclone has copied ${this.#transfers} files, and moved or deleted ${removals}, and its log level hides which: they are not counted`;
    const done = this.#transfers + removals > 0 && inserted + updated === 0 && !this.#dryRun;
    if (!done && !this.#run.logFile) return [];
    this.#totals.warnings++;
    return logLine("warning", message);
  }

  #other(text: string, from: Output): readonly SourceEvent[] {
    const message = words(text);
    const drawn = from === "stdout" && (BLOCK.test(message) || DRAWN_LINE.test(message));
    if (message === "" || drawn) return [];
    this.#plain = message;
    const level = DATED.test(message) ? "error" : levelOf(message);
    if (level === "error") this.#error = message.replace(DATED, "");
    if (level === "warning") this.#totals.warnings++;
    return logLine(level, message);
  }
}

/** The file that a line is about; undefined when it is about a whole remote, or nothing. */
function entityOf({ object, objectType }: Members): string | undefined {
  const type = textOf(objectType) ?? "";
  // A file may be called like the program itself.
  if (type.endsWith(".Fs") || (object === "rclone" && !type.endsWith(".Object"))) return undefined;
  return textOf(object);
}

function firstOf(list: unknown): unknown {
  return Array.isArray(list) ? list[0] : undefined;
}
