/** A viewer that comes back until it is told that nothing more will come, and believes nothing. */
import assert from "node:assert/strict";
import { logWords } from "../../src/sync/log_text.ts";
import { type Entry, levelAtLeast, type LogLevel } from "../../src/sync/entry.ts";
import { rawStream } from "./raw_stream.ts";
import { SseParser } from "./sse_parser.ts";

/** A frame of the log as it came. */
export interface Held {
  readonly seq: number;
  // deno-lint-ignore no-explicit-any -- tests look into frames freely
  readonly data: any;
}

/** What came without a gap. */
export interface Stretch {
  readonly epoch: string | undefined;
  /** Whether it began with the totals of then instead of behind a cursor. */
  readonly snapshot: boolean;
  /** The position that it goes on from. */
  readonly after: number;
  readonly held: Held[];
}

export interface ViewerOptions {
  /** Of the job's stream, without a query. */
  readonly url: string;
  readonly key: string;
  /** Log lines of at least this level are asked for. */
  readonly logs?: LogLevel;
  /** Where it starts: `0` for the beginning, or with the totals of now. */
  readonly cursor?: string;
  /** Whether the server may tell a gap. */
  readonly mayGap?: boolean;
  /**
   * How long it waits before it comes back, in milliseconds; as soon as it can when left out. Who
   * is sent away waits as long as it was told to instead.
   */
  readonly pauseMs?: number;
  /** Whether it is one of so many that fetch would not open them all. */
  readonly bareSocket?: boolean;
}

/** Being asked to come back. Milliseconds, by the clock that only goes forward. */
export interface SentAway {
  readonly atMs: number;
  readonly retryMs: number;
}

const TERMINAL = ["completed", "failed", "cancelled"];

/**
 * Checks while it reads: `connected` comes first and says how it goes on, ids only go up, totals
 * never go back, nothing follows the end. `assertHolds` checks what it has against the log.
 */
export class ViewerModel {
  readonly stretches: Stretch[] = [];
  readonly gaps: { readonly requested: string; readonly first: string | null }[] = [];
  readonly sentAway: SentAway[] = [];
  /** When each connection said that it was one, by the same clock. */
  readonly connectedAtMs: number[] = [];
  connections = 0;
  /** Answered 204, or the job is no more. */
  over = false;
  readonly #options: ViewerOptions;
  #cursor: string | undefined;
  #ended = false;
  #fault: { readonly cause: unknown } | undefined;

  constructor(options: ViewerOptions) {
    this.#options = options;
    this.#cursor = options.cursor;
  }

