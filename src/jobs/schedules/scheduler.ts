/** Runs syncs by their schedules, tries failed runs again, and finds overdue syncs. */
import { loggerOf } from "../../logger.ts";
import { deriveJobId, type TenantId } from "../../sync/ids.ts";
import type { Job, SyncRef } from "../../sync/job.ts";
import { TimeSlice } from "../../time_slice.ts";
import { StoppingError } from "../dispatcher.ts";
import type { OnOccurrence } from "../occurrence.ts";
import type { ConfiguredSync } from "../sync_config.ts";
import { expected, isFollowed, told, withStart } from "./expectations.ts";
import { notAhead, placeOf, type SyncPlace } from "./remembered.ts";
import { retryAt } from "./retry.ts";
import { type Skip, SlotRuns, type SlotRunsOptions } from "./slot_runs.ts";
import { firstSlot, scheduleText } from "./slots.ts";

/**
 * The longest time between two looks, in milliseconds. So a sleep of the machine or a clock that
 * was set is found soon, and no timer is too long for the runtimes.
 */
const LOOK_MS = 30_000;
/** The same while a sync is overdue, as its next start ends that. */
const OVERDUE_LOOK_MS = 5_000;
/** The pause after a look that failed, in milliseconds. */
const BROKEN_MS = 5_000;
/** The `meta.trigger` of jobs that try another again. */
const BY_RETRY = "retry";

const logger = loggerOf("schedules");

export interface SchedulerOptions extends SlotRunsOptions {
  /** Called with `overdue`, and with `recovered` once it is over; with nothing else. */
  readonly onOccurrence: OnOccurrence;
  readonly onFault: (cause: unknown) => void;
}

/** A sync's schedule and expectation as they stand. Times are milliseconds since 1970. */
export interface Standing {
  readonly tenant: TenantId;
  readonly sync: SyncRef;
  /** In words; null for none. */
  readonly schedule: string | null;
  /** When this server starts a run next, by its schedule or as a retry; null for never. */
  readonly nextRunAtMs: number | null;
  /** When a start is expected, without the grace; null when none is. */
  readonly expectedAtMs: number | null;
  readonly overdue: boolean;
  /** Since this server started. */
  readonly skippedRuns: number;
  readonly lastSkip: Skip | null;
}

