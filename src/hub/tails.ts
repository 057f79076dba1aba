/** The tails of all followed jobs. */
import type { Clock } from "../clock.ts";
import type { EventLog } from "../log/event_log.ts";
import type { Entry } from "../sync/entry.ts";
import { type JobKey, type JobKeyText, keyText } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import type { Hub } from "./hub.ts";
import { Tail } from "./tail.ts";

/** Makes a tail for the first follower of a job and shares it with the others. */
export class Tails {
  readonly #tails = new Map<JobKeyText, Tail>();
  readonly #log: EventLog;
  readonly #hub: Hub;
  readonly #clock: Clock;
  readonly #encoderOf: (job: Job) => TransformStream<Entry, Uint8Array>;
  readonly #onServed: ((atMs: number) => void) | undefined;

  /** @param onServed told when the oldest of the entries that were just served was appended */
  constructor(
    log: EventLog,
    hub: Hub,
    clock: Clock,
    encoderOf: (job: Job) => TransformStream<Entry, Uint8Array>,
    onServed?: (atMs: number) => void,
  ) {
    this.#onServed = onServed;
    this.#log = log;
    this.#hub = hub;
    this.#clock = clock;
    this.#encoderOf = encoderOf;
  }

  /** The job's tail; a new one starts at `job.seq`. It must be joined in the same turn. */
  of(job: Job): Tail {
    const key = keyText(job);
    const known = this.#tails.get(key);
    if (known && known.epoch === job.epoch && !known.failed) return known;
    const tail: Tail = new Tail({
      log: this.#log,
      hub: this.#hub,
      clock: this.#clock,
      job,
      encoder: this.#encoderOf(job),
      onServed: this.#onServed,
      onIdle: () => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      },
    });
    this.#tails.set(key, tail);
    return tail;
  }

  /** How many follow the job now. */
  viewers(key: JobKey): number {
    return this.#tails.get(keyText(key))?.size ?? 0;
  }

  /** How many jobs are followed. */
  get size(): number {
    return this.#tails.size;
  }
}
