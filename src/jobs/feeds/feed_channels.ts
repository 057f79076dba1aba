/** The channels of one feed, and their jobs on their way. */
import { atMost, type Clock } from "../../clock.ts";
import { type EventLog, LIST_LIMIT_MAX } from "../../log/event_log.ts";
import { nodeCrypto } from "../../system/node.ts";
import { cut } from "../../sync/cut.ts";
import { JOB_NAME_MAX } from "../../sync/event_limits.ts";
import { type JobId, parseJobId } from "../../sync/ids.ts";
import { isTerminal, STATUSES } from "../../sync/status.ts";
import type { OutsideJobs } from "../outside_jobs.ts";
import type { ConfiguredSync } from "../sync_config.ts";
import { FeedChannel } from "./feed_channel.ts";
import type { FeedMessage } from "./feed_message.ts";
import type { RedisPubsubSourceConfig } from "./redis_config.ts";

/** How many channels with nothing to store are remembered; those unused for longest are forgotten. */
const CHANNELS_MAX = 10_000;
/** How many channels are remembered, with those that have something to store. */
const BUSY_MAX = 30_000;
/** How many jobs on their way are remembered of forgotten channels. */
const LEFT_MAX = 100_000;
/** How long storing may take at a stop, in milliseconds. */
const STOP_MS = 2_000;
/** A channel's name of at most so many characters is its own key. */
const KEY_MAX = 500;
const OPEN = STATUSES.filter((status) => !isTerminal(status));

export interface ChannelsOptions {
  readonly sync: ConfiguredSync;
  readonly source: RedisPubsubSourceConfig;
  readonly outside: OutsideJobs;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly onFault: (cause: unknown) => void;
  /** Called once for each kind of error and channel, until messages of it are taken again. */
  readonly onRefused: (channel: string, cause: unknown) => void;
}

/** Gives each message to its channel. */
export class FeedChannels {
  readonly #options: ChannelsOptions;
  readonly #channels = new Map<string, FeedChannel>();
  /** Jobs on their way, by the keys of channels that are not among `#channels`. */
  readonly #left = new Map<string, JobId>();

  constructor(options: ChannelsOptions) {
    this.#options = options;
  }

  /** Finds jobs that an earlier server has left on their way; before the first message. */
  async find(): Promise<void> {
    const { log, sync: { tenant, id: syncId } } = this.#options;
    let cursor: string | undefined;
    do {
      const query = { tenant, syncId, statuses: OPEN, limit: LIST_LIMIT_MAX, cursor };
      const { items, nextCursor } = await log.list(query);
      for (const { id, meta: { channel } } of items) {
        if (typeof channel === "string" && !this.#left.has(channel)) this.#left.set(channel, id);
      }
      cursor = nextCursor ?? undefined;
    } while (cursor !== undefined);
  }

  take(channel: string, message: FeedMessage): void {
    const name = nameIn(this.#options.source.pattern, channel);
    const id = parseJobId(name);
    const key = id ?? keyOf(channel);
    const found = this.#channels.get(key) ?? this.#newChannel(channel, { name, id, key });
    this.#channels.delete(key); // set anew, so that the map's order is that of their use
    this.#channels.set(key, found);
    found.take(message);
    // Two a message, so that there are fewer again once they have stored what they had.
    for (let looked = 0; looked < 2 && this.#channels.size > CHANNELS_MAX; looked++) {
      this.#forgetOldest();
    }
  }

  /** Stops all channels. Resolves with the number of those that could not store all in time. */
  async stop(): Promise<number> {
    const channels = [...this.#channels.values()];
    const settled = Promise.all(channels.map((channel) => channel.settled()));
    await atMost(this.#options.clock, STOP_MS, settled);
    const stored = await Promise.all(channels.map((channel) => channel.stop()));
    return stored.filter((all) => !all).length;
  }

  #newChannel(
    channel: string,
    named: { readonly name: string; readonly id: JobId | undefined; readonly key: string },
  ): FeedChannel {
    const { sync, source, outside, log, clock, onRefused } = this.#options;
    const left = this.#left.get(named.key);
    this.#left.delete(named.key);
    return new FeedChannel({
      ...named,
      left,
      outside,
      log,
      clock,
      tenant: sync.tenant,
      sync: sync.name,
      leaseMs: source.leaseMs,
      onRefused: (cause) => onRefused(channel, cause),
    });
  }

  /** Forgets the channel unused for longest; one that has something to store counts as used. */
  #forgetOldest(): void {
    const [[key, channel]] = this.#channels;
    this.#channels.delete(key);
    if (channel.busy && this.#channels.size < BUSY_MAX) {
      this.#channels.set(key, channel);
      return;
    }
    channel.stop().then((stored) => {
      if (!stored) {
        channel.tellRefused(new RangeError(`More than ${BUSY_MAX} channels wait to be stored`));
      }
    }).catch(this.#options.onFault);
    if (channel.left) this.#left.set(key, channel.left);
    const [oldest] = this.#left.keys();
    if (this.#left.size > LEFT_MAX) this.#left.delete(oldest);
  }
}

/** The part of the channel that the pattern's `*` stands for, at most 200 characters of it. */
export function nameIn(pattern: string, channel: string): string {
  const [before, after] = pattern.split("*");
  return cut(channel.slice(before.length, channel.length - after.length) || channel, JOB_NAME_MAX);
}

/** The channel's key in the log: its name, or the digest of a long one. */
function keyOf(channel: string): string {
  if (channel.length <= KEY_MAX) return channel;
  return `sha256:${nodeCrypto().createHash("sha256").update(channel).digest("hex")}`;
}
