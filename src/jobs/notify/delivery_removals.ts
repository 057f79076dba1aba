/** What is queued of a job goes with the job, from the disk too. */
import type { Clock } from "../../clock.ts";
import type { Hub } from "../../hub/hub.ts";
import type { EventLog } from "../../log/event_log.ts";
import { DamagedJobError } from "../../log/log_errors.ts";
import { type JobKey, keyText } from "../../sync/ids.ts";
import type { DeliveryStore } from "./delivery_store.ts";

/** How long until removed data is wiped again after a failure, in milliseconds. */
const WIPE_AGAIN_MS = 60_000;

export interface DeliveryRemovalsOptions {
  /** The queue; undefined once it is closed. */
  readonly store: () => DeliveryStore | undefined;
  readonly log: EventLog;
  readonly hub: Hub;
  readonly clock: Clock;
  readonly onFault: (cause: unknown) => void;
}

/** Removes deliveries of jobs that are gone. */
export class DeliveryRemovals {
  readonly #options: DeliveryRemovalsOptions;
  #callOffWipe: (() => void) | undefined;
  #callOffGone: (() => void) | undefined;

  constructor(options: DeliveryRemovalsOptions) {
    this.#options = options;
  }

  /** Forgets the jobs that went while nobody looked; `watch` ends. */
  async catchUp(): Promise<void> {
    const { store, log } = this.#options;
    const queue = store();
    for (const key of queue?.jobs() ?? []) if (await isGone(log, key)) queue?.forget(key);
    this.#wipe(); // once for all of them, as it waits for the disk
    this.#callOffGone?.();
    this.#callOffGone = undefined;
  }

  /** For a queue without targets: nothing is told, but what was queued of a job has to go with it. */
  watch(): void {
    const { store, log, hub, onFault } = this.#options;
    const kept = new Set(store()?.jobs().map(keyText));
    this.#callOffGone = hub.listenToAll((key) => {
      if (!kept.has(keyText(key))) return;
      isGone(log, key).then((gone) => gone && this.forget(key)).catch(onFault);
    });
  }

  /** Removes what is queued of the job, and wipes it off the disk, now or later. */
  forget(key: JobKey): void {
    this.#options.store()?.forget(key);
    this.#wipe();
  }

  stop(): void {
    this.#callOffWipe?.();
    this.#callOffGone?.();
  }

  #wipe(): void {
    const { store, clock, onFault } = this.#options;
    if (store()?.wipe() !== false) return;
    this.#callOffWipe ??= clock.after(WIPE_AGAIN_MS, () => {
      this.#callOffWipe = undefined;
      try {
        this.#wipe();
      } catch (cause) {
        onFault(cause); // the next removal tries again
      }
    });
  }
}

/** Whether the job was removed; one whose row is damaged was not. */
async function isGone(log: EventLog, key: JobKey): Promise<boolean> {
  try {
    return await log.get(key) === undefined;
  } catch (cause) {
    if (cause instanceof DamagedJobError) return false;
    throw cause;
  }
}