/** Starts due runs and tells of overdue syncs, from `start` to `stop`; `look` does so at once. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #slots: SlotRuns;
  /** The newest job of each sync, as of the last look. */
  readonly #last = new Map<SyncPlace, Job | undefined>();
  /** Syncs whose last look failed; that is reported once. */
  readonly #broken = new Set<SyncPlace>();
  /** When the last round began; milliseconds since 1970. */
  #lookedMs: number | undefined;
  #stopListening: (() => void) | undefined;
  #callOff: (() => void) | undefined;
  #stopped = false;
  #round: Promise<void> | undefined;
  /** Whether another round was asked for. */
  #again = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#slots = new SlotRuns(options);
  }

  /** Starts what is due, and goes on until `stop`. Resolves when that is started. */
  async start(): Promise<void> {
    const { dispatcher, syncs } = this.#options;
    this.#stopListening = dispatcher.listen(({ tenant, id }) => {
      if (syncs.find(tenant, id)?.retries) this.look();
    });
    this.look();
    await this.#round;
  }

  /** Looks at all syncs now, as the configuration has changed or a run is over. */
  look(): void {
    if (this.#stopped) return;
    this.#again = true;
    if (this.#round) return;
    this.#callOff?.();
    this.#round = Promise.resolve().then(() => this.#rounds());
  }

  /** Stops; resolves when no run is being started any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopListening?.();
    this.#callOff?.();
    await this.#round;
  }

  /**
   * How a sync stands now.
   *
   * @param last the sync's newest job; the one of the last look when left out
   */
  standing(sync: ConfiguredSync, last = this.#last.get(placeOf(sync))): Standing {
    const { clock, remembered } = this.#options;
    const now = clock.now();
    const { schedule, expect } = sync;
    const note = remembered.get(placeOf(sync));
    const slot = schedule && note && firstSlot(schedule, { ...note, sinceMs: note.sinceMs ?? now });
    const runs = [slot, this.#retryAt(sync, last)].filter((each) => each !== undefined);
    const expectation = expect && note && expected(expect, withStart(note, last, now), now);
    const skips = this.#slots.skipsOf(sync);
    return {
      tenant: sync.tenant,
      sync: { id: sync.id, name: sync.name },
      schedule: schedule ? scheduleText(schedule) : null,
      nextRunAtMs: runs.length > 0 ? Math.min(...runs) : null,
      expectedAtMs: expectation?.atMs ?? null,
      overdue: expectation?.overdue ?? false,
      skippedRuns: skips.count,
      lastSkip: skips.last,
    };
  }

  /** The standing of every configured sync, as of the last look: for metrics. */
  standings(): readonly Standing[] {
    return this.#options.syncs.all.map((sync) => this.standing(sync));
  }

  /** Looks at all syncs, again if that was asked for meanwhile, and sets the next time. */
  async #rounds(): Promise<void> {
    const { clock, syncs, remembered } = this.#options;
    let wakeMs = Infinity;
    while (this.#again && !this.#stopped) {
      this.#again = false;
      wakeMs = Infinity;
      const startMs = clock.now();
      const timed = syncs.all.filter((sync) => sync.schedule || sync.retries || sync.expect);
      const slice = new TimeSlice(clock);
      for (const sync of timed) {
        if (slice.over) await slice.turn(); // there may be thousands of syncs
        if (!this.#stopped) wakeMs = Math.min(wakeMs, await this.#tryToLookAt(sync));
      }
      this.#lookedMs = startMs;
      this.#keep(new Set(timed.map(placeOf)));
      remembered.save();
    }
    this.#round = undefined;
    if (this.#stopped) return;
    const waitMs = Math.min(Math.max(wakeMs - clock.now(), 1), LOOK_MS);
    this.#callOff = clock.after(waitMs, () => this.look());
  }

  /** Looks at a sync; a failure is reported once. @returns when to look again, at the latest */
  async #tryToLookAt(sync: ConfiguredSync): Promise<number> {
    const place = placeOf(sync);
    try {
      const wakeMs = await this.#lookAt(sync);
      this.#broken.delete(place);
      return wakeMs;
    } catch (cause) {
      // A stopping server starts nothing, which is not reported.
      const tell = !(cause instanceof StoppingError) && !this.#broken.has(place);
      if (tell) this.#options.onFault(cause);
      this.#broken.add(place);
      return this.#options.clock.now() + BROKEN_MS;
    }
  }

  async #lookAt(sync: ConfiguredSync): Promise<number> {
    const { log, clock, remembered, onOccurrence } = this.#options;
    const { tenant, id, schedule, retries, expect } = sync;
    const place = placeOf(sync);
    const now = clock.now();
    const known = remembered.get(place) ?? { firstSeenMs: now };
    remembered.put(place, notAhead(known, now, this.#lookedMs));
    if (schedule) await this.#slots.run(sync);
    const newest = async () => (await log.list({ tenant, syncId: id, limit: 1 })).items.at(0);
    let last = retries || expect ? await newest() : undefined;
    if (await this.#tryAgain(sync, last)) last = await newest();
    this.#last.set(place, last);
    const { nextRunAtMs, overdue } = this.standing(sync, last);
    const note = remembered.get(place);
    if (!note) return nextRunAtMs ?? Infinity;
    if (!expect) {
      if (retries) remembered.put(place, withStart(note, last, clock.now()));
      return nextRunAtMs ?? Infinity;
    }
    const seen = told(sync, { expect, note, last, nowMs: clock.now() }, onOccurrence);
    remembered.put(place, seen.note);
    const seenAgainMs = overdue ? clock.now() + OVERDUE_LOOK_MS : seen.overdueAtMs;
    return Math.min(nextRunAtMs ?? Infinity, seenAgainMs);
  }

  /** When the sync's newest job is to be tried again; undefined when it is not. */
  #retryAt(sync: ConfiguredSync, last: Job | undefined): number | undefined {
    const { clock, remembered } = this.#options;
    const note = remembered.get(placeOf(sync));
    if (last && note && isFollowed(note, last)) return undefined;
    return retryAt(last, sync.retries, clock.now());
  }

  /** @returns whether a run was asked for */
  async #tryAgain(sync: ConfiguredSync, last: Job | undefined): Promise<boolean> {
    const { clock, syncs, dispatcher } = this.#options;
    const atMs = this.#retryAt(sync, last);
    const runnable = syncs.runnable(sync);
    if (!last || atMs === undefined || atMs > clock.now() || !runnable) return false;
    const { started, job } = await dispatcher.start(runnable, {
      id: deriveJobId(sync.tenant, `retry ${last.id}`),
      tags: last.tags,
      meta: { ...last.meta, trigger: BY_RETRY },
      retryOf: last.id,
      attempt: last.attempt + 1,
    });
    if (started) {
      const facts = { name: sync.name, of: last.id, attempt: job.attempt, job: job.id };
      logger.info("{name}: job {of} failed; attempt {attempt} is job {job}", facts);
    }
    return true;
  }

  #keep(places: ReadonlySet<SyncPlace>): void {
    this.#options.remembered.keep(places);
    this.#slots.keep(places);
    for (const place of this.#last.keys()) if (!places.has(place)) this.#last.delete(place);
    for (const place of this.#broken) if (!places.has(place)) this.#broken.delete(place);
  }
}
