/** The bridges of the configured syncs: as many as the configuration says, whenever it changes. */
import { type BridgeOptions, RedisBridge } from "./redis_bridge.ts";
import type { ConfiguredSync } from "./sync_config.ts";

/** What all bridges are given. */
type Common = Omit<BridgeOptions, "sync" | "source">;

/** Keeps one bridge running for each sync with a source of `redis_pubsub`. */
export class Bridges {
  readonly #common: Common;
  /** By all that was configured: whoever differs in anything is another. */
  #running = new Map<string, RedisBridge>();

  constructor(common: Common) {
    this.#common = common;
  }

  /** Starts what is new, stops what is gone, leaves alone what has not changed. */
  replace(syncs: readonly ConfiguredSync[]): void {
    const wanted = new Map<string, RedisBridge>();
    for (const sync of syncs) {
      const { source } = sync;
      if (source.type !== "redis_pubsub") continue;
      const key = JSON.stringify(sync);
      const running = this.#running.get(key);
      const bridge = running ?? new RedisBridge({ ...this.#common, sync, source });
      wanted.set(key, bridge);
      if (!running) bridge.start();
    }
    for (const [key, bridge] of this.#running) {
      if (!wanted.has(key)) bridge.stop().catch(this.#common.onFault);
    }
    this.#running = wanted;
  }

  /** Resolves when all have hung up and what they have heard is kept. */
  async stop(): Promise<void> {
    await Promise.all([...this.#running.values()].map((bridge) => bridge.stop()));
    this.#running.clear();
  }
}
