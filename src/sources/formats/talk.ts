/** What a program says beside its messages: log lines, warnings, and why it failed. */
import type { LogLevel } from "../../sync/entry.ts";
import type { SourceEvent } from "../source.ts";
import type { Output } from "./format.ts";
import type { Totals } from "./totals.ts";
import { levelOf, logLine, words } from "./words.ts";

/** The program as people call it where nothing is known but its lines. */
export const THE_PROGRAM = "The program";

/** What nobody caught, as Python, Node and Java name it amidst or behind its trace. */
const EXCEPTION = /^[\w.$]*(?:Error|Exception)(?:: |$)/;

/** Remembers of what is said what may be the reason of a failure. */
export class Talk {
  readonly #totals: Totals;
  #warned = 0;
  #error: string | undefined;
  #stderr: string | undefined;
  #any: string | undefined;

  constructor(totals: Totals) {
    this.#totals = totals;
  }

  /** How many warnings there have been among what was said. */
  get warned(): number {
    return this.#warned;
  }

  /** The last line that calls itself an error or names an exception, else the last on stderr, else the last one. */
  get reason(): string | undefined {
    return this.#error ?? this.#stderr ?? this.#any;
  }

  /** A line as it came, with the level that it names. */
  line(text: string, from: Output): readonly SourceEvent[] {
    const message = words(text);
    return this.say(levelOf(message), message, from);
  }

  say(level: LogLevel, text: string, from: Output): readonly SourceEvent[] {
    const message = words(text);
    if (message === "") return [];
    this.hear(level, message, from);
    return level === "warning" ? this.warn(message) : logLine(level, message);
  }

  /** Remembers a line that is told elsewhere. */
  hear(level: LogLevel, message: string, from: Output): void {
    this.#any = message;
    const thrown = from === "stderr" && EXCEPTION.test(message);
    if (level === "error" || thrown) this.#error = message;
    if (from === "stderr") this.#stderr = message;
  }

  /** A warning of ours or of the program; it is counted. */
  warn(message: string): readonly SourceEvent[] {
    this.#warned++;
    this.#totals.warnings++;
    return [...logLine("warning", message), this.#totals.progress()];
  }
}