  /** The id that it would come back with. */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  /** Comes back until a 204, or until the signal. @throws what it finds to be wrong */
  async watch(signal: AbortSignal): Promise<void> {
    const { pauseMs = 0 } = this.#options;
    while (!this.over && !signal.aborted) {
      const asked = this.sentAway.length;
      await this.#connect(signal);
      if (this.#fault) throw this.#fault.cause;
      const waitMs = this.sentAway[asked]?.retryMs ?? pauseMs;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  /**
   * Holds what it has against the whole log of the job.
   *
   * @param exact also superseded progress must be there, each entry once
   */
  assertHolds(entries: readonly Entry[], exact: boolean): void {
    const { logs } = this.#options;
    for (const [place, { snapshot, after, held }] of this.stretches.entries()) {
      const last = place === this.stretches.length - 1 ? Infinity : held.at(-1)?.seq ?? 0;
      const bySeq = new Map(held.map((frame) => [frame.seq, frame.data]));
      const lastProgress = held.findLast(({ data }) => data.type === "progress")?.seq ?? 0;
      for (const entry of entries) {
        const { seq } = entry;
        if (seq <= after || seq > last || (snapshot && seq <= held[0].seq)) continue;
        const frame = bySeq.get(seq);
        if (entry.kind === "log") {
          const asked = logs !== undefined && levelAtLeast(entry.level, logs);
          assert.equal(
            frame?.message,
            asked ? logWords(entry).message : undefined,
            `log line ${seq}`,
          );
        } else if (frame) {
          assert.equal(frame.inserted, entry.progress.inserted, `progress ${seq}`);
          assert.equal(frame.status, entry.status, `status ${seq}`);
        } else {
          const superseded = !exact && !entry.changesStatus && seq < lastProgress;
          assert.ok(superseded, `entry ${seq} is missing of ${entries.length}`);
        }
      }
    }
    assert.ok(this.stretches.length > 0, "it has seen nothing");
  }

  async #connect(signal: AbortSignal): Promise<void> {
    const { url, key, logs } = this.#options;
    const query = logs === undefined ? "" : `?logs=${logs}`;
    const headers = {
      Authorization: `Bearer ${key}`,
      ...(this.#cursor !== undefined && { "Last-Event-ID": this.#cursor }),
    };
    this.connections++;
    const parser = new SseParser();
    let first = true;
    try {
      const answer = this.#options.bareSocket
        ? await rawStream(url + query, headers, signal)
        : await fetch(url + query, { headers, signal });
      if (answer.status === 204) return this.#checked(() => this.#over());
      this.#checked(() => assert.equal(answer.status, 200));
      for await (const chunk of answer.body ?? []) {
        this.#checked(() => {
          parser.retryMs = undefined;
          let last: string | undefined;
          for (const { data, lastEventId, type } of parser.push(chunk)) {
            assert.equal(type, "message");
            const frame = JSON.parse(data);
            this.#take(frame, lastEventId, first);
            first = false;
            last = frame.type;
          }
          const { retryMs } = parser;
          if (last !== "heartbeat" || retryMs === undefined) return;
          this.sentAway.push({ atMs: performance.now(), retryMs });
        });
        if (this.#fault) return;
      }
    } catch (cut) {
      // The connection was broken off, before its headers or behind them: it comes back.
      if (this.#fault) throw cut;
    }
  }

  /** What it finds to be wrong is kept apart from connections that break. */
  #checked(check: () => void): void {
    try {
      check();
    } catch (cause) {
      this.#fault ??= { cause };
    }
  }

  #over(): void {
    assert.ok(this.#ended, "204 before the end was seen");
    this.over = true;
  }

  // deno-lint-ignore no-explicit-any -- frames as they come
  #take(data: any, id: string, first: boolean): void {
    if (first) {
      // Sent away at once: a heartbeat with a retry, and no connection worth the name.
      if (data.type !== "heartbeat") this.#connected(data);
      return;
    }
    assert.notEqual(data.type, "connected", "it comes once a connection");
    if (data.type === "error" && data.code === "job_deleted") this.over = true;
    if (data.type === "heartbeat" || data.type === "error") return;
    const [, epoch, text] = /^(\w+)-(\d+)$/.exec(id) ?? [];
    const seq = Number(text);
    assert.equal(seq, data.seq, "the id is of this frame");
    this.#cursor = id;
    const stretch = this.#stretch(epoch);
    const before = stretch.held.at(-1);
    assert.ok(seq > (before?.seq ?? stretch.after), `${seq} came after ${before?.seq}`);
    assert.ok(!this.#ended, `${seq} came after the end`);
    if (data.type === "progress") {
      const earlier = stretch.held.findLast((frame) => frame.data.type === "progress")?.data;
      for (const name of ["inserted", "updated", "deleted", "kept", "skipped", "percent"]) {
        assert.ok(!(earlier?.[name] > data[name]), `${name} went back at ${seq}`);
      }
      this.#ended = TERMINAL.includes(data.status);
    }
    stretch.held.push({ seq, data });
  }

  /** The present one, of that epoch. */
  #stretch(epoch: string): Stretch {
    const present = this.stretches[this.stretches.length - 1];
    if (present.epoch === undefined) {
      const named = { ...present, epoch };
      this.stretches[this.stretches.length - 1] = named;
      return named;
    }
    assert.equal(epoch, present.epoch, "another log without a gap");
    return present;
  }

  // deno-lint-ignore no-explicit-any -- frames as they come
  #connected(data: any): void {
    assert.equal(data.type, "connected");
    this.connectedAtMs.push(performance.now());
    const begin = (snapshot: boolean) => {
      if (this.stretches.at(-1)?.held.length === 0) this.stretches.pop(); // only its greeting came
      const after = snapshot ? 0 : Number(this.#cursor?.split("-").at(-1) ?? 0);
      this.stretches.push({ epoch: undefined, snapshot, after, held: [] });
    };
    switch (data.resume) {
      case "start":
      case "snapshot":
        assert.equal(this.#cursor, undefined, "it had a cursor");
        begin(data.resume === "snapshot");
        return;
      case "resumed":
        assert.notEqual(this.#cursor, undefined, "it had no cursor");
        if (this.stretches.length === 0) begin(false);
        return;
      case "gap":
        assert.ok(this.#options.mayGap, `a gap was told for ${this.#cursor}`);
        assert.equal(data.requested, this.#cursor);
        this.gaps.push({ requested: data.requested, first: data.first_available });
        this.#ended = false;
        begin(true);
        return;
      default:
        assert.fail(`resume is ${data.resume}`);
    }
  }
}
