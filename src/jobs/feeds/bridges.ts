/** The bridges of the configured syncs, also after the configuration has changed. */
import type { ConfiguredSync } from "../sync_config.ts";
import type { BridgeOptions, RedisBridge } from "./redis_bridge.ts";

/** Options that all bridges share. */
type Common = Omit<BridgeOptions, "sync" | "source">;

/** Keeps one bridge running for each sync with a source of `redis_pubsub`. */
export class Bridges {
  readonly #common: Common;
  /** By the JSON of the sync: one that differs in anything is another. */
  #running: ReadonlyMap<string, RedisBridge> = new Map();
  #replaced: Promise<void> = Promise.resolve();

  constructor(common: Common) {
    this.#common = common;
  }

  /**
   * Stops bridges that are gone, then starts new ones: two that listen to the same feed would take
   * each end twice. Those that have not changed run on. Never rejects.
   */
  replace(syncs: readonly ConfiguredSync[]): Promise<void> {
    return this.#replaced = this.#replaced.then(() => this.#replace(syncs))
      .catch(this.#common.onFault);
  }

  /** Stops all bridges; resolves when what they have heard is stored, or could not be in time. */
  stop(): Promise<void> {
    return this.replace([]);
  }

  async #replace(syncs: readonly ConfiguredSync[]): Promise<void> {
    const before = this.#running;
    const wanted = new Map<string, RedisBridge>();
    for (const sync of syncs) {
      const { source } = sync;
      if (source.type !== "redis_pubsub") continue;
      const { RedisBridge } = await import("./redis_bridge.ts"); // few servers have such a sync
      const key = JSON.stringify(sync);
      const bridge = before.get(key) ?? new RedisBridge({ ...this.#common, sync, source });
      wanted.set(key, bridge);
    }
    this.#running = wanted;
    await Promise.all([...before].map(([key, bridge]) => wanted.has(key) || bridge.stop()))
      .catch(this.#common.onFault);
    for (const [key, bridge] of wanted) if (!before.has(key)) bridge.start();
  }
}
