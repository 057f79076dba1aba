/** One try to send a request; its result is in words without secrets. */
import type { Clock } from "../../clock.ts";
import { unreached } from "../../client/unreached.ts";
import type { TargetRequest } from "./request.ts";

/** A try ends after so many milliseconds, whatever the receiver does. */
const TRY_MS = 10_000;
/** How many bytes of an answer are read. */
const ANSWER_BYTES_MAX = 4 * 1024;
/** The words with which healthchecks.io says in an answer of 200 that it has not taken a ping. */
const PING_IGNORED = { unknown: /^OK \(not found\)/i, tooSoon: /^OK \(rate[ -]limited\)/i };
/** Statuses that may pass: a proxy lets nobody through, or the receiver is slow or busy. */
const PASSING: ReadonlySet<number> = new Set([407, 408, 429]);
/** The longest wait that a receiver may ask for, in milliseconds. */
export const RETRY_AFTER_MAX_MS = 3_600_000;

/**
 * - `delivered`: 2xx, but for a ping that was ignored
 * - `refused`: it would come to the same again
 * - `failed`: 407, 408, 429, 5xx, a ping above the check's rate, or no answer; another try may
 *   do better, after `retryAfterMs` if that is said
 * - `called-off`: the signal fired
 */
export interface Outcome {
  readonly kind: "delivered" | "refused" | "failed" | "called-off";
  /** `HTTP 500`, `no answer in 10 s`: never a URL, an exception's text or what was answered. */
  readonly result: string;
  readonly retryAfterMs?: number;
  /** The check gets more pings than healthchecks.io takes; the next one is not taken either. */
  readonly aboveRate?: true;
  /** The beginning of the answer, for whoever asked for a test. */
  readonly answer: string;
}

/** Sends the request once. Redirects are not followed. Never throws. */
export async function attempt(
  { url, method, headers, body, ping }: TargetRequest,
  clock: Clock,
  signal: AbortSignal,
): Promise<Outcome> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  let late = false;
  const callOff = clock.after(TRY_MS, () => {
    late = true;
    stop();
  });
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  try {
    const response = await fetch(url, {
      method,
      headers,
      body,
      redirect: "manual",
      signal: controller.signal,
    });
    // The status counts, even if the body is cut off or comes too slowly.
    const answer = await beginning(response).catch(() => "");
    const outcome = outcomeOf(response, clock.now());
    return {
      ...(ping && outcome.kind === "delivered" ? pinged(outcome, answer) : outcome),
      answer,
    };
  } catch (cause) {
    if (late) return { kind: "failed", result: `no answer in ${TRY_MS / 1000} s`, answer: "" };
    if (signal.aborted) return { kind: "called-off", result: "called off", answer: "" };
    return { kind: "failed", result: reasonOf(url, cause), answer: "" };
  } finally {
    callOff();
    signal.removeEventListener("abort", stop);
  }
}

function outcomeOf({ status, headers }: Response, nowMs: number): Omit<Outcome, "answer"> {
  const result = `HTTP ${status}`;
  if (status >= 200 && status < 300) return { kind: "delivered", result };
  if (status >= 300 && status < 400) {
    return { kind: "refused", result: `${result}: redirects are not followed` };
  }
  if (!PASSING.has(status) && status < 500) return { kind: "refused", result };
  return { kind: "failed", result, retryAfterMs: waitFrom(headers.get("Retry-After"), nowMs) };
}

/** What the answer to a ping means that a status alone would call delivered. */
function pinged(outcome: Omit<Outcome, "answer">, answer: string): Omit<Outcome, "answer"> {
  const { result } = outcome;
  if (PING_IGNORED.unknown.test(answer)) {
    return { kind: "refused", result: `${result}: no such check` };
  }
  if (PING_IGNORED.tooSoon.test(answer)) {
    return { kind: "failed", result: `${result}: rate limited`, aboveRate: true };
  }
  return outcome;
}

/** Seconds or a date (RFC 9110 section 10.2.3), as milliseconds from now. */
function waitFrom(text: string | null, nowMs: number): number | undefined {
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return ms > 0 ? Math.min(ms, RETRY_AFTER_MAX_MS) : undefined;
}

/** Reads the beginning of the answer; the rest is cut off with the connection. */
async function beginning(response: Response): Promise<string> {
  if (!response.body) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let left = ANSWER_BYTES_MAX;
  while (left > 0) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value.subarray(0, left), { stream: true });
    left -= value.byteLength;
  }
  await reader.cancel();
  return text;
}

/** The reason in our own words: the runtimes' hold the URL. */
function reasonOf(url: string, cause: unknown): string {
  const { kind, reason } = unreached(url, cause);
  return kind === "other" ? "no connection" : reason;
}
