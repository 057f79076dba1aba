/** Any program: each line is a log line, and a pattern may find how far it has come. */
import type { SourceEvent } from "../source.ts";
import type { Exit, LineReader, Output, ProgramFormat, Verdict } from "./format.ts";
import { Talk, THE_PROGRAM } from "./talk.ts";
import { Totals } from "./totals.ts";
import { failure, succeeded } from "./verdict.ts";
import { levelOf, logLine, words } from "./words.ts";

/** The pattern searches only this many characters of a line. */
const SEARCHED_MAX = 4_096;

/**
 * @param percent finds a percent (one group), or what is done and how much there is (two groups);
 *   a line that matches is progress, and a log line of level `debug`
 */
export function linesFormat(percent?: RegExp): ProgramFormat {
  return {
    name: "lines",
    ofProgram: false,
    reads: ["stdout", "stderr"],
    stopSignal: "SIGTERM",
    carriesRecords: false,
    prepare: (command) => ({ command, added: [] }),
    reader: () => new LinesReader(percent),
  };
}

class LinesReader implements LineReader {
  readonly #percent: RegExp | undefined;
  readonly #totals = new Totals();
  readonly #talk = new Talk(this.#totals);

  constructor(percent: RegExp | undefined) {
    // A sticky or global pattern would remember where the last line ended.
    this.#percent = percent && new RegExp(percent.source, percent.flags.replace(/[gy]/g, ""));
  }

  line(text: string, from: Output, bar = false): readonly SourceEvent[] {
    const message = words(text);
    if (message === "") return [];
    const totals = this.#totals;
    // What follows a progress bar takes its place: it may stand still from then on.
    const current = bar || totals.current !== undefined;
    if (current) totals.current = message;
    const percent = this.#percentIn(message);
    if (percent !== undefined) totals.percent = Math.max(totals.percent ?? 0, percent);
    else if (!bar || levelOf(message) !== "info") {
      const said = this.#talk.line(message, from);
      return current ? [...said, totals.progress()] : said;
    }
    return [...logLine("debug", message), totals.progress()];
  }

  end(exit: Exit): Verdict {
    const error = succeeded(exit) ? undefined : failure(THE_PROGRAM, exit, this.#talk.reason);
    if (!error) this.#talk.completed();
    return { events: [this.#totals.progress()], error };
  }

  #percentIn(message: string): number | undefined {
    const groups = this.#percent?.exec(message.slice(0, SEARCHED_MAX))?.slice(1).map(Number);
    if (!groups || groups.length === 0) return undefined;
    const [done, all] = groups;
    const percent = groups.length === 1 ? done : (done / all) * 100;
    return percent >= 0 && percent <= 100 ? percent : undefined;
  }
}
