/** Tells the configured targets what happens to jobs and syncs. */
import { atMost, type Clock } from "../../clock.ts";
import type { Hub } from "../../hub/hub.ts";
import type { EventLog } from "../../log/event_log.ts";
import type { Durability } from "../../log/sqlite_log.ts";
import { isDatabaseError } from "../../log/sqlite_faults.ts";
import { loggerOf } from "../../logger.ts";
import { reasonOf } from "../../reason.ts";
import type { Job } from "../../sync/job.ts";
import { ownFiles } from "../../system/own_files.ts";
import type { Occurrence } from "../occurrence.ts";
import type { Occurrences } from "../occurrences.ts";
import type { DeliveryRemovals } from "./delivery_removals.ts";
import type { DeliveryPage, DeliveryQuery, DeliveryStore, Occasion } from "./delivery_store.ts";
import type { Lane } from "./lane.ts";
import type { Message, ShownJob } from "./message.ts";
import { type Target, wants } from "./target.ts";

/** The position stays so far back, in milliseconds: the newest commits may not be told yet. */
const UNTOLD_MS = 60_000;
/** The position is written when it has moved so far, in milliseconds. */
const POSITION_MS = 10_000;

export interface NotificationsOptions {
  /** The queue's file; it is made when there are targets. */
  readonly path: string;
  readonly durability: Durability;
  readonly log: EventLog;
  readonly hub: Hub;
  readonly clock: Clock;
  readonly stallAfterMs: number;
  readonly onFault: (cause: unknown) => void;
  /** Called when messages were refused or given up: nobody is told of what they say. */
  readonly onUntold: () => void;
  /** The job as the API shows it. */
  readonly show: (job: Job) => ShownJob;
  /** The URL of a page, such as `job/…`; undefined without one. */
  readonly linkOf: (page: string) => string | undefined;
  /** Math.random when left out. */
  readonly random?: () => number;
}

/**
 * Queues what happens to jobs for each target that wants it. `send` starts sending, `stop` ends it.
 */
export class Notifications {
  readonly #options: NotificationsOptions;
  readonly #logger = loggerOf("notify");
  #targets: readonly Target[] = [];
  #parts: Parts | undefined;
  #store: DeliveryStore | undefined;
  #occurrences: Occurrences | undefined;
  #lanes: readonly Lane[] = [];
  #sending = false;
  #writtenMs = 0;
  #removals: DeliveryRemovals | undefined;
  #replaced: Promise<void> = Promise.resolve();

  constructor(options: NotificationsOptions) {
    this.#options = options;
  }

  /**
   * Opens the queue; to be called before anything happens that targets are to be told of.
   *
   * @throws {StoreVersionError | StoreForeignError} when its file is not this version's to open
   * @throws {Error} when the file cannot be used; it is named
   */
  async open(targets: readonly Target[]): Promise<void> {
    const { path } = this.#options;
    if (targets.length === 0 && !ownFiles.exists(path)) return;
    this.#parts = await loadedParts();
    try {
      this.#openStore(targets, this.#parts);
    } catch (cause) {
      // SQLite says "malformed" without a name, and the event log lies beside it.
      if (!isDatabaseError(cause)) throw cause;
      const reason = `Cannot use the queue of notifications "${path}": ${reasonOf(cause)}`;
      throw new Error(reason, { cause });
    }
    this.#targets = targets;
  }

  /** Starts to look at jobs, first at those that ended while no server did. */
  async watch(): Promise<void> {
    const store = this.#store;
    const removals = this.#removals;
    if (!store || !removals || !this.#parts) return;
    const { log, hub, clock, stallAfterMs, onFault } = this.#options;
    const sinceMs = store.position ?? clock.now();
    this.#writtenMs = sinceMs;
    await removals.catchUp();
    if (this.#targets.length === 0) return removals.watch();
    this.#occurrences = new this.#parts.Occurrences({
      log,
      hub,
      clock,
      stallAfterMs,
      onFault,
      tell: (occurrence) => this.occurred(occurrence),
      onCaughtUp: (atMs) => this.#caughtUp(atMs - UNTOLD_MS),
      onGone: (key) => removals.forget(key),
      silenceOf: (key) => store.silenceOf(key),
    });
    // After a clock was put back the position is, too, far behind what was told by the clock before.
    await this.#occurrences.start(sinceMs, store.keptSinceMs);
  }

  /** Starts to send what waits. */
  send(): void {
    this.#sending = true;
    this.#lay();
  }

  /**
   * Replaces the targets. Those that have not changed go on undisturbed.
   *
   * @throws {Error} when the queue cannot take them: then all is as before
   */
  replace(targets: readonly Target[]): Promise<void> {
    const replaced = this.#replaced.then(() => this.#replace(targets));
    this.#replaced = replaced.catch(() => {}); // the caller gets the failure
    return replaced;
  }

