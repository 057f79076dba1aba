/** A request that posts events: from its body to its answer. */
import type { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Posted } from "../jobs/outside_jobs.ts";
import { NO_STAMP, type Stamp } from "../jobs/producers.ts";
import { EVENTS_MAX } from "../sync/event_limits.ts";
import type { Epoch, JobKey } from "../sync/ids.ts";
import { TimeSlice } from "../time_slice.ts";
import { requireRight } from "./access.ts";
import { linesOf } from "./body.ts";
import type { HttpEnv } from "./env.ts";
import { EventSchema, type PostedSchema, type WireEvent, workerEvent } from "./event_schemas.ts";
import { invalid, invalidJson, pointerOf } from "./invalid.ts";
import { isBlank, linesIn, parsedLine } from "./ndjson_lines.ts";
import { plainEvent } from "./plain_event.ts";
import { problemOf } from "./post_problem.ts";
import { Problem, type ProblemExtras } from "./problem.ts";
import { stampOf } from "./producer_stamp.ts";
import type { Services } from "./services.ts";

/** Most events that one commit takes. */
const BATCH_MAX = 1_000;
/** How often progress is worth posting, in milliseconds: while somebody watches, and while nobody does. */
const INTERVAL_MS = { watched: 250, unwatched: 5_000 };

/** Appends the events of the request's body. @throws {Problem} */
export async function postEvents(
  context: Context<HttpEnv>,
  key: JobKey,
  services: Services,
): Promise<z.output<typeof PostedSchema>> {
  await requireRate(key, services);
  const post = new Post(key, stampOf(context), services, context.get("requestId"));
  const type = (context.req.header("Content-Type") ?? "").split(";")[0].trim().toLowerCase();
  const json = context.get("json");
  if (json) await post.whole(json.value);
  else if (type === "application/x-ndjson" && context.req.raw.body) {
    context.env.keepOpen(); // the runtime's limit on quiet connections is not ours
    const { clock, bodyIdleMs: idleMs, stopping, authenticator } = services;
    const principal = context.get("principal");
    await post.lines(
      linesOf(context.req.raw.body, { clock, idleMs, stopping }),
      () => requireRight(principal, authenticator),
    );
  }
  return await post.answer();
}

/**
 * Refuses a request over the rate. Its lease is renewed for the wait, as the worker is silent then.
 *
 * @throws {Problem} too-many-events
 */
async function requireRate(key: JobKey, { rates, outside }: Services): Promise<void> {
  const refused = rates.refused(key);
  if (!refused) return;
  await outside.hold(key, refused.waitS * 1000).catch(refuse);
  throw refused.problem;
}

/** Answers for the log's refusal. @throws {Problem} */
function refuse(cause: unknown): never {
  throw problemOf(cause);
}

/** One request under way. */
class Post {
  readonly #key: JobKey;
  readonly #services: Services;
  readonly #requestId: string;
  #stamp: Stamp;
  /** Whether it is settled who the producer is: by a header, or by an event. */
  #named: boolean;
  /** Events taken from the body so far, all of them in the log. */
  #accepted = 0;
  #firstSeq: number | null = null;
  #last: Posted | undefined;
  /** The epoch of the log that the first events went to. */
  #epoch: Epoch | undefined;

  constructor(key: JobKey, stamp: Stamp | undefined, services: Services, requestId: string) {
    this.#key = key;
    this.#services = services;
    this.#requestId = requestId;
    this.#stamp = stamp ?? NO_STAMP;
    this.#named = stamp !== undefined;
  }

