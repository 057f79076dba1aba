/** A home-made Redis pub/sub feed as jobs: listens to a pattern, one job a channel. */
import { loggerOf } from "../logger.ts";
import { FeedChannel } from "./feed_channel.ts";
import { readFeedMessage } from "./feed_message.ts";
import type { OutsideJobs } from "./outside_jobs.ts";
import type { ConfiguredSync, RedisPubsubSourceConfig } from "./sync_config.ts";

/** The longest wait between two tries to reach Redis, in milliseconds. */
const RETRY_MS_MAX = 5_000;
/** Channels that are remembered; the one unused for longest is forgotten. */
const CHANNELS_MAX = 10_000;

export interface BridgeOptions {
  readonly sync: ConfiguredSync;
  readonly source: RedisPubsubSourceConfig;
  readonly outside: OutsideJobs;
  readonly onFault: (cause: unknown) => void;
}

/** Listens from `start` to `stop`. What is published while nobody listens is lost: that is Redis. */
export class RedisBridge {
  readonly #options: BridgeOptions;
  readonly #logger = loggerOf("bridge");
  readonly #channels = new Map<string, FeedChannel>();
  readonly #unread = new Set<string>();
  #hangUp: (() => void) | undefined;
  #stopped = false;
  #lost = false;

  constructor(options: BridgeOptions) {
    this.#options = options;
  }

  /** Returns at once; connects in the background, again and again. */
  start(): void {
    this.#connect().catch(this.#options.onFault);
  }

  /** Hangs up, and resolves when what has been heard is kept. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#hangUp?.();
    await Promise.all([...this.#channels.values()].map((channel) => channel.settled()));
  }

  async #connect(): Promise<void> {
    const { url, pattern } = this.#options.source;
    // Loaded where a bridge is configured, and nowhere else.
    const { createClient } = await import("@redis/client");
    if (this.#stopped) return;
    const client = createClient({
      url,
      socket: { reconnectStrategy: (tries: number) => Math.min(100 * 2 ** tries, RETRY_MS_MAX) },
    });
    const place = withoutPassword(url);
    client.on("error", (error: Error) => {
      if (this.#lost || this.#stopped) return;
      this.#lost = true;
      const told = { sync: this.#options.sync.name, place, reason: error.message };
      this.#logger.warning(
        "sync {sync}: Redis at {place} is not there ({reason}); trying on",
        told,
      );
    });
    client.on("ready", () => {
      if (this.#lost) this.#logger.warning("Redis at {place} is there again", { place });
      this.#lost = false;
    });
    this.#hangUp = () => client.destroy();
    const unlessStopped = (cause: unknown) => {
      if (!this.#stopped) throw cause;
    };
    const listening = client.pSubscribe(
      pattern,
      (message: string, channel: string) => this.#take(channel, message),
    );
    await Promise.all([client.connect(), listening]).catch(unlessStopped);
  }

  #take(channel: string, text: string): void {
    const { fields, statusValues } = this.#options.source;
    const message = readFeedMessage(text, fields, statusValues);
    if (message) return this.#channelOf(channel).take(message);
    if (this.#unread.has(channel) || this.#unread.size >= CHANNELS_MAX) return;
    this.#unread.add(channel);
    this.#logger.warning("a message on {channel} is no JSON object; such ones are left out", {
      channel,
    });
  }

  #channelOf(channel: string): FeedChannel {
    const { sync, source, outside, onFault } = this.#options;
    const name = nameIn(source.pattern, channel);
    let found = this.#channels.get(name);
    this.#channels.delete(name); // set anew, so that the map's order is that of their use
    found ??= new FeedChannel({
      outside,
      tenant: sync.tenant,
      sync: sync.name,
      leaseMs: source.leaseMs,
      name,
      onFault,
    });
    this.#channels.set(name, found);
    const [oldest] = this.#channels.keys();
    if (this.#channels.size > CHANNELS_MAX) this.#channels.delete(oldest);
    return found;
  }
}

/** What the pattern's one `*` stands for, at most 200 characters of it. */
export function nameIn(pattern: string, channel: string): string {
  const [before, after] = pattern.split("*");
  return channel.slice(before.length, channel.length - after.length).slice(0, 200) || channel;
}

/** For people and logs. */
function withoutPassword(text: string): string {
  const url = new URL(text);
  url.username = "";
  url.password = "";
  return url.href;
}
