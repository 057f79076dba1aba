/** What Airbyte's messages mean. */
import type { RecordSession } from "../../destinations/record_destination.ts";
import type { SourceEvent } from "../source.ts";
import type { Exit, LineReader, Output, Verdict } from "./format.ts";
import { countOf, isObject, type Members, recordIn, textOf } from "./json.ts";
import { isBrokenRecord, type KeyPath, RecordCounts } from "./record_counts.ts";
import { Talk, THE_PROGRAM } from "./talk.ts";
import { failure, PROGRAM_FAILED, succeeded } from "./verdict.ts";
import { levelCalled, logLine, words } from "./words.ts";

/** A source that reads a database's log marks a deleted row with the time of its end. */
const DELETED_AT = "_ab_cdc_deleted_at";

/** Reads RECORD, LOG, TRACE and STATE messages. */
export class AirbyteReader implements LineReader {
  readonly #counts: RecordCounts;
  readonly #talk: Talk;
  /** The last error trace: it fails the run, whatever the exit code is. */
  #error: string | undefined;

  constructor(records: RecordSession | undefined, catalog: Members | undefined) {
    this.#counts = new RecordCounts(records);
    this.#talk = new Talk(this.#counts.totals);
    if (catalog) this.#learnKeys(catalog);
  }

  line(text: string, from: Output): readonly SourceEvent[] {
    const message = from === "stdout" ? recordIn(text) : undefined;
    if (!message && from === "stdout" && isBrokenRecord(text)) return this.#odd(text);
    if (typeof message?.type !== "string") return this.#talk.line(text, from);
    switch (message.type) {
      case "RECORD":
        return this.#record(message.record) ?? this.#odd(text);
      case "LOG":
        return this.#log(message.log) ?? this.#odd(text);
      case "TRACE":
        return this.#trace(message.trace) ?? this.#odd(text);
      case "CATALOG":
        if (isObject(message.catalog)) this.#learnKeys(message.catalog);
        return [];
      case "CONNECTION_STATUS":
        return this.#connection(message.connectionStatus);
      case "STATE":
        return [this.#counts.totals.progress()];
      // The message holds the whole configuration, with its secrets.
      case "CONTROL":
        return logLine("debug", "The connector's configuration was updated; it is not kept here");
      default:
        // Its content may be secret.
        return logLine("debug", `A message of type ${message.type} was not read`);
    }
  }

  end(exit: Exit): Verdict {
    if (succeeded(exit) && this.#error === undefined) this.#talk.completed();
    const events = [this.#counts.totals.progress()];
    if (!succeeded(exit)) {
      return { events, error: failure(THE_PROGRAM, exit, this.#error ?? this.#talk.reason) };
    }
    if (this.#error === undefined) return { events };
    const message = `${THE_PROGRAM} ended with exit code 0, but told of an error: ${this.#error}`;
    return { events, error: { code: PROGRAM_FAILED, message } };
  }

  #learnKeys(catalog: Members): void {
    if (!Array.isArray(catalog.streams)) return;
    for (const entry of catalog.streams) {
      // In a configured catalog the stream lies one level down, beside the chosen key.
      const stream = isObject(entry) && isObject(entry.stream) ? entry.stream : entry;
      if (!isObject(entry) || !isObject(stream)) continue;
      const name = streamName(stream.name, stream.namespace);
      const chosen = pathsOf(entry.primary_key);
      const paths = chosen.length > 0 ? chosen : pathsOf(stream.source_defined_primary_key);
      if (name !== undefined) this.#counts.setKey(name, paths);
    }
  }

  #record(record: unknown): readonly SourceEvent[] | undefined {
    if (!isObject(record) || !isObject(record.data)) return undefined;
    const stream = streamName(record.stream, record.namespace);
    if (stream === undefined) return undefined;
    const deletedAt = record.data[DELETED_AT];
    const deleted = deletedAt !== undefined && deletedAt !== null;
    return this.#counts.record(stream, record.data, deleted);
  }

  #log(log: unknown): readonly SourceEvent[] | undefined {
    if (!isObject(log)) return undefined;
    const message = textOf(log.message);
    if (message === undefined) return undefined;
    return this.#talk.say(levelCalled(log.level), message, "stdout");
  }

  #trace(trace: unknown): readonly SourceEvent[] | undefined {
    if (!isObject(trace)) return undefined;
    const { type, error, estimate, stream_status: status } = trace;
    if (type === "ERROR" && isObject(error)) {
      const said = textOf(error.message) ?? textOf(error.internal_message);
      this.#error = words(said ?? "an error without words");
      return logLine("error", this.#error);
    }
    if (type === "STREAM_STATUS" && isObject(status)) return this.#status(status);
    if (type === "ESTIMATE" && isObject(estimate)) {
      // A guess is no total.
      const rows = countOf(estimate.row_estimate) ?? "?";
      return logLine("debug", `${textOf(estimate.name) ?? "all"}: about ${rows} records`);
    }
    return type === "ANALYTICS" ? [] : undefined;
  }

  #status({ status, stream_descriptor: stream }: Members): readonly SourceEvent[] {
    const name = (isObject(stream) && streamName(stream.name, stream.namespace)) || "a stream";
    if (status === "INCOMPLETE") return this.#talk.warn(`${name} is incomplete`);
    if (status === "STARTED") {
      this.#counts.totals.phase = name;
      return [this.#counts.totals.progress()];
    }
    return logLine("debug", `${name}: ${(textOf(status) ?? "no status").toLowerCase()}`);
  }

  #connection(status: unknown): readonly SourceEvent[] {
    if (!isObject(status) || status.status !== "FAILED") return [];
    this.#error = words(textOf(status.message) ?? "the connection failed");
    return logLine("error", this.#error);
  }

  #odd(text: string): readonly SourceEvent[] {
    return this.#talk.warn(`Not counted: ${text}`);
  }
}

function streamName(name: unknown, namespace: unknown): string | undefined {
  const own = textOf(name);
  const space = textOf(namespace);
  return own !== undefined && space !== undefined ? `${space}.${own}` : own;
}

function pathsOf(key: unknown): readonly KeyPath[] {
  if (!Array.isArray(key)) return [];
  return key.filter((path): path is string[] =>
    Array.isArray(path) && path.every((name) => typeof name === "string")
  );
}
