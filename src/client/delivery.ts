/** One request to the server, again and again until it is answered. */
import { backoffMs, type Clock, sleep } from "../clock.ts";
import { ledAstray, unreached } from "./unreached.ts";

/** The first wait after a failure, doubled up to the last, in milliseconds. */
const BACKOFF_MS = { first: 200, last: 10_000 };
/** Tries of a request after which it is told that nobody answers: some pass by themselves. */
const TOLD_TRIES = 3;
/** A request without an answer is given up after so many milliseconds, and sent again. */
const ANSWER_MS = 30_000;
/** Tries and signs of life in the time of one lease. */
export const LIVES_A_LEASE = 3;
/** Where jobs are created. */
export const JOBS_PATH = "/v1/sync/job";
/** Problems of what was sent, which would come again; others may pass, or are another server's. */
const OF_WHAT_WAS_SENT = [
  "invalid-request",
  "job-exists",
  "job-ended",
  "not-outside",
  "producer-fenced",
  "producer-out-of-order",
  "counter-went-back",
  "body-too-large",
];
/** Problems of the key, which a worker that goes on has for good. */
const OF_THE_KEY = ["unauthenticated", "forbidden"];

/** A request as it is handed to `fetch`. */
export interface Posted {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
  readonly signal: AbortSignal;
}

/** Where a server is and who asks. */
export interface Endpoint {
  /** `https://host/prefix` */
  readonly server: string;
  /** An API key with the scope `write`. */
  readonly key: string;
  readonly fetch: (url: string, asked: Posted) => Promise<Response>;
  readonly clock: Clock;
  /** How long who asks may be silent, in milliseconds; without end when left out. */
  readonly leaseMs?: number;
  /** Whether a refusal may be over soon, so that it is worth asking again. */
  readonly mayPass?: (status: number) => boolean;
}

/** What a request came to: an answer, a refusal that would come again, or nothing in time. */
export type Answer =
  // deno-lint-ignore no-explicit-any -- the server's JSON
  | { readonly kind: "done"; readonly json: any }
  // deno-lint-ignore no-explicit-any -- the server's JSON
  | { readonly kind: "refused"; readonly status: number; readonly problem: any }
  | { readonly kind: "abandoned" };

/** Nothing is known of the request: the same is to be sent once more. */
export interface Unanswered {
  readonly kind: "unanswered";
  /** Milliseconds to wait before; 0 for as long as one likes. */
  readonly waitMs: number;
  /** In words, for people. */
  readonly reason: string;
}

/** Why nobody can be asked so, in words; undefined where that is to be tried. */
export function unusable({ server, key }: Pick<Endpoint, "server" | "key">): string | undefined {
  if (!/^https?:\/\//i.test(server) || !URL.canParse(server)) {
    return `the server's address "${server}" is no http or https URL`;
  }
  if (key === "") return "there is no key";
  return /^[\x20-\x7e]+$/.test(key) ? undefined : "the key has characters that no key has";
}

/**
 * Posts the body. No answer, 408, 429, 5xx and what no synctail server there has said mean: the same
 * once more, after `Retry-After` or a growing wait, before the lease is over.
 *
 * @param given ends the tries when it fires
 * @param onSilence called once after some tries, with the reason in words
 */
export async function deliver(
  endpoint: Endpoint,
  path: string,
  body: string | undefined,
  headers: Readonly<Record<string, string>>,
  given: AbortSignal,
  onSilence: (reason: string) => void,
): Promise<Answer> {
  const { clock, leaseMs } = endpoint;
  for (let tries = 1;; tries++) {
    if (given.aborted) return { kind: "abandoned" };
    const answer = await attempt(endpoint, path, body, headers);
    if (answer.kind === "done") return answer;
    if (answer.kind === "refused" && isFinal(answer.problem, path)) return answer;
    const { reason, waitMs: afterMs } = answer.kind === "unanswered"
      ? answer
      : { reason: `${endpoint.server} answers ${wordsOf(answer)}`, waitMs: 0 };
    if (tries === TOLD_TRIES) onSilence(reason);
    await sleep(clock, pauseMs(tries, afterMs, leaseMs), given);
  }
}

/**
 * How long to wait after so many failures in a row: what the server asks for, if that is not 0, else
 * each time somewhat otherwise, and never so long that the job could be lost meanwhile.
 */
export function pauseMs(failures: number, askedMs: number, leaseMs = Infinity): number {
  const ownMs = backoffMs(failures, BACKOFF_MS) * (0.5 + Math.random() / 2);
  return Math.min(askedMs || ownMs, leaseMs / LIVES_A_LEASE);
}

function isFinal(problem: unknown, path: string): boolean {
  return OF_THE_KEY.includes(codeIn(problem)) || isOfWhatWasSent(problem, path !== JOBS_PATH);
}

function wordsOf({ status, problem }: { readonly status: number; readonly problem: unknown }) {
  const { detail } = membersOf(problem);
  return `${status}${typeof detail === "string" ? `: ${detail}` : ""}`;
}

/**
 * Whether the same would be refused again.
 *
 * @param created whether it was of a job that was there: only that can be gone, and where none can be
 *   created is no server
 */
export function isOfWhatWasSent(problem: unknown, created: boolean): boolean {
  const code = codeIn(problem);
  return OF_WHAT_WAS_SENT.includes(code) || (code === "not-found" && created);
}

/** The last part of a problem's type; "" where it is none of a synctail server. */
export function codeIn(problem: unknown): string {
  return /\/problems\/([a-z-]+)$/.exec(String(membersOf(problem).type))?.[1] ?? "";
}

/** What JSON has inside; nothing where it is no object. */
export function membersOf(problem: unknown): { readonly [name: string]: unknown } {
  return typeof problem === "object" && problem !== null ? { ...problem } : {};
}

/**
 * Posts the body once.
 *
 * @param leave when it fires, the answer is not waited for
 */
export async function attempt(
  { server, fetch, key, clock, mayPass }: Endpoint,
  path: string,
  body: string | undefined,
  headers: Readonly<Record<string, string>>,
  leave?: AbortSignal,
): Promise<Exclude<Answer, { kind: "abandoned" }> | Unanswered> {
  const url = `${server.replace(/\/+$/, "")}${path}`;
  const late = new AbortController();
  const giveUp = () => late.abort();
  const callOff = clock.after(ANSWER_MS, giveUp);
  leave?.addEventListener("abort", giveUp);
  try {
    const response = await fetch(url, {
      method: "POST",
      body,
      headers: {
        Authorization: `Bearer ${key}`,
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...headers,
      },
      signal: late.signal,
    });
    const text = await response.text();
    const { status } = response;
    if (status === 408 || status === 429 || status >= 500 || mayPass?.(status)) {
      const seconds = Number(response.headers.get("Retry-After"));
      const waitMs = seconds > 0 ? seconds * 1000 : 0;
      return { kind: "unanswered", waitMs, reason: `${server} answers ${status}` };
    }
    const astray = ledAstray(server, response);
    if (astray !== undefined) return { kind: "unanswered", waitMs: 0, reason: astray };
    const json = JSON.parse(text || "null");
    return response.ok ? { kind: "done", json } : { kind: "refused", status, problem: json };
  } catch (cause) {
    // No connection, a broken one, or a proxy's page instead of JSON.
    const reason = cause instanceof SyntaxError
      ? `what answers at ${server} is no synctail server`
      : unreached(url, cause).words;
    return { kind: "unanswered", waitMs: 0, reason };
  } finally {
    callOff();
    leave?.removeEventListener("abort", giveUp);
  }
}
