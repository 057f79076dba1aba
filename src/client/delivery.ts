/** Sends one request to the server, again and again until it is answered. */
import { backoffMs, type Clock, sleep } from "../clock.ts";
import { WORKER_LEASE_MS } from "../sync/event_limits.ts";
import { ledAstray, strangerAt, unreached } from "./unreached.ts";

/** The first wait after a failure, doubled up to the last, in milliseconds. */
const BACKOFF_MS = { first: 200, last: 10_000 };
/** Failed tries after which `onSilence` is called: some failures pass by themselves. */
const TOLD_TRIES = 3;
/**
 * A request without an answer is given up after a third of the lease, and sent again: its connection
 * may be dead where another one gets through. The shortest and the longest wait, in milliseconds.
 */
const ANSWER_MS = { least: 5_000, most: 30_000 };
/** How many tries or signs of life there are in the time of one lease. */
export const LIVES_A_LEASE = 3;
/** Where jobs are created. */
export const JOBS_PATH = "/v1/sync/job";
/** Problems of the request itself: sent again, it would be refused again. */
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
/** Problems of the key: a running worker has no other. */
const OF_THE_KEY = ["unauthenticated", "forbidden"];

/** A request as it is handed to `fetch`. */
export interface Posted {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
  readonly signal: AbortSignal;
}

/** A server, and the key to ask it with. */
export interface Endpoint {
  /** `https://host/prefix` */
  readonly server: string;
  /** An API key with the scope `write`. */
  readonly key: string;
  readonly fetch: (url: string, asked: Posted) => Promise<Response>;
  readonly clock: Clock;
  /** The lease: how long the worker may be silent, in milliseconds; WORKER_LEASE_MS when left out. */
  readonly leaseMs?: number;
  /** Whether to send again after a refusal with this HTTP status. */
  readonly mayPass?: (status: number) => boolean;
}

/** The result of a request; `abandoned` when the caller's signal has fired. */
export type Answer =
  // deno-lint-ignore no-explicit-any -- the server's JSON
  | { readonly kind: "done"; readonly json: any }
  // deno-lint-ignore no-explicit-any -- the server's JSON
  | { readonly kind: "refused"; readonly status: number; readonly problem: any }
  | { readonly kind: "abandoned" };

/** Nobody knows whether the request arrived: the same is to be sent again. */
export interface Unanswered {
  readonly kind: "unanswered";
  /** Milliseconds to wait before that; 0 when the server did not say. */
  readonly waitMs: number;
  /** In words, for people. */
  readonly reason: string;
  /** Whether something has answered that is no synctail server. */
  readonly strange?: boolean;
}

/** Why the server or the key cannot be used, in words; undefined when they look usable. */
export function unusable({ server, key }: Pick<Endpoint, "server" | "key">): string | undefined {
  if (!/^https?:\/\//i.test(server) || !URL.canParse(server)) {
    return `the server's address "${server}" is no http or https URL`;
  }
  if (namesUser(server)) return "the server's address has a user or a password";
  if (key === "") return "there is no key";
  return isKey(key) ? undefined : "the key has characters that no key has";
}

/** Whether a URL has a user or a password: Deno would send them in the place of the key. */
export function namesUser(url: string): boolean {
  const { username, password } = new URL(url);
  return username !== "" || password !== "";
}

/** Whether a text can be a key: others cannot be sent in a header. */
export function isKey(text: string): boolean {
  return /^[\x20-\x7e]+$/.test(text);
}

/**
 * Posts the body until the server accepts or finally refuses it. After anything else (no answer,
 * 408, 429, 5xx, an answer that is not a synctail server's) it is sent again, after `Retry-After`
 * or a growing wait, several times within a lease.
 *
 * @param given ends the tries when it fires
 * @param onSilence called once, after TOLD_TRIES tries, with the reason in words
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
 * Milliseconds to wait after so many failures in a row: what the server asks for unless that is 0,
 * else a growing wait with jitter. At most a third of the lease, so that the job is not lost
 * meanwhile.
 */
export function pauseMs(failures: number, askedMs: number, leaseMs = WORKER_LEASE_MS): number {
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
 * Whether the same request would be refused again.
 *
 * @param created whether the request was for a job that exists: only then does `not-found` mean
 *   that the job is gone
 */
export function isOfWhatWasSent(problem: unknown, created: boolean): boolean {
  const code = codeIn(problem);
  return OF_WHAT_WAS_SENT.includes(code) || (code === "not-found" && created);
}

/** The last part of a problem's `type`; "" when it is not a problem of a synctail server. */
export function codeIn(problem: unknown): string {
  return /\/problems\/([a-z-]+)$/.exec(String(membersOf(problem).type))?.[1] ?? "";
}

/** The members of a JSON object; none for any other value. */
export function membersOf(problem: unknown): { readonly [name: string]: unknown } {
  return typeof problem === "object" && problem !== null ? { ...problem } : {};
}

/** How often progress is worth a request, in milliseconds; undefined where an answer does not say. */
export function intervalMsIn(json: unknown): number | undefined {
  const { interval_ms: ms } = membersOf(json);
  return typeof ms === "number" && ms > 0 ? ms : undefined;
}

/** Posts the body once. @param leave when it fires, the answer is no longer waited for */
export async function attempt(
  { server, fetch, key, clock, mayPass, leaseMs = WORKER_LEASE_MS }: Endpoint,
  path: string,
  body: string | undefined,
  headers: Readonly<Record<string, string>>,
  leave?: AbortSignal,
): Promise<Exclude<Answer, { kind: "abandoned" }> | Unanswered> {
  const url = `${server.replace(/\/+$/, "")}${path}`;
  const late = new AbortController();
  const giveUp = () => late.abort();
  const { least, most } = ANSWER_MS;
  const answerMs = Math.min(Math.max(leaseMs / LIVES_A_LEASE, least), most);
  const callOff = clock.after(answerMs, giveUp);
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
    if (!response.ok) return { kind: "refused", status, problem: json };
    // Some proxies answer with success for a host or a path that they do not know.
    const always = path === JOBS_PATH ? "id" : "interval_ms";
    return membersOf(json)[always] === undefined ? stranger(server) : { kind: "done", json };
  } catch (cause) {
    // No connection, a broken one, or a proxy's page instead of JSON.
    if (cause instanceof SyntaxError) return stranger(server);
    return { kind: "unanswered", waitMs: 0, reason: unreached(url, cause).words };
  } finally {
    callOff();
    leave?.removeEventListener("abort", giveUp);
  }
}

function stranger(server: string): Unanswered {
  return { kind: "unanswered", waitMs: 0, reason: strangerAt(server), strange: true };
}
