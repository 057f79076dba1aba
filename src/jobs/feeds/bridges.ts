/** The bridges of the configured syncs: as many as the configuration says, whenever it changes. */
import type { ConfiguredSync } from "../sync_config.ts";
import { type BridgeOptions, RedisBridge } from "./redis_bridge.ts";

/** What all bridges are given. */
type Common = Omit<BridgeOptions, "sync" | "source">;

/** Keeps one bridge running for each sync with a source of `redis_pubsub`. */
export class Bridges {
  readonly #common: Common;
  /** By all that was configured: whoever differs in anything is another. */
  #running = new Map<string, RedisBridge>();
  /** When those that are no longer running have hung up. */
  #gone: Promise<void> = Promise.resolve();

  constructor(common: Common) {
    this.#common = common;
  }

  /**
   * Stops what is gone, then starts what is new, as two that listen to the same would take each end
   * twice; leaves alone what has not changed.
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

  /** Resolves when all have hung up and what they have heard is kept. */
  async stop(): Promise<void> {
    this.replace([]);
    await this.#gone;
  }
}
