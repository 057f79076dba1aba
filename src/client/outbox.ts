/** The events of a producer that were not sent yet, within limits. */
import { LOG_LEVELS, type LogLevel } from "../sync/entry.ts";
import { CODE_MAX, MESSAGE_MAX } from "../sync/event_limits.ts";
import type { TerminalStatus } from "../sync/status.ts";
import { clip, clipObject } from "./clip.ts";
import { RunningTotals } from "./running_totals.ts";

/** Limits of waiting log lines, in lines and in bytes; the oldest make room. */
const LINES_MAX = 10_000;
const BYTES_MAX = 4 * 1024 * 1024;
/** Limits of one request, in events and bytes; one event may be larger: the server takes 1 MiB. */
const BATCH_MAX = 500;
const BATCH_BYTES_MAX = 256 * 1024;

/** An event as it is sent (docs/workers.md). */
export interface WireEvent {
  readonly type: "progress" | "log" | "end";
  readonly text: string;
}

/** What goes into one request. */
export interface Batch {
  readonly events: readonly WireEvent[];
  /** Whether nothing comes after it. */
  readonly last: boolean;
}

/** How a job ends. */
export interface End {
  readonly status: TerminalStatus;
  readonly error?: { readonly code: string; readonly message: string };
}

/** Progress is merged into running totals; log lines wait in order; the end is never dropped. */
export class Outbox {
  readonly totals = new RunningTotals();
  readonly #lines: string[] = [];
  #bytes = 0;
  #dropped = 0;
  #end: End | undefined;

  log(line: {
    readonly level: LogLevel;
    readonly message: string;
    readonly timeMs: number;
    readonly fields?: Readonly<Record<string, unknown>>;
  }): void {
    this.#push(JSON.stringify({
      type: "log",
      level: LOG_LEVELS.includes(line.level) ? line.level : "info",
      message: clip(line.message, MESSAGE_MAX),
      time: new Date(line.timeMs).toISOString(),
      fields: line.fields ? clipObject(line.fields) : undefined,
    }));
  }

  end({ status, error }: End): void {
    this.#end ??= {
      status,
      error: error && {
        code: clip(error.code ?? "", CODE_MAX) || "worker_failed",
        message: clip(error.message, MESSAGE_MAX),
      },
    };
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  get empty(): boolean {
    return !this.totals.changed && this.#lines.length === 0 && this.#end === undefined;
  }

  get hasLines(): boolean {
    return this.#lines.length > 0;
  }

  /** Takes the events of the next request. @param ends whether this producer ends the job */
  take(ends: boolean): Batch {
    const events: WireEvent[] = [];
    let bytes = 0;
    const add = (type: WireEvent["type"], text: string): boolean => {
      bytes += bytesOf(text);
      const full = bytes > BATCH_BYTES_MAX || events.length >= BATCH_MAX;
      if (full && events.length > 0) return false;
      events.push({ type, text });
      return true;
    };
    if (this.totals.changed) add("progress", this.totals.take());
    if (this.#dropped > 0 && add("log", droppedText(this.#dropped))) this.#dropped = 0;
    let lines = 0;
    while (lines < this.#lines.length && add("log", this.#lines[lines])) lines++;
    for (const line of this.#lines.splice(0, lines)) this.#bytes -= bytesOf(line);
    const last = this.#end !== undefined && this.#lines.length === 0;
    const end = JSON.stringify({ type: "end", ...this.#end });
    return { events, last: last && (!ends || add("end", end)) };
  }

  #push(text: string): void {
    this.#lines.push(text);
    this.#bytes += bytesOf(text);
    let over = 0;
    while (this.#lines.length - over > LINES_MAX || this.#bytes > BYTES_MAX) {
      this.#bytes -= bytesOf(this.#lines[over++]);
    }
    if (over > 0) this.#dropped += this.#lines.splice(0, over).length;
  }
}

function droppedText(dropped: number): string {
  const lines = dropped === 1 ? "1 line" : `${dropped} lines`;
  const message = `${lines} left out: the server could not be told of them in time`;
  return JSON.stringify({ type: "log", level: "warning", source: "synctail", message });
}

function bytesOf(text: string): number {
  return Buffer.byteLength(text);
}
