/** Finds the jobs on their way that have fallen silent, with one timer for all of them. */
import type { Clock } from "../clock.ts";
import type { Seq } from "../sync/entry.ts";
import { type JobKey, type JobKeyText, keyText } from "../sync/ids.ts";
import { type Job, keyOf } from "../sync/job.ts";
import { isTerminal } from "../sync/status.ts";

/** How many jobs are watched for silence; the silence of further ones is not noticed. */
const WATCHED_MAX = 100_000;
/** The least time between two looks at all jobs, in milliseconds. */
const LOOK_MS = 250;
/** A look that is so late, in milliseconds, means that the process was halted. */
const LATE_MS = 1_000;

/** What a job's state says: it is silent for too long, it speaks again, or nothing new. */
export type Heard = "silent" | "again" | undefined;

interface Watched {
  readonly key: JobKey;
  seq: Seq;
  /** When its silence began, as far as this process knows; by the monotonic clock. */
  sinceMs: number;
  /** The seq after which the present silence began, once that was told. */
  toldSeq: Seq | undefined;
}

/**
 * A job from before this process gets all its time anew, as nobody could hear it without a server.
 * After a halt of the process jobs get as long as that lasted, at most all their time.
 */
export class Silences {
  readonly #clock: Clock;
  readonly #afterMs: number;
  readonly #onDue: (key: JobKey) => void;
  readonly #watched = new Map<JobKeyText, Watched>();
  #callOff: (() => void) | undefined;
  #stopped = false;

  /** @param onDue called when a job should be looked at; `heard` then says what its state means */
  constructor(clock: Clock, afterMs: number, onDue: (key: JobKey) => void) {
    this.#clock = clock;
    this.#afterMs = afterMs;
    this.#onDue = onDue;
  }

  /** Notes that a silence which began after `seq` was told before. */
  resume(job: Job, seq: Seq): void {
    const { key, sinceMs } = this.#of(job);
    this.#watched.set(keyText(job), { key, seq, sinceMs, toldSeq: seq });
  }

  /** What the job's state means. Changes nothing, so that it may be asked again. */
  heard(job: Job): Heard {
    const { seq, sinceMs, toldSeq } = this.#of(job);
    // The entry of a cancel is not the job's own word.
    if (job.seq > seq && toldSeq !== undefined && job.status !== "cancelling") return "again";
    if (job.seq > seq || toldSeq !== undefined || isTerminal(job.status)) return undefined;
    return this.#clock.monotonic() - sinceMs >= this.#afterMs ? "silent" : undefined;
  }

  /** Takes in the state, once what it means has been told. */
  note(job: Job, heard: Heard): void {
    const watched = this.#of(job);
    if (job.seq > watched.seq) watched.sinceMs = this.#clock.monotonic();
    watched.seq = job.seq;
    if (heard === "silent") watched.toldSeq = job.seq;
    if (heard === "again") watched.toldSeq = undefined;
    if (this.#watched.size < WATCHED_MAX) this.#watched.set(keyText(job), watched);
    if (!this.#callOff && watched.toldSeq === undefined) this.#lookAt(this.#dueMs(watched));
  }

  forget(key: JobKeyText): void {
    this.#watched.delete(key);
  }

  stop(): void {
    this.#stopped = true;
    this.#callOff?.();
  }

  #of(job: Job): Watched {
    return this.#watched.get(keyText(job)) ??
      { key: keyOf(job), seq: job.seq, sinceMs: this.#clock.monotonic(), toldSeq: undefined };
  }

  #dueMs({ sinceMs }: Watched): number {
    return sinceMs + this.#afterMs;
  }

  #lookAt(atMs: number): void {
    if (this.#stopped) return;
    const now = this.#clock.monotonic();
    const lookMs = Math.max(now + LOOK_MS, atMs);
    this.#callOff = this.#clock.after(Math.ceil(lookMs - now), () => this.#lookAtAll(lookMs));
  }

  #lookAtAll(lookMs: number): void {
    this.#callOff = undefined;
    const now = this.#clock.monotonic();
    const lateMs = now - lookMs;
    const graceMs = lateMs >= LATE_MS ? Math.min(lateMs, this.#afterMs) : 0;
    let nextMs = Infinity;
    for (const watched of this.#watched.values()) {
      if (watched.toldSeq !== undefined) continue;
      if (graceMs > 0) {
        watched.sinceMs = Math.max(watched.sinceMs, now - this.#afterMs + graceMs);
      }
      const dueMs = this.#dueMs(watched);
      if (dueMs <= now) this.#onDue(watched.key);
      else nextMs = Math.min(nextMs, dueMs);
    }
    if (nextMs < Infinity) this.#lookAt(nextMs);
  }
}