  /** One event or an array of events: all or nothing. */
  async whole(value: unknown): Promise<void> {
    const many = Array.isArray(value);
    const values = many ? value : [value];
    if (values.length > EVENTS_MAX) {
      const detail = `An array may have at most ${EVENTS_MAX} events, and this one has ` +
        `${values.length}; one event a line (application/x-ndjson) may be any number`;
      throw new Problem("body-too-large", detail);
    }
    const slice = new TimeSlice(this.#services.clock);
    const events: WireEvent[] = [];
    for (const [index, each] of values.entries()) {
      if (slice.over) await slice.turn();
      events.push(this.#event(each, many ? [index] : [], {}));
    }
    const end = events.findIndex(({ type }) => type === "end");
    if (end >= 0 && end < events.length - 1) {
      throw invalid([{ pointer: `/${end + 1}`, detail: "nothing may follow the end" }]);
    }
    await this.#append(events);
  }

  /** One event a line; events before a fault are kept. @param check called before each piece */
  async lines(pieces: AsyncIterable<Uint8Array>, check: () => void): Promise<void> {
    const { outside } = this.#services;
    let number = 0;
    try {
      for await (const piece of pieces) {
        check();
        const before = this.#accepted;
        let events: WireEvent[] = [];
        try {
          for (const line of linesIn(piece)) {
            number++;
            if (isBlank(line)) continue;
            events.push(this.#event(parsedLine(line, number), [], { line: number }));
            this.#named = true; // by its first line or not at all: lines before may be kept already
            if (events.length < BATCH_MAX && events.at(-1)?.type !== "end") continue;
            const full = events;
            events = [];
            await this.#append(full);
          }
        } finally {
          await this.#append(events);
        }
        // Blank lines keep the body going: whoever sends them is not silent.
        if (this.#accepted === before) await outside.hold(this.#key, 0).catch(refuse);
      }
    } catch (cause) {
      if (cause instanceof Problem) throw this.#withAccepted(cause);
      throw cause;
    }
  }

  async answer(): Promise<z.output<typeof PostedSchema>> {
    // No events at all: the lease is renewed, and the request counted.
    if (!this.#last) await this.#append([], true);
    const { job, lastSeq } = this.#last as unknown as Posted; // #append has set it
    const viewers = this.#services.viewers.of(this.#key);
    return {
      first_seq: this.#firstSeq,
      last_seq: lastSeq,
      status: job.status,
      cancel_requested: job.status === "cancelling" || job.status === "cancelled",
      viewers,
      interval_ms: viewers > 0 ? INTERVAL_MS.watched : INTERVAL_MS.unwatched,
    };
  }

  async #append(events: readonly WireEvent[], evenNone = false): Promise<void> {
    if (events.length === 0 && !evenNone) return;
    const { outside, rates } = this.#services;
    const batch = {
      stamp: this.#stamp,
      offset: this.#accepted,
      events: events.map(workerEvent),
      epoch: this.#epoch,
    };
    const posted = await outside.post(this.#key, batch, this.#requestId).catch(refuse);
    rates.chargeEvents(this.#key, events.length);
    this.#accepted += events.length;
    if (posted.firstSeq <= posted.lastSeq) this.#firstSeq ??= posted.firstSeq;
    this.#last = posted;
    this.#epoch = posted.job.epoch;
  }

  #event(value: unknown, path: PropertyKey[], extras: ProblemExtras): WireEvent {
    const plain = plainEvent(value);
    if (plain) return plain;
    const read = EventSchema.safeParse(value);
    if (!read.success) throw invalidJson(read.error, path, extras);
    this.#name(read.data, path, extras);
    return read.data;
  }

  /** Events may name the producer instead of the headers, lines from the first; all must agree. */
  #name(event: WireEvent, path: PropertyKey[], extras: ProblemExtras): void {
    const { producer_id: id, producer_epoch: epoch, producer_seq: number } = event;
    if (id === undefined && epoch === undefined && number === undefined) return;
    const fault = (detail: string) =>
      invalid([{ pointer: pointerOf([...path, "producer_id"]), detail }], extras);
    if (!this.#named) {
      if (id === undefined) throw fault("expected one beside the other two");
      this.#named = true;
      this.#stamp = { id, epoch: epoch ?? 0, number };
    }
    const same = (id ?? this.#stamp.id) === this.#stamp.id &&
      (epoch ?? this.#stamp.epoch) === this.#stamp.epoch &&
      (number ?? this.#stamp.number) === this.#stamp.number;
    if (!same) throw fault("expected one producer and number in a request");
  }

  #withAccepted(problem: Problem): Problem {
    const extras = {
      ...problem.extras,
      accepted: this.#accepted,
      first_seq: this.#firstSeq,
      last_seq: this.#last?.lastSeq,
    };
    const { code, message, headers, cause } = problem;
    return new Problem(code, message, extras, headers, { cause });
  }
}
