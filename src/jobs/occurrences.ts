/** Turns changes in the log into occurrences: a job began, ended, fell silent or is well again. */
import type { Clock } from "../clock.ts";
import type { Hub } from "../hub/hub.ts";
import { type EventLog, LIST_LIMIT_MAX, type RecentPage } from "../log/event_log.ts";
import { reasonOf } from "../reason.ts";
import type { Seq } from "../sync/entry.ts";
import { type JobKey, type JobKeyText, keyText } from "../sync/ids.ts";
import { type Job, keyOf } from "../sync/job.ts";
import { isoTime } from "../sync/iso_time.ts";
import { isTerminal } from "../sync/status.ts";
import { TimeSlice } from "../time_slice.ts";
import type { Occurrence, OccurrenceKind } from "./occurrence.ts";
import { Silences } from "./silences.ts";

/** A job whose occurrence could not be told is looked at again after so many milliseconds. */
const AGAIN_MS = 5_000;

export interface OccurrencesOptions {
  readonly log: EventLog;
  readonly hub: Hub;
  readonly clock: Clock;
  /** A job that says nothing for so long is stalled. */
  readonly stallAfterMs: number;
  /** Takes an occurrence. When it throws, it gets the same one again later. */
  readonly tell: (occurrence: Occurrence) => void;
  /** All that happened before that moment has been told. */
  readonly onCaughtUp: (atMs: number) => void;
  /** The job was removed, and all that is known of it must go too. */
  readonly onGone: (key: JobKey) => void;
  /** The seq after which a silence began that was told and was going on when the server stopped. */
  readonly silenceOf: (key: JobKey) => Seq | undefined;
  /** Gets each reason once, until all that failed has been told. */
  readonly onFault: (cause: unknown) => void;
}

/**
 * Looks at each job that the hub wakes, one after another, in the order of the wake-ups.
 *
 * The same occurrence may be told again after a restart: its receiver knows it by its kind, job and
 * moment.
 */
export class Occurrences {
  readonly #options: OccurrencesOptions;
  readonly #silences: Silences;
  /** Jobs on their way, and whether `started` was told of them. */
  readonly #begun = new Map<JobKeyText, boolean>();
  #woken = new Map<JobKeyText, JobKey>();
  /** Jobs whose occurrences could not be told. */
  readonly #failed = new Map<JobKeyText, JobKey>();
  /** Why they could not, as reported: a full disk fails each of them, again and again. */
  readonly #reported = new Set<string>();
  #callOffAgain: (() => void) | undefined;
  #started = false;
  #stopped = false;
  #stopListening: (() => void) | undefined;
  #round: Promise<void> | undefined;

  constructor(options: OccurrencesOptions) {
    this.#options = options;
    this.#silences = new Silences(options.clock, options.stallAfterMs, (key) => this.#look(key));
  }

  /**
   * Starts listening, and tells what has happened since `sinceMs` while nobody listened.
   *
   * @param keptSinceMs jobs that ended before it are left out, as their receiver would not know them
   *   again; but for those that ended since a clock was put back behind it
   */
  async start(sinceMs: number, keptSinceMs = -Infinity): Promise<void> {
    const { log, hub, clock } = this.#options;
    this.#stopListening = hub.listenToAll((key) => this.#look(key));
    const startMs = clock.now();
    let after: number | null = 0;
    while (after !== null) {
      const page: RecentPage = await log.recent({ endedSinceMs: sinceMs, after });
      for (const job of page.items) {
        const endMs = job.endedAtMs ?? Infinity;
        const since = endMs >= keptSinceMs || (endMs <= startMs && startMs < keptSinceMs);
        if (since) await this.#found(job, sinceMs);
      }
      after = page.next;
    }
    this.#started = true;
    this.#caughtUp(startMs);
  }

