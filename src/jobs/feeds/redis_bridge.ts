/** Shows a home-made Redis pub/sub feed as jobs: listens to a pattern, one job a channel. */
import { backoffMs, sleep } from "../../clock.ts";
import { loggerOf } from "../../logger.ts";
import { codeOf, reasonOf } from "../../reason.ts";
import { clean } from "../../sync/clean.ts";
import { cut } from "../../sync/cut.ts";
import type { ConfiguredSync } from "../sync_config.ts";
import { type ChannelsOptions, FeedChannels } from "./feed_channels.ts";
import { readFeedMessage } from "./feed_message.ts";
import { CountedElsewhereError } from "./feed_totals.ts";
import { subscribed } from "./redis_subscription.ts";

/** The first and the longest wait between two tries to reach Redis, in milliseconds. */
const RETRY_MS = { first: 100, last: 5_000 };
/** How many channels are remembered whose messages are not JSON objects. */
const UNREAD_MAX = 10_000;
/** How many characters of a channel the server's log shows. */
const SHOWN_MAX = 200;

/** Options of a bridge and its channels. */
export interface BridgeOptions extends Omit<ChannelsOptions, "onRefused"> {
  /** Called when the sync's jobs cannot be heard; the returned function is called once they can. */
  readonly unheard: (sync: ConfiguredSync) => () => void;
}

/** Listens from `start` to `stop`. Redis loses what is published while nobody listens. */
export class RedisBridge {
  readonly #options: BridgeOptions;
  readonly #logger = loggerOf("bridge");
  readonly #channels: FeedChannels;
  readonly #unread = new Set<string>();
  readonly #stop = new AbortController();
  /** Reasons for not listening that were logged. */
  readonly #told = new Set<string>();
  /** To be called once Redis is listened to. */
  #heard: (() => void) | undefined;

  constructor(options: BridgeOptions) {
    this.#options = options;
    const sync = options.sync.name;
    const onRefused = (channel: string, cause: unknown) => {
      const facts = { sync, channel: shown(channel), reason: reasonOf(cause) };
      // A worker that now posts by itself is no fault.
      const level = cause instanceof CountedElsewhereError ? "info" : "error";
      this.#logger[level]("sync {sync}: messages on {channel} are refused: {reason}", facts);
    };
    this.#channels = new FeedChannels({ ...options, onRefused });
  }

  /** Returns at once; connects in the background, again and again. */
  start(): void {
    this.#listen().catch(this.#options.onFault);
  }

  /** Hangs up; resolves when what has been heard is stored, or could not be in time. */
  async stop(): Promise<void> {
    this.#stop.abort();
    const count = await this.#channels.stop();
    if (count === 0) return;
    const noun = count === 1 ? "channel" : "channels";
    const words = `sync {sync}: what was heard last on {count} ${noun} could not be stored`;
    this.#logger.error(words, { sync: this.#options.sync.name, count });
  }

  async #listen(): Promise<void> {
    const { sync, source, clock, unheard } = this.#options;
    const { signal } = this.#stop;
    const facts = {
      sync: sync.name,
      pattern: source.pattern,
      place: new URL(source.url).host, // not its user and password
    };
    let failures = 0;
    let sinceMs = Infinity;
    let before = false;
    const onListening = () => {
      sinceMs = clock.monotonic();
      this.#hears();
      const heard = before ? "listened to again" : "listened to";
      const words = `sync {sync}: {pattern} at Redis {place} is ${heard}`;
      if (this.#told.size > 0) this.#logger.warning(words, facts);
      this.#told.clear();
      before = true;
    };
    const onMessage = (channel: string, text: string) => this.#take(channel, text);
    let found = false;
    this.#heard = unheard(sync);
    while (!signal.aborted) {
      try {
        if (!found) await this.#channels.find();
        found = true;
        await subscribed({ ...source, clock, signal, onListening, onMessage });
      } catch (cause) {
        const reason = wordsOf(cause);
        if (!this.#told.has(reason)) {
          this.#logger.warning(
            "sync {sync}: {pattern} at Redis {place} cannot be listened to ({reason}); trying on",
            { ...facts, reason },
          );
        }
        this.#told.add(reason);
      }
      this.#heard ??= unheard(sync);
      // A server that accepts and breaks off at once is tried no more often than one that is not
      // there.
      if (clock.monotonic() - sinceMs >= RETRY_MS.last) failures = 0;
      sinceMs = Infinity;
      await sleep(clock, backoffMs(++failures, RETRY_MS), signal);
    }
    this.#hears();
  }

  #hears(): void {
    this.#heard?.();
    this.#heard = undefined;
  }

  #take(channel: string, text: string): void {
    const { fields, statusValues } = this.#options.source;
    const message = readFeedMessage(text, fields, statusValues);
    if (message) return this.#channels.take(channel, message);
    if (this.#unread.has(channel) || this.#unread.size >= UNREAD_MAX) return;
    this.#unread.add(channel);
    this.#logger.warning("a message on {channel} is no JSON object; such ones are left out", {
      channel: shown(channel),
    });
  }
}

function shown(channel: string): string {
  return clean(cut(channel, SHOWN_MAX));
}

/**
 * The error's words. When several addresses have failed, it has only a code. A Redis that does not
 * know HELLO repeats what follows it: the password.
 */
function wordsOf(cause: unknown): string {
  return reasonOf(cause).replace(/, with args beginning with.*/s, "") || (codeOf(cause) ?? "?");
}