  /**
   * Queues the occurrence for each target that wants it. Also for callers that know what the log
   * does not, such as a run that did not come.
   *
   * @throws {Error} when it cannot be queued: the caller has to tell it again
   */
  occurred(occurrence: Occurrence): void {
    const targets = this.#targets.filter((target) => wants(target, occurrence));
    if (targets.length === 0 || !this.#store) return;
    const count = this.#store.add(occasionOf(occurrence), this.#messageOf(occurrence), targets);
    this.#tellGivenUp(count, "too many wait");
    if (count > 0) this.#options.onUntold();
    for (const lane of this.#lanes) {
      if (targets.some(({ name }) => name === lane.name)) lane.wake();
    }
  }

  /** The last deliveries, newest first. */
  list(query: DeliveryQuery): DeliveryPage {
    return this.#store?.list(query) ?? { items: [], nextCursor: null };
  }

  /** Looks at jobs woken so far, gives due messages `graceMs` to be sent, and closes the queue. */
  async stop(graceMs: number): Promise<void> {
    await this.#replaced;
    await this.#occurrences?.stop();
    this.#removals?.stop();
    const sent = Promise.all(this.#lanes.map((lane) => lane.idle()));
    if (this.#sending) await atMost(this.#options.clock, graceMs, sent);
    await Promise.all(this.#lanes.map((lane) => lane.stop()));
    this.#store?.close();
    this.#store = undefined;
  }

  #openStore(targets: readonly Target[], parts: Parts): void {
    const { DeliveryRemovals, DeliveryStore, giveUpOld } = parts;
    const { path, clock, durability } = this.#options;
    const store = this.#store = new DeliveryStore(path, clock, durability);
    this.#removals = new DeliveryRemovals({ ...this.#options, store: () => this.#store });
    if (giveUpOld(store, this.#logger) > 0) this.#options.onUntold();
    this.#setTargets(store, targets);
    // Without targets, and at the first start, only what happens from now on may be told.
    if (targets.length === 0 || store.position === undefined) store.moveOn(clock.now());
  }

  async #replace(targets: readonly Target[]): Promise<void> {
    const watching = this.#occurrences !== undefined;
    try {
      if (this.#store) this.#setTargets(this.#store, targets);
      else await this.open(targets);
    } catch (cause) {
      const reason = reasonOf(cause);
      throw new Error(`Cannot take other targets, so the present ones stay: ${reason}`, { cause });
    }
    this.#targets = targets;
    const stays = (lane: Lane) => targets.some((target) => lane.leadsTo(target));
    const gone = this.#lanes.filter((lane) => !stays(lane));
    this.#lanes = this.#lanes.filter(stays);
    await Promise.all(gone.map((lane) => lane.stop()));
    if (!watching) await this.watch();
    if (this.#sending) this.#lay();
  }

  #setTargets(store: DeliveryStore, targets: readonly Target[]): void {
    this.#tellGivenUp(store.setTargets(targets), "there is no such target any more");
  }

  #tellGivenUp(count: number, reason: string): void {
    if (count === 0) return;
    const noun = count === 1 ? "notification" : "notifications";
    this.#logger.error(`{count} ${noun} given up: {reason}`, { count, reason });
  }

  #messageOf({ kind, tenant, sync, job, atMs, detail = "" }: Occurrence): Message {
    return { kind, atMs, tenant, sync, job: job ? this.#options.show(job) : null, detail };
  }

  #caughtUp(atMs: number): void {
    if (Math.abs(atMs - this.#writtenMs) < POSITION_MS) return; // back, too, with the clock
    this.#writtenMs = atMs;
    try {
      this.#store?.moveOn(atMs);
    } catch (cause) {
      this.#options.onFault(cause); // the queue knows what is told again after a crash
    }
  }

  #lay(): void {
    const { clock, onFault, onUntold, linkOf, random = Math.random } = this.#options;
    const store = this.#store;
    if (!store || !this.#parts) return;
    const { Lane } = this.#parts;
    const lay = (target: Target) =>
      new Lane({
        target,
        store,
        clock,
        random,
        onFault,
        onUntold,
        logger: this.#logger,
        linkOf: ({ job, sync }) =>
          job ? linkOf(`job/${job.id}`) : sync ? linkOf(`sync/${sync.id}`) : undefined,
      });
    this.#lanes = this.#targets.map((target) =>
      this.#lanes.find((lane) => lane.leadsTo(target)) ?? lay(target)
    );
    for (const lane of this.#lanes) lane.wake();
  }
}

type Parts = Awaited<ReturnType<typeof loadedParts>>;

/** What only a server with a queue needs; the start of any other is shorter without it. */
async function loadedParts() {
  const [{ DeliveryRemovals }, { DeliveryStore }, { giveUpOld, Lane }, { Occurrences }] =
    await Promise.all([
      import("./delivery_removals.ts"),
      import("./delivery_store.ts"),
      import("./lane.ts"),
      import("../occurrences.ts"),
    ]);
  return { DeliveryRemovals, DeliveryStore, giveUpOld, Lane, Occurrences };
}

/** What identifies an occurrence, also when it is told again after a restart. */
function occasionOf({ kind, tenant, sync, job, atMs, occasion = atMs }: Occurrence): Occasion {
  if (!job) return { kind, tenant, subject: sync?.id ?? "", occasion };
  // A job may fall silent and speak again many times; all else happens to it once.
  const often = kind === "stalled" || (kind === "recovered" && job.endedAtMs === null);
  return { kind, tenant, subject: job.id, occasion: often ? job.seq : 0 };
}
