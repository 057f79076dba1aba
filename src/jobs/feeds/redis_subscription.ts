/** A subscription to a Redis pattern, on one connection. */
import { type Clock, sleep } from "../../clock.ts";

/** How long Redis may take to let us in, or to answer a PING, in milliseconds. */
const ANSWER_MS = 10_000;
/** Milliseconds from an answer to the next PING. */
const PING_MS = 15_000;

export interface SubscriptionOptions {
  readonly url: string;
  readonly pattern: string;
  readonly clock: Clock;
  /** Hangs up when it fires. */
  readonly signal: AbortSignal;
  /** Redis has confirmed the subscription: what is published from now on is heard. */
  readonly onListening: () => void;
  readonly onMessage: (channel: string, message: string) => void;
}

/**
 * Listens on a connection of its own; resolves once the signal has fired.
 *
 * It does not reconnect: node-redis would, but forgets a subscription that was refused once, so the
 * caller makes a new one.
 *
 * @throws {Error} why nothing is heard, or no longer: also when Redis does not answer
 */
export async function subscribed(options: SubscriptionOptions): Promise<void> {
  const { url, pattern, clock, signal, onListening, onMessage } = options;
  // Loaded only when a bridge is configured.
  const { createClient, ErrorReply } = await import("@redis/client");
  if (signal.aborted) return;
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  const broken = Promise.withResolvers<never>();
  const hangUp = () => broken.reject(new Error("Hung up"));
  signal.addEventListener("abort", hangUp);
  client.on("error", broken.reject); // not removed: hanging up may emit errors, too
  const over = new AbortController();
  const enter = async () => {
    await client.connect();
    if (over.signal.aborted) client.destroy(); // the one below did nothing while it connected
    else await client.pSubscribe(pattern, (message, channel) => onMessage(channel, message));
  };
  // Redis may refuse a PING (its user has no right to it, or the disk of its data is full) and still
  // send what is published.
  const answered = (cause: unknown) => {
    if (!(cause instanceof ErrorReply)) throw cause;
  };
  const follow = async () => {
    await inTime(clock, enter());
    if (!over.signal.aborted) onListening();
    for (;;) {
      await sleep(clock, PING_MS, over.signal);
      if (over.signal.aborted) return;
      await inTime(clock, client.ping().catch(answered));
    }
  };
  try {
    await Promise.race([follow(), broken.promise]);
  } catch (cause) {
    if (!signal.aborted) throw cause;
  } finally {
    over.abort();
    signal.removeEventListener("abort", hangUp);
    client.destroy();
  }
}

/** The answer, or an error after ANSWER_MS: node-redis waits as long as the connection stands. */
function inTime<T>(clock: Clock, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const callOff = clock.after(ANSWER_MS, () => {
      reject(new Error(`no answer for ${ANSWER_MS / 1000} s`));
    });
    answer.finally(callOff).then(resolve, reject);
  });
}
