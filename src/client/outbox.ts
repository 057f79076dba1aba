/** What a producer has to tell and has not told yet, within limits. */
import type { LogLevel } from "../sync/entry.ts";
import { MESSAGE_MAX, WORDS_MAX } from "../sync/event_limits.ts";
import type { EntityCount } from "../sync/progress.ts";
import type { TerminalStatus } from "../sync/status.ts";

/** Lines that wait at most, and their characters; the oldest make room. */
const LINES_MAX = 10_000;
const CHARS_MAX = 4 * 1024 * 1024;
/** Lines and characters of one request. */
const BATCH_LINES_MAX = 500;
const BATCH_CHARS_MAX = 256 * 1024;

/** Running totals; what is left out stays. */
export type Totals = {
  readonly [Name in EntityCount | "bytes_done" | "warnings" | "total" | "bytes_total"]?: number;
};

/** An event on the wire (docs/workers.md). */
export type WireEvent = Readonly<Record<string, unknown>> & { readonly type: string };

/** How a job ends. */
export interface End {
  readonly status: TerminalStatus;
  readonly error?: { readonly code: string; readonly message: string };
}

/** Progress is merged to the totals of now; log lines wait in order; the end is never dropped. */
export class Outbox {
  #totals: Record<string, number> = {};
  readonly #encountered = new Map<string, number>();
  #words: Record<string, string> = {};
  #changed = false;
  readonly #lines: string[] = [];
  #chars = 0;
  #dropped = 0;
  #end: End | undefined;

  count(counter: EntityCount | "bytes_done" | "warnings", n: number, type?: string): void {
    if (!Number.isSafeInteger(n) || n <= 0) return; // telling a count never breaks a sync
    this.#totals[counter] = (this.#totals[counter] ?? 0) + n;
    if (type !== undefined) this.#encountered.set(type, (this.#encountered.get(type) ?? 0) + n);
    this.#changed = true;
  }

  /** Totals below what was told before are left out: the server takes none that go back. */
  total(totals: Totals): void {
    for (const [name, value] of Object.entries(totals)) {
      const counts = name !== "total" && name !== "bytes_total";
      if (!Number.isSafeInteger(value) || value < (counts ? this.#totals[name] ?? 0 : 0)) continue;
      this.#totals[name] = value;
      this.#changed = true;
    }
  }

  word(name: "phase" | "current", text: string): void {
    this.#words[name] = text.slice(0, WORDS_MAX);
    this.#changed = true;
  }

  log(line: {
    readonly level: LogLevel;
    readonly message: string;
    readonly timeMs: number;
    readonly fields?: Readonly<Record<string, unknown>>;
  }): void {
    const event = {
      type: "log",
      level: line.level,
      message: line.message.slice(0, MESSAGE_MAX),
      time: new Date(line.timeMs).toISOString(),
    };
    this.#push(textOf({ ...event, fields: line.fields }) ?? JSON.stringify(event));
  }

  end(end: End): void {
    this.#end ??= end;
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  get empty(): boolean {
    return !this.#changed && this.#lines.length === 0 && this.#end === undefined;
  }

  get hasLines(): boolean {
    return this.#lines.length > 0;
  }

  /**
   * The body of the next request, and whether it is the last; undefined when there is nothing.
   *
   * @param ends whether the end is this producer's to tell
   */
  take(ends: boolean): { readonly body: string; readonly last: boolean } | undefined {
    if (this.empty) return undefined;
    const events: string[] = [];
    if (this.#changed) {
      const encountered = this.#encountered.size > 0
        ? { entities_encountered: Object.fromEntries(this.#encountered) }
        : {};
      events.push(JSON.stringify({
        type: "progress",
        ...this.#totals,
        ...encountered,
        ...this.#words,
      }));
      this.#changed = false;
    }
    this.#tellDropped();
    let chars = 0;
    let lines = 0;
    while (lines < this.#lines.length && lines < BATCH_LINES_MAX && chars < BATCH_CHARS_MAX) {
      chars += this.#lines[lines].length;
      events.push(this.#lines[lines++]);
    }
    this.#chars -= chars;
    this.#lines.splice(0, lines);
    const last = this.#end !== undefined && this.#lines.length === 0;
    if (last && ends) events.push(JSON.stringify({ type: "end", ...this.#end }));
    return { body: `[${events.join(",")}]`, last };
  }

  #push(text: string): void {
    this.#lines.push(text);
    this.#chars += text.length;
    let over = 0;
    while (this.#lines.length - over > LINES_MAX || this.#chars > CHARS_MAX) {
      this.#chars -= this.#lines[over++].length;
    }
    if (over > 0) this.#dropped += this.#lines.splice(0, over).length;
  }

  #tellDropped(): void {
    if (this.#dropped === 0) return;
    const lines = this.#dropped === 1 ? "1 line" : `${this.#dropped} lines`;
    const message = `${lines} left out: the server could not be told of them in time`;
    this.#dropped = 0;
    const text = JSON.stringify({ type: "log", level: "warning", source: "synctail", message });
    this.#lines.unshift(text);
    this.#chars += text.length;
  }
}

/** Undefined for what has no JSON: a circle, a bigint. */
function textOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
