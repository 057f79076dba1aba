/** The tails of all followed jobs. */
import { type JobKey, type JobKeyText, keyText } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import { type FollowedJob, followedJob, Tail, type TailOptions } from "./tail.ts";

/** What all tails are given; see TailOptions. */
export interface TailsOptions
  extends Pick<TailOptions, "log" | "hub" | "clock" | "onServed" | "onFault"> {
  readonly encoderOf: (job: FollowedJob) => TailOptions["encoder"];
}

/** Makes a tail for the first follower of a job and shares it with the others. */
export class Tails {
  readonly #tails = new Map<JobKeyText, Tail>();
  readonly #options: TailsOptions;

  constructor(options: TailsOptions) {
    this.#options = options;
  }

  /** The job's tail; a new one starts at `job.seq`. It must be joined in the same turn. */
  of(job: Job): Tail {
    const key = keyText(job);
    const known = this.#tails.get(key);
    if (known && known.job.epoch === job.epoch && !known.failed) return known;
    const tail: Tail = new Tail({
      ...this.#options,
      job,
      encoder: this.#options.encoderOf(followedJob(job)),
      onIdle: () => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      },
    });
    this.#tails.set(key, tail);
    return tail;
  }

  /** As Tail.hurry, all of them. */
  async hurry(): Promise<void> {
    await Promise.all([...this.#tails.values()].map((tail) => tail.hurry()));
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
