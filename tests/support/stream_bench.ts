/** A log, a hub and viewers put together, and a reader of streams. */
import { Hub } from "../../src/hub/hub.ts";
import { PublishedLog } from "../../src/hub/published_log.ts";
import { setImmediate } from "node:timers";
import type { EventLog } from "../../src/log/event_log.ts";
import { MemoryLog } from "./memory_log.ts";
import { FEED_MS } from "../../src/stream/job_feed.ts";
import type { JobsWish } from "../../src/stream/job_pages.ts";
import type { Right } from "../../src/stream/rights.ts";
import { Viewers, type ViewersOptions } from "../../src/stream/viewers.ts";
import type { Fact } from "../../src/sync/entry.ts";
import type { Job, NewJob } from "../../src/sync/job.ts";
import { FakeClock } from "./fake_clock.ts";
import { newJob, TENANT } from "./log_contract.ts";

/** All jobs of the tenant, the same for all who ask with it. */
export const ALL: JobsWish = {
  tenant: TENANT,
  name: "all",
  statuses: undefined,
  syncId: undefined,
  jobId: undefined,
  matches: () => true,
  missed: () => true,
  endedMax: Infinity,
};

export function streamBench(
  options:
    & Partial<
      Pick<
        ViewersOptions,
        "mergeAfter" | "heartbeatMs" | "retryMs" | "stallAfterMs" | "writeTimeoutMs" | "limits"
      >
    >
    & {
      /** Stands between the log and who uses it. */
      readonly between?: (log: EventLog) => EventLog;
      /** In the place of a log in memory. */
      readonly store?: EventLog;
    } = {},
) {
  const clock = new FakeClock();
  const hub = new Hub();
  const store = options.store ?? new MemoryLog(clock);
  const log = new PublishedLog(options.between?.(store) ?? store, hub, clock);
  const faults: unknown[] = [];
  let names = 0;
  const viewers = new Viewers({
    log,
    hub,
    clock,
    heartbeatMs: options.heartbeatMs ?? 30_000,
    retryMs: options.retryMs ?? 3_000,
    mergeAfter: options.mergeAfter ?? 1_000,
    stallAfterMs: options.stallAfterMs ?? Infinity,
    writeTimeoutMs: options.writeTimeoutMs,
    limits: options.limits,
    onFault: (cause) => faults.push(cause),
  });
  const add = (job: Job, ...facts: Fact[]) => log.append(job, () => ({ facts }));
  return {
    clock,
    hub,
    log,
    viewers,
    faults,
    add,
    async job(changes: Partial<NewJob> = {}): Promise<Job> {
      return (await log.create(newJob(changes))).job;
    },
    /** Opens a stream of the job as it is now; fails on 204. */
    async open(
      job: Job,
      cursor?: string,
      logs?: "debug" | "warning",
      right?: Right,
    ): Promise<StreamReader> {
      const now = await log.get(job);
      const stream = now && await viewers.subscribe(now, { cursor, logs, right });
      if (!stream) throw new Error("There is no stream: 204");
      return new StreamReader(stream);
    },
    /** Opens a stream of many jobs: all of the tenant's, unless `wish` says otherwise. */
    openJobs(wish: Partial<JobsWish> = {}): StreamReader {
      const tenant = wish.tenant ?? TENANT;
      return new StreamReader(viewers.subscribeToJobs({
        ...ALL,
        name: `${names++}`,
        matches: (job) => job.tenant === tenant,
        ...wish,
      }));
    },
    /** Lets what was appended be noticed, and told to those who watch many jobs. */
    async tell(): Promise<void> {
      await turns(5);
      clock.advance(FEED_MS);
      await turns(5);
    },
  };
}

/** So many turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A frame as a client has it. */
export interface Seen {
  readonly id?: string;
  readonly retry?: number;
  // deno-lint-ignore no-explicit-any -- tests look into frames freely
  readonly data: any;
}

/** Reads a body chunk by chunk; the chunks are whole frames. */
export class StreamReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  /** The next chunk as text; undefined at the end. Rejects when the stream was broken off. */
  async chunk(): Promise<string | undefined> {
    const { value } = await this.#reader.read();
    return value && new TextDecoder().decode(value);
  }

  /** The frames of the next chunk; none at the end. */
  async next(): Promise<Seen[]> {
    return framesOf(await this.chunk() ?? "");
  }

  /** All frames up to the end. */
  async rest(): Promise<Seen[]> {
    const frames: Seen[] = [];
    for (let text = await this.chunk(); text !== undefined; text = await this.chunk()) {
      frames.push(...framesOf(text));
    }
    return frames;
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

/** Frames as our encoder writes them: `retry`, one line of `data`, `id`. */
export function framesOf(text: string): Seen[] {
  return text.split("\n\n").slice(0, -1).map((frame) => {
    const fields = new Map(
      frame.split("\n").map((line) => {
        const colon = line.indexOf(": ");
        return [line.slice(0, colon), line.slice(colon + 2)] as const;
      }),
    );
    const retry = fields.get("retry");
    return {
      ...(fields.has("id") && { id: fields.get("id") }),
      ...(retry !== undefined && { retry: Number(retry) }),
      data: JSON.parse(fields.get("data") ?? "null"),
    };
  });
}