  /** Stops listening. Resolves when all jobs woken so far have been looked at. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopListening?.();
    this.#silences.stop();
    this.#callOffAgain?.();
    while (this.#round) await this.#round;
  }

  #look(key: JobKey): void {
    this.#woken.set(keyText(key), key);
    this.#round ??= this.#follow().finally(() => {
      this.#round = undefined;
      for (const late of this.#woken.values()) return this.#look(late);
    });
  }

  async #follow(): Promise<void> {
    const { log, clock, onGone } = this.#options;
    const slice = new TimeSlice(clock);
    while (this.#woken.size > 0) {
      const startMs = clock.now();
      const woken = this.#woken;
      this.#woken = new Map();
      for (const [text, key] of woken) {
        if (slice.over) await slice.turn(); // thousands may fall silent together
        await this.#attempt(key, async () => {
          const job = await log.get(key);
          if (job) return await this.#tell(job);
          this.#forget(text);
          onGone(key);
        });
      }
      this.#caughtUp(startMs);
    }
  }

  /** A job from before the start. Its `started` was told then if it began before `sinceMs`. */
  async #found(job: Job, sinceMs: number): Promise<void> {
    const text = keyText(job);
    if (this.#begun.has(text)) return; // a wake-up came first
    this.#begun.set(text, job.startedAtMs !== null && job.startedAtMs < sinceMs);
    await this.#attempt(keyOf(job), () => {
      const silentSince = this.#options.silenceOf(job);
      if (silentSince !== undefined) this.#silences.resume(job, silentSince);
      return this.#tell(job);
    });
  }

  /** Runs `act`; when that fails, the job is looked at again later. */
  async #attempt(key: JobKey, act: () => Promise<void>): Promise<void> {
    try {
      await act();
      this.#failed.delete(keyText(key));
      if (this.#failed.size === 0) this.#reported.clear();
    } catch (cause) {
      const reason = reasonOf(cause);
      if (!this.#reported.has(reason)) this.#options.onFault(cause);
      this.#reported.add(reason);
      this.#failed.set(keyText(key), key);
      if (this.#stopped) return;
      this.#callOffAgain ??= this.#options.clock.after(AGAIN_MS, () => {
        this.#callOffAgain = undefined;
        for (const each of this.#failed.values()) this.#look(each);
      });
    }
  }

  #caughtUp(startMs: number): void {
    if (this.#started && this.#failed.size === 0) this.#options.onCaughtUp(startMs);
  }

  /** Tells what is new of a job, and notes it only then: when telling fails, all is told again. */
  async #tell(job: Job): Promise<void> {
    const text = keyText(job);
    const { startedAtMs } = job;
    if (startedAtMs !== null && !this.#begun.get(text)) this.#emit("started", job, startedAtMs);
    const heard = this.#silences.heard(job);
    if (isTerminal(job.status)) {
      await this.#tellEnd(job, heard === "again");
      this.#forget(text);
      return;
    }
    if (heard === "again") this.#emit("recovered", job, job.heardAtMs, "it is heard again");
    if (heard === "silent") {
      const detail = `nothing was heard of it since ${isoTime(job.heardAtMs)}`;
      this.#emit("stalled", job, this.#options.clock.now(), detail);
    }
    this.#silences.note(job, heard);
    this.#begun.set(text, startedAtMs !== null);
  }

  async #tellEnd(job: Job, spokeAgain: boolean): Promise<void> {
    const atMs = job.endedAtMs ?? job.heardAtMs;
    switch (job.status) {
      case "completed":
        this.#emit("completed", job, atMs);
        if ((job.progress.warnings ?? 0) > 0) this.#emit("warning", job, atMs);
        if (spokeAgain || await this.#failedBefore(job)) this.#emit("recovered", job, atMs);
        return;
      case "failed":
      case "cancelled":
        this.#emit(job.status, job, atMs);
    }
  }

  /** Whether the sync's last run before this one, cancelled ones aside, failed. */
  async #failedBefore(job: Job): Promise<boolean> {
    const { log } = this.#options;
    if (!job.sync) return false;
    const { items } = await log.list({ // newest first, fewer than the limit where they are long
      tenant: job.tenant,
      syncId: job.sync.id,
      statuses: ["completed", "failed"],
      limit: LIST_LIMIT_MAX,
    });
    const place = items.findIndex(({ id }) => id === job.id);
    let last: Job | undefined;
    for (const [index, run] of items.entries()) {
      // When several ended in one millisecond, the order of their creation counts.
      if (endOf(run) > endOf(job) || (endOf(run) === endOf(job) && index <= place)) continue;
      if (!last || endOf(run) > endOf(last)) last = run;
    }
    return last?.status === "failed";
  }

  #emit(kind: OccurrenceKind, job: Job, atMs: number, detail?: string): void {
    this.#options.tell({ kind, tenant: job.tenant, sync: job.sync, job, atMs, detail });
  }

  #forget(text: JobKeyText): void {
    this.#begun.delete(text);
    this.#silences.forget(text);
  }
}

function endOf(job: Job): number {
  return job.endedAtMs ?? Infinity;
}
