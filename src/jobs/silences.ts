/** Which jobs on their way have fallen silent, with one timer for all of them. */
import type { Clock } from "../clock.ts";
import type { Seq } from "../sync/entry.ts";
import { type JobKey, type JobKeyText, keyText } from "../sync/ids.ts";
import { type Job, keyOf } from "../sync/job.ts";
import { isTerminal } from "../sync/status.ts";

/** Jobs whose silence is noticed; further ones are told of only when they end. */
const WATCHED_MAX = 100_000;
/** Least time between two looks at all jobs, in milliseconds. */
const LOOK_MS = 250;
/** Where a look is so late, in milliseconds, the process was halted. */
const LATE_MS = 1_000;

/** What a job's state says: it has been silent for too long, it speaks again, or nothing new. */
export type Heard = "silent" | "again" | undefined;

interface Watched {
  readonly key: JobKey;
  seq: Seq;
  /** When its silence began, as far as this process can tell; by the clock that only goes forward. */
  sinceMs: number;
  /** The seq after which a silence was told that goes on. */
  toldSeq: Seq | undefined;
}

/**
 * A job that was there before this process is given all its time anew: nobody could be heard while
 * there was no server. After a halt of the process jobs have as long to be heard, up to all of it.
 */
export class Silences {
  readonly #clock: Clock;
  readonly #afterMs: number;
  readonly #onDue: (key: JobKey) => void;
  readonly #watched = new Map<JobKeyText, Watched>();
  #callOff: (() => void) | undefined;
  #stopped = false;

  /** @param onDue called when the job's state is worth a look; `heard` then says what it is */
  constructor(clock: Clock, afterMs: number, onDue: (key: JobKey) => void) {
    this.#clock = clock;
    this.#afterMs = afterMs;
    this.#onDue = onDue;
  }

  /** Says that a silence was told of which began after `seq`. */
  resume(job: Job, seq: Seq): void {
    const { key, sinceMs } = this.#of(job);
    this.#watched.set(keyText(job), { key, seq, sinceMs, toldSeq: seq });
  }

  /** What the job's state comes to. Changes nothing, so that it may be asked again. */
  heard(job: Job): Heard {
    const { seq, sinceMs, toldSeq } = this.#of(job);
    // That somebody wants it cancelled is no word of the job's.
    if (job.seq > seq && toldSeq !== undefined && job.status !== "cancelling") return "again";
    if (job.seq > seq || toldSeq !== undefined || isTerminal(job.status)) return undefined;
    return this.#clock.monotonic() - sinceMs >= this.#afterMs ? "silent" : undefined;
  }

  /** Takes the state in, once what it came to has been told. */
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
