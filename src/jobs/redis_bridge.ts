/** A home-made Redis pub/sub feed as jobs: listens to a pattern, one job a channel. */
import { type Clock, sleep } from "../clock.ts";
import { loggerOf } from "../logger.ts";
import { reasonOf } from "../reason.ts";
import { FeedChannel } from "./feed_channel.ts";
import { readFeedMessage } from "./feed_message.ts";
import type { OutsideJobs } from "./outside_jobs.ts";
import { subscribed } from "./redis_subscription.ts";
import type { ConfiguredSync, RedisPubsubSourceConfig } from "./sync_config.ts";

/** The first and the longest wait between two tries to reach Redis, in milliseconds. */
const RETRY_MS = 100;
const RETRY_MS_MAX = 5_000;
/** Channels that are remembered; the one unused for longest is forgotten. */
const CHANNELS_MAX = 10_000;

export interface BridgeOptions {
  readonly sync: ConfiguredSync;
  readonly source: RedisPubsubSourceConfig;
  readonly outside: OutsideJobs;
  readonly clock: Clock;
  readonly onFault: (cause: unknown) => void;
}

/** Listens from `start` to `stop`. What is published while nobody listens is lost: that is Redis. */
export class RedisBridge {
  readonly #options: BridgeOptions;
  readonly #logger = loggerOf("bridge");
  readonly #channels = new Map<string, FeedChannel>();
  readonly #unread = new Set<string>();
  readonly #stop = new AbortController();
  /** Why nothing is heard, as far as it was told. */
  readonly #told = new Set<string>();

  constructor(options: BridgeOptions) {
    this.#options = options;
  }

  /** Returns at once; connects in the background, again and again. */
  start(): void {
    this.#listen().catch(this.#options.onFault);
  }

  /** Hangs up, and resolves when what has been heard is kept. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#channels.values()].map((channel) => channel.settled()));
  }

  async #listen(): Promise<void> {
    const { sync, source, clock } = this.#options;
    const { signal } = this.#stop;
    const place = new URL(source.url).host;
    const facts = { sync: sync.name, pattern: source.pattern, place };
    let waitMs = RETRY_MS;
    const onListening = () => {
      waitMs = RETRY_MS;
      if (this.#told.size === 0) return;
      this.#told.clear();
      this.#logger.warning("sync {sync}: {pattern} at Redis {place} is listened to again", facts);
    };
    const onMessage = (channel: string, text: string) => this.#take(channel, text);
    while (!signal.aborted) {
      await subscribed({ ...source, clock, signal, onListening, onMessage }).catch((cause) => {
        const reason = reasonOf(cause) || String(cause.code); // of several addresses it says no more
        if (this.#told.has(reason)) return;
        this.#told.add(reason);
        this.#logger.warning(
          "sync {sync}: {pattern} at Redis {place} cannot be listened to ({reason}); trying on",
          { ...facts, reason },
        );
      });
      await sleep(clock, waitMs, signal);
      waitMs = Math.min(2 * waitMs, RETRY_MS_MAX);
    }
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
