/** What a program says beside its messages: log lines, warnings, and why it failed. */
import type { LogLevel } from "../../sync/entry.ts";
import type { SourceEvent } from "../source.ts";
import type { Output } from "./format.ts";
import type { Totals } from "./totals.ts";
import { levelOf, logLine, words } from "./words.ts";

/** The program as people call it where nothing is known but its lines. */
export const THE_PROGRAM = "The program";

/** The line that names an uncaught exception in a trace of Python, Node or Java. */
const EXCEPTION =
  /^\s*(?:Exception in thread ".*" |Caused by: )?[\w.$]*(?:Error|Exception)(?: \[\w+\])?(?:: |$)/;
/** Python's trace; its exception, whatever it is called, is the next line that is not indented. */
const PYTHON_TRACE = "Traceback (most recent call last):";
/** Lines that tell nothing of why: places of a trace, marks, Node's version. */
const IDLE = /^(?:[^\p{L}\p{N}]*|\s+(?:at|from) .*|Node\.js v[\d.]+|tar: Removing leading .*)$/u;
/** A bare number, and last words of tar, make, xargs, rdiff-backup and aria2: that, and not why. */
const LAST_WORDS =
  /^(?:-?[\d.]+%?|tar: (?:Exiting with failure status due to previous errors|Error is not recoverable: exiting now)|make(?:\[\d+\])?: (?:\*\*\* (?:\[.*|Waiting for unfinished jobs\.*)|Leaving directory .*)|xargs: .* exited with status 255; aborting|ERROR: Action \w+ failed on step \w+|\(ERR\):error occurred\.)$/;

/** Turns lines into log lines, and remembers the one that may be the reason of a failure. */
export class Talk {
  readonly #totals: Totals;
  #warned = 0;
  #erred = 0;
  #error: string | undefined;
  #stderr: string | undefined;
  #lastWords: string | undefined;
  #any: string | undefined;
  #inTrace = false;

  constructor(totals: Totals) {
    this.#totals = totals;
  }

  /** How many of the lines were warnings. */
  get warned(): number {
    return this.#warned;
  }

  /** The last line that is an error or an exception, else the last on stderr, else the last. */
  get reason(): string | undefined {
    return this.#error ?? this.#stderr ?? this.#lastWords ?? this.#any;
  }

  /** Takes a line as it came, with the level that it names. */
  line(text: string, from: Output): readonly SourceEvent[] {
    const message = words(text);
    return this.say(levelOf(message), message, from);
  }

  say(level: LogLevel, text: string, from: Output): readonly SourceEvent[] {
    const message = words(text);
    if (message === "") return [];
    this.hear(level, message, from);
    if (level === "error") this.#erred++;
    return level === "warning" ? this.warn(message) : logLine(level, message);
  }

  /** Remembers a line that its caller puts into the job's log. */
  hear(level: LogLevel, message: string, from: Output): void {
    if (IDLE.test(message)) return;
    const said = message.trimStart();
    if (LAST_WORDS.test(said)) {
      if (from === "stderr") this.#lastWords = said;
      else this.#any ??= said;
      return;
    }
    this.#any = said;
    const thrown = from === "stderr" && this.#thrown(message);
    if (level === "error" || thrown) this.#error = said;
    if (from === "stderr") this.#stderr = said;
  }

  #thrown(message: string): boolean {
    const ends = this.#inTrace && !message.startsWith(" ");
    this.#inTrace = message === PYTHON_TRACE || (this.#inTrace && !ends);
    return ends || EXCEPTION.test(message);
  }

  /**
   * Counts its error lines among the warnings of a run that completed: psql and many a script go on
   * after an error and end with 0.
   */
  completed(): void {
    this.#totals.warnings += this.#erred;
  }

  /** Counts and tells a warning, of the program or of the reader. */
  warn(message: string): readonly SourceEvent[] {
    this.#warned++;
    this.#totals.warnings++;
    return [...logLine("warning", message), this.#totals.progress()];
  }
}
