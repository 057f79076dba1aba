/** The bridges of the configured syncs, also after the configuration has changed. */
import type { ConfiguredSync } from "../sync_config.ts";
import { type BridgeOptions, RedisBridge } from "./redis_bridge.ts";

/** Options that all bridges share. */
type Common = Omit<BridgeOptions, "sync" | "source">;

/** Keeps one bridge running for each sync with a source of `redis_pubsub`. */
export class Bridges {
  readonly #common: Common;
  /** By the JSON of the sync: one that differs in anything is another. */
  #running = new Map<string, RedisBridge>();
  /** Resolves when the bridges that were stopped have hung up. */
  #gone: Promise<void> = Promise.resolve();

  constructor(common: Common) {
    this.#common = common;
  }

  /**
   * Stops bridges that are gone, then starts new ones: two that listen to the same feed would take
   * each end twice. Those that have not changed run on.
   */
  replace(syncs: readonly ConfiguredSync[]): void {
    const wanted = new Map<string, RedisBridge>();
    const fresh: RedisBridge[] = [];
    for (const sync of syncs) {
      const { source } = sync;
      if (source.type !== "redis_pubsub") continue;
      const key = JSON.stringify(sync);
      const running = this.#running.get(key);
      const bridge = running ?? new RedisBridge({ ...this.#common, sync, source });
      wanted.set(key, bridge);
      if (!running) fresh.push(bridge);
    }
    const gone = [...this.#running].filter(([key]) => !wanted.has(key));
    this.#running = wanted;
    const stops = gone.map(([, bridge]) => bridge.stop());
    this.#gone = Promise.all([this.#gone, ...stops]).catch(this.#common.onFault).then(() => {
      for (const bridge of fresh) bridge.start();
    });
  }

  /** Stops all bridges; resolves when what they have heard is stored, or could not be in time. */
  async stop(): Promise<void> {
    this.replace([]);
    await this.#gone;
  }
}
