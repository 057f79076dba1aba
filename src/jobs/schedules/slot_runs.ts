/** Runs of schedules: one for all slots that have come, or none while one is running. */
import type { Clock } from "../../clock.ts";
import { type EventLog, LIST_LIMIT_MAX } from "../../log/event_log.ts";
import { loggerOf } from "../../logger.ts";
import { deriveJobId, type JobId } from "../../sync/ids.ts";
import type { Dispatcher } from "../dispatcher.ts";
import type { ConfiguredSync } from "../sync_config.ts";
import type { Syncs } from "../syncs.ts";
import { placeOf, type Remembered, type SyncPlace } from "./remembered.ts";
import { COUNTED_MAX, type DueSlots, dueSlots, scheduleText } from "./slots.ts";
import { isoTime } from "../../sync/iso_time.ts";

/** The `meta.trigger` of jobs that a schedule has started. */
const BY_SCHEDULE = "schedule";

const logger = loggerOf("schedules");

export interface SlotRunsOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly syncs: Syncs;
  readonly dispatcher: Dispatcher;
  readonly remembered: Remembered;
}

/** A run that was left out, as the one before was still running. */
export interface Skip {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** The job that was in the way. */
  readonly jobId: JobId;
}

/** The skipped runs of a sync since this server started. */
export interface Skips {
  readonly count: number;
  readonly last: Skip | null;
}

const NO_SKIPS: Skips = { count: 0, last: null };

/** Starts each slot of a schedule once, and counts the skipped ones. */
export class SlotRuns {
  readonly #options: SlotRunsOptions;
  readonly #skips = new Map<SyncPlace, Skips>();
  /** The schedules, in words, whose last runs have been looked up in the log. */
  readonly #lookedUp = new Map<SyncPlace, string>();

  constructor(options: SlotRunsOptions) {
    this.#options = options;
  }

  /**
   * Starts a run when a slot has come.
   *
   * @throws {StoppingError | StorageFullError} the slot stays unhandled, for later
   */
  async run(sync: ConfiguredSync): Promise<void> {
    const { clock, syncs, dispatcher, remembered } = this.#options;
    const { schedule, tenant } = sync;
    const runnable = syncs.runnable(sync);
    if (!schedule || !runnable) return;
    const words = scheduleText(schedule);
    const place = placeOf(sync);
    await this.#takeUp(sync, words);
    const now = clock.now();
    const note = remembered.get(place) ?? { firstSeenMs: now };
    const due = dueSlots(schedule, { ...note, sinceMs: note.sinceMs ?? now }, now);
    if (!due) return;
    const id = deriveJobId(tenant, `${sync.id} ${due.lastMs}`);
    const { started, job } = await dispatcher.start(runnable, { id, meta: metaOf(words, due) });
    // `every` counts from the job's start, even if another process has started it for this slot.
    const handledMs = job.id === id ? Math.min(job.createdAtMs, clock.now()) : due.lastMs;
    remembered.put(place, { ...note, handledMs });
    if (started) tellMissed(sync, due, job.id);
    else if (job.id !== id) this.#skip(sync, { atMs: now, jobId: job.id }, due);
  }

  skipsOf(sync: ConfiguredSync): Skips {
    return this.#skips.get(placeOf(sync)) ?? NO_SKIPS;
  }

  /** Forgets all other syncs. */
  keep(places: ReadonlySet<SyncPlace>): void {
    for (const kept of [this.#skips, this.#lookedUp]) {
      for (const place of kept.keys()) if (!places.has(place)) kept.delete(place);
    }
  }

  /** Takes the schedule's past into the note: as remembered, else from the log. */
  async #takeUp(sync: ConfiguredSync, words: string): Promise<void> {
    const { log, clock, remembered } = this.#options;
    const { tenant, id: syncId } = sync;
    const place = placeOf(sync);
    if (this.#lookedUp.get(place) === words) return;
    const { items } = await log.list({ tenant, syncId, limit: LIST_LIMIT_MAX });
    const run = items.find(({ meta }) => meta.trigger === BY_SCHEDULE);
    const now = clock.now();
    const note = remembered.get(place) ?? { firstSeenMs: now };
    const lost = remembered.empty && run?.meta.schedule === words;
    const since = note.schedule === words ? note.sinceMs : lost ? run.createdAtMs : undefined;
    remembered.put(place, {
      ...note,
      schedule: words,
      sinceMs: Math.min(since ?? now, now),
      handledMs: latest(note.handledMs, run && Math.min(run.createdAtMs, now)),
    });
    this.#lookedUp.set(place, words);
  }

  /** Notes a skip. Logged once for each job in the way: a long run may stop many slots. */
  #skip(sync: ConfiguredSync, last: Skip, due: DueSlots): void {
    const before = this.skipsOf(sync);
    this.#skips.set(placeOf(sync), { count: before.count + 1, last });
    if (before.last?.jobId === last.jobId) return;
    logger.warning("{name}: skipped {runs}, as job {job} is on its way still", {
      name: sync.name,
      runs: due.count === 1 ? "a run" : `the runs since ${isoTime(due.firstMs)}`,
      job: last.jobId,
    });
  }
}

function metaOf(words: string, due: DueSlots): Readonly<Record<string, unknown>> {
  const missed = missedOf(due);
  return {
    trigger: BY_SCHEDULE,
    schedule: words,
    ...missed > 0 && { missed_runs: missed, missed_since: isoTime(due.firstMs) },
  };
}

function tellMissed({ name }: ConfiguredSync, due: DueSlots, job: JobId): void {
  const missed = missedOf(due);
  if (missed === 0) return;
  const count = due.count === COUNTED_MAX ? `${missed} or more` : `${missed}`;
  const since = isoTime(due.firstMs);
  const [runs, them] = missed === 1 ? ["run", "it"] : ["runs", "them"];
  logger.warning(`{name}: missed {count} ${runs} since {since}; job {job} makes up for ${them}`, {
    name,
    count,
    since,
    job,
  });
}

/** The number of slots that had no run in their time. */
function missedOf({ count, onTime }: DueSlots): number {
  return onTime ? count - 1 : count;
}

function latest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? a ?? b : Math.max(a, b);
}
