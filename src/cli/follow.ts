/** Follows a job over the public stream, as any client would. */
import { EventSourceParserStream } from "eventsource-parser/stream";
import { type Clock, sleep } from "../clock.ts";
import { codeIn, membersOf } from "../client/delivery.ts";
import { fetchFrom } from "../client/fetch_from.ts";
import { ledAstray, unreached } from "../client/unreached.ts";
import { clean } from "../sync/clean.ts";
import { parsedJson } from "../sync/json.ts";
import { RefusedError } from "./exit.ts";
import { Patience, SILENCE } from "./patience.ts";

/** A frame's JSON; only `type` is always there. */
export interface Payload {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** Log lines that are asked for beside progress. */
export interface WantedLogs {
  /** The least level. */
  readonly level: string;
  /** How many of those that there are already come first. */
  readonly tail: number;
}

export interface FollowOptions {
  readonly server: string;
  readonly key: string;
  /** As in Client. */
  readonly fingerprint?: string;
  readonly job: string;
  readonly logs?: WantedLogs;
  readonly signal?: AbortSignal;
  readonly clock: Clock;
  /** Called when there is no connection, with words for people and the wait until the next try. */
  readonly onLost: (words: string, waitMs: number) => void;
}

/** The longest wait before a reconnect, in milliseconds. */
const WAIT_MS_MAX = 15_000;
const WAIT_MS = 1_000;
/** The reason where something else answers in the server's place. */
const STRANGER = "what answers there is no synctail server";

/** The answer is unusable, or the stream has ended too early; its message is the reason. */
class BrokenOffError extends Error {
  override readonly name = "BrokenOffError";
}

/**
 * Yields every frame until the terminal one. Reconnects with Last-Event-ID when the connection is
 * lost. Ends early, without an error, when the signal fires, or when the connection ends after a
 * farewell.
 *
 * @throws {RefusedError} when the server answers 4xx except 429, or, before it was connected,
 *   something else in its place does, or when its certificate is not accepted from the start
 */
export async function* follow(options: FollowOptions): AsyncGenerator<Payload, void, void> {
  const { server, job, signal, clock } = options;
  let connected = false;
  let farewell = false;
  let lastId: string | undefined;
  let retryMs = WAIT_MS;
  let waitMs = 0;
  while (!signal?.aborted) {
    const patience = new Patience(clock, signal);
    try {
      const body = await connect({ ...options, signal: patience.signal }, { lastId, connected });
      connected = true;
      const { signal } = patience;
      const events = body.pipeThrough(new TextDecoderStream(), { signal }).pipeThrough(
        new EventSourceParserStream({ onRetry: (ms) => retryMs = ms }),
      );
      for await (const event of events) {
        patience.renew();
        const payload = payloadOf(event.data);
        waitMs = 0;
        if (event.id !== undefined) lastId = event.id;
        yield payload;
        farewell = isFarewell(payload);
        if (isTerminalPayload(payload)) return;
      }
      throw new BrokenOffError("the stream ended before the job did");
    } catch (cause) {
      if (signal?.aborted || farewell) return;
      if (cause instanceof RefusedError) throw cause;
      const lost = lostBy(server, patience.over ? new BrokenOffError(SILENCE) : cause);
      // A server that was trusted before may be getting a new certificate.
      if (lost.kind === "certificate" && !connected) {
        throw new RefusedError(`Cannot watch job "${job}": ${lost.words}`, { cause });
      }
      waitMs = waitMs === 0 ? retryMs : Math.min(waitMs * 2, WAIT_MS_MAX);
      const before = connected ? "Connection lost" : "No connection yet";
      options.onLost(`${before}: ${lost.words}`, waitMs);
      await sleep(clock, waitMs, signal);
    } finally {
      patience.end();
    }
  }
}

function lostBy(server: string, cause: unknown): { readonly kind: string; readonly words: string } {
  if (!(cause instanceof BrokenOffError)) return unreached(server, cause);
  return { kind: "other", words: `${server}: ${cause.message}` };
}

/** Whether the job is over with this frame. */
export function isTerminalPayload(payload: Payload): boolean {
  return payload.type === "progress" && "is_complete" in payload;
}

/** Whether reconnecting after this frame is useless: the job, or the right to see it, is gone. */
export function isFarewell({ type, code }: Payload): boolean {
  return type === "error" && (code === "job_deleted" || String(code).startsWith("access_"));
}

/** @throws {BrokenOffError} when it is no JSON object, as all frames of the server are */
function payloadOf(data: string): Payload {
  const payload = parsedJson(data);
  if (typeof payload === "object" && payload !== null) return payload as Payload;
  throw new BrokenOffError(STRANGER);
}

async function connect(
  { server, key, fingerprint, job, logs, signal }: FollowOptions,
  { lastId, connected }: { readonly lastId: string | undefined; readonly connected: boolean },
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const query = logs === undefined ? "" : `?logs=${logs.level}&tail=${logs.tail}`;
  const url = `${server}/v1/sync/job/${encodeURIComponent(job)}/subscribe${query}`;
  const headers = new Headers({ Authorization: `Bearer ${key}`, Accept: "text/event-stream" });
  if (lastId !== undefined) headers.set("Last-Event-ID", lastId);
  const response = await fetchFrom(url, { headers, signal }, fingerprint);
  const { ok, status, body } = response;
  if (ok) {
    const stream = response.headers.get("Content-Type")?.startsWith("text/event-stream");
    if (stream && body) return body;
    await body?.cancel();
    throw new BrokenOffError(STRANGER);
  }
  const { words, ours } = await refusalOf(response);
  const reason = ledAstray(server, response) ?? words;
  // A gateway may not find the server for a while.
  const final = status >= 400 && status < 500 && status !== 429 && (ours || !connected);
  if (final) throw new RefusedError(`Cannot watch job "${job}" at ${server}: ${reason}`);
  throw new BrokenOffError(reason);
}

/** The words of an answer that is not a success, and whether they are a synctail server's. */
export async function refusalOf(
  response: Response,
): Promise<{ readonly words: string; readonly ours: boolean }> {
  const problem = parsedJson(await response.text());
  const { detail } = membersOf(problem);
  if (typeof detail === "string") {
    return { words: `${clean(detail)} (${response.status})`, ours: codeIn(problem) !== "" };
  }
  // Not a problem of ours, perhaps a proxy's page: only the status is told.
  return { words: `the server answered ${response.status}`, ours: false };
}
