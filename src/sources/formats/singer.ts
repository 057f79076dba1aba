/**
 * Singer taps: SCHEMA, RECORD and STATE on stdout, log lines on stderr.
 *
 * @see https://hub.meltano.com/singer/spec
 */
import type { SourceEvent } from "../source.ts";
import type { Exit, LineReader, Output, ProgramFormat, ReaderOptions, Verdict } from "./format.ts";
import { isObject, type Members, recordIn, textOf } from "./json.ts";
import { isBrokenRecord, RecordCounts } from "./record_counts.ts";
import { Names } from "./names.ts";
import { Talk, THE_PROGRAM } from "./talk.ts";
import { failure, succeeded } from "./verdict.ts";
import { logLine } from "./words.ts";

export const singerFormat: ProgramFormat = {
  name: "singer",
  ofProgram: false,
  reads: ["stdout", "stderr"],
  stopSignal: "SIGTERM",
  carriesRecords: true,
  prepare: (command) => ({ command, added: [] }),
  reader: (options) => new SingerReader(options),
};

/** A tap that reads a database's log marks a deleted row with the time of its end. */
const DELETED_AT = "_sdc_deleted_at";
/** Lines of counters that Singer's library prints. */
const METRIC = /\bMETRIC: /;

class SingerReader implements LineReader {
  readonly #counts: RecordCounts;
  readonly #talk: Talk;
  #toldVersion = false;
  /** Streams for which the log says already that their files are not read. */
  readonly #batches = new Names();

  constructor({ records }: ReaderOptions) {
    this.#counts = new RecordCounts(records);
    this.#talk = new Talk(this.#counts.totals);
  }

  line(text: string, from: Output): readonly SourceEvent[] {
    const message = from === "stdout" ? recordIn(text) : undefined;
    const type = textOf(message?.type)?.toUpperCase();
    if (!message && from === "stdout" && isBrokenRecord(text)) return this.#odd(text);
    if (!message || type === undefined) return this.#plain(text, from);
    const stream = textOf(message.stream);
    switch (type) {
      case "RECORD":
        if (stream === undefined || !isObject(message.record)) return this.#odd(text);
        return this.#counts.record(stream, message.record, deletedAt(message.record));
      case "SCHEMA":
        if (stream === undefined) return this.#odd(text);
        this.#counts.setKey(stream, keyOf(message));
        return [];
      case "STATE":
        return [this.#counts.totals.progress()];
      case "ACTIVATE_VERSION":
        return this.#version(stream ?? "");
      case "BATCH":
        return this.#batch(stream ?? "");
      default:
        return logLine("debug", text);
    }
  }

  end(exit: Exit): Verdict {
    const error = succeeded(exit) ? undefined : failure(THE_PROGRAM, exit, this.#talk.reason);
    if (!error) this.#talk.completed();
    return { events: [this.#counts.totals.progress()], error };
  }

  /** Says once that nothing is deleted: the destination does not know which records are older. */
  #version(stream: string): readonly SourceEvent[] {
    if (this.#toldVersion) return [];
    this.#toldVersion = true;
    return logLine(
      "info",
      `${stream}: ACTIVATE_VERSION deletes nothing here; records that are gone from the source stay`,
    );
  }

  #batch(stream: string): readonly SourceEvent[] {
    if (!this.#batches.add(stream)) return [];
    return this.#talk.warn(`${stream}: BATCH names files of records, which are not read`);
  }

  #odd(text: string): readonly SourceEvent[] {
    return this.#talk.warn(`Not counted: ${text}`);
  }

  #plain(text: string, from: Output): readonly SourceEvent[] {
    return METRIC.test(text) ? logLine("debug", text) : this.#talk.line(text, from);
  }
}

function keyOf({ key_properties: names }: Members): readonly string[][] {
  return Array.isArray(names)
    ? names.filter((name) => typeof name === "string").map((n) => [n])
    : [];
}

function deletedAt(record: Members): boolean {
  return record[DELETED_AT] !== undefined && record[DELETED_AT] !== null;
}
