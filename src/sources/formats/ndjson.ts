/** Programs that print the events of docs/workers.md, one JSON object a line. */
import type { SourceEvent, SourceLog } from "../source.ts";
import type { Exit, LineReader, Output, ProgramFormat, Verdict } from "./format.ts";
import {
  endIn,
  type NdjsonEnd,
  NdjsonFault,
  type NdjsonProgress,
  parseNdjson,
} from "./ndjson_event.ts";
import { Talk, THE_PROGRAM } from "./talk.ts";
import { Totals } from "./totals.ts";
import { failure, PROGRAM_FAILED, succeeded } from "./verdict.ts";
import { ENTITY_COUNTS } from "../../sync/progress.ts";
import { words } from "./words.ts";

export const ndjsonFormat: ProgramFormat = {
  name: "ndjson",
  ofProgram: false,
  reads: ["stdout", "stderr"],
  stopSignal: "SIGTERM",
  carriesRecords: false,
  prepare: (command) => ({ command, added: [] }),
  reader: () => new NdjsonReader(),
};

/** The errors where the exit code is 0 but the program's `end` says otherwise. */
const SAYS = {
  failed: { code: PROGRAM_FAILED, message: `${THE_PROGRAM} says that it has failed` },
  cancelled: { code: "program_cancelled", message: `${THE_PROGRAM} says that it was cancelled` },
};

/** Lines that are no events are log lines; the first `end` counts. */
class NdjsonReader implements LineReader {
  readonly #totals = new Totals();
  readonly #talk = new Talk(this.#totals);
  #end: NdjsonEnd | undefined;

  line(text: string, from: Output): readonly SourceEvent[] {
    try {
      const event = from === "stdout" ? parseNdjson(text) : undefined;
      if (!event) return this.#talk.line(text, from);
      if (event.type === "log") return this.#log(event);
      if (this.#end) throw new NdjsonFault(`"end" came before it`);
      if (event.type === "progress") return this.#progress(event);
      this.#end = event;
      return [];
    } catch (cause) {
      if (!(cause instanceof NdjsonFault)) throw cause;
      this.#end ??= endIn(text);
      return this.#talk.warn(`Not counted, ${cause.message}: ${text}`);
    }
  }

  /** The exit counts more than the program's `end`: after "completed" it may still have died. */
  end(exit: Exit): Verdict {
    const { status = "completed", error } = this.#end ?? {};
    if (succeeded(exit) && status === "completed") this.#talk.completed();
    const events = [this.#totals.progress()];
    if (!succeeded(exit)) {
      return { events, error: error ?? failure(THE_PROGRAM, exit, this.#talk.reason) };
    }
    if (status === "completed") return { events };
    return { events, error: error ?? SAYS[status], cancelled: status === "cancelled" };
  }

  #log({ level, message, source, timeMs, fields }: SourceLog): readonly SourceEvent[] {
    const said = words(message);
    this.#talk.hear(level, said, "stdout");
    return [{ type: "log", level, message: said, source, timeMs, fields }];
  }

  #progress(event: NdjsonProgress): readonly SourceEvent[] {
    const totals = this.#totals;
    const next = (name: string, last: number, given: number | undefined): number => {
      if (given === undefined) return last;
      if (!event.delta && given < last) {
        throw new NdjsonFault(`"${name}" went back from ${last} to ${given}`);
      }
      const total = event.delta ? last + given : given;
      if (!Number.isSafeInteger(total)) throw new NdjsonFault(`"${name}" is too large`);
      return total;
    };
    const { counters, encountered } = event;
    const counts = ENTITY_COUNTS.map((name) => next(name, totals[name], counters[name]));
    const met = Object.entries(encountered).map(([type, given]) => {
      const last = totals.met(type);
      return [type, next(`entities_encountered ${type}`, last, given) - last] as const;
    });
    const { warned } = this.#talk;
    const warnings = next("warnings", totals.warnings - warned, counters.warnings) + warned;
    if (counters.bytesDone !== undefined) {
      totals.bytesDone = next("bytes_done", totals.bytesDone ?? 0, counters.bytesDone);
    }
    // From here on nothing is refused: an event counts as a whole or not at all.
    ENTITY_COUNTS.forEach((name, at) => totals[name] = counts[at]);
    for (const [type, more] of met) totals.meet(type, more);
    totals.warnings = warnings;
    totals.total = event.total ?? totals.total;
    totals.bytesTotal = event.bytesTotal ?? totals.bytesTotal;
    const { percent = event.percent } = totals;
    // Where there are totals the percent is computed from them.
    totals.percent = totals.total || totals.bytesTotal || percent === undefined
      ? undefined
      : Math.max(percent, event.percent ?? 0);
    totals.phase = event.phase ?? totals.phase;
    totals.current = event.current ?? totals.current;
    return [totals.progress()];
  }
}
