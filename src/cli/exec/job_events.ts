/** Makes the events that a program's format gives into events for the server, within its limits. */
import { clipMember, clipObject } from "../../client/clip.ts";
import type { SourceLog, SourceProgress } from "../../sources/source.ts";
import { cut } from "../../sync/cut.ts";
import type { JobError } from "../../sync/entry.ts";
import {
  CODE_MAX,
  MESSAGE_MAX,
  SOURCE_MAX,
  TYPE_MAX,
  TYPES_MAX,
  WORDS_MAX,
} from "../../sync/event_limits.ts";
import { lineTime } from "../../sync/log_text.ts";
import type { TerminalStatus } from "../../sync/status.ts";
import { ENTITY_COUNTS } from "../../sync/progress.ts";

/** Makes the JSON of events. Remembers totals, so that none goes back. */
export class JobEvents {
  readonly #last = new Map<string, number>();

  progress(event: SourceProgress): string {
    const counts = ENTITY_COUNTS.map((name) => {
      return [`entities_${name}`, this.#total(name, event[name])];
    });
    const encountered = Object.entries(event.encountered).slice(0, TYPES_MAX)
      .filter(([type]) => type !== "" && type.length <= TYPE_MAX)
      .map(([type, count]) => [
        clipMember(type, TYPE_MAX),
        this.#total(`encountered ${type}`, count),
      ]);
    return JSON.stringify({
      type: "progress",
      ...Object.fromEntries(counts),
      entities_encountered: encountered.length > 0 ? Object.fromEntries(encountered) : undefined,
      bytes_done: this.#total("bytes", event.bytesDone),
      warnings: this.#total("warnings", event.warnings),
      total: whole(event.total),
      bytes_total: whole(event.bytesTotal),
      percent: percentOf(event.percent),
      phase: event.phase && cut(event.phase, WORDS_MAX),
      current: event.current && cut(event.current, WORDS_MAX),
    });
  }

  /** @param nowMs when the line came; counts unless the line gives a time */
  log({ level, message, source, timeMs, fields }: SourceLog, nowMs: number): string {
    return JSON.stringify({
      type: "log",
      level,
      message: cut(message, MESSAGE_MAX),
      source: source && cut(source, SOURCE_MAX),
      time: lineTime(timeMs, nowMs),
      fields: fields && clipObject(fields),
    });
  }

  end(status: TerminalStatus, error?: JobError): string {
    if (status === "completed" || !error) return JSON.stringify({ type: "end", status });
    const code = cut(error.code, CODE_MAX) || "program_failed";
    return JSON.stringify({
      type: "end",
      status,
      error: { code, message: cut(error.message, MESSAGE_MAX) },
    });
  }

  #total(name: string, value: number | undefined): number | undefined {
    if (whole(value) === undefined) return undefined;
    const total = Math.max(this.#last.get(name) ?? 0, value ?? 0);
    this.#last.set(name, total);
    return total;
  }
}

function percentOf(value: number | undefined): number | undefined {
  return value !== undefined && value >= 0 && value <= 100 ? value : undefined;
}

function whole(value: number | undefined): number | undefined {
  return value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
