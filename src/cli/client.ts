/** Requests to a server's API. */
import { Buffer } from "node:buffer";
import { membersOf } from "../client/delivery.ts";
import { fetchFrom } from "../client/fetch_from.ts";
import { ledAstray, strangerAt, unreached } from "../client/unreached.ts";
import { type Clock, sleep, systemClock } from "../clock.ts";
import { parsedJson } from "../sync/json.ts";
import { RefusedError } from "./exit.ts";
import { refusalOf } from "./follow.ts";
import { chunksOf, patiently } from "./patience.ts";

/** The members that are used here of a job as the API answers it. */
export interface JobAnswer {
  readonly id: string;
  readonly status: string;
  readonly ended_at: string | null;
}

/** How often a request is made that its key may not make yet, and the longest wait between two. */
const BUSY_TRIES = 100;
const BUSY_MS_MAX = 10_000;

/** A server and a key for it. */
export interface Client {
  readonly server: string;
  readonly key: string;
  /** The tenant to act for, when the key may act for others; the key's own when left out. */
  readonly tenant?: string;
  /** Fingerprint of its certificate, when it is this machine's own server and speaks HTTPS. */
  readonly fingerprint?: string;
  /** Where people reach its pages, when that is known to be elsewhere. */
  readonly pages?: string;
}

/**
 * Runs a sync.
 *
 * @param signal gives the answer up: then nobody knows whether it runs
 * @throws {RefusedError} with the server's words
 */
export async function runSync(
  client: Client,
  sync: string,
  signal?: AbortSignal,
): Promise<JobAnswer> {
  const path = `/v1/sync/${encodeURIComponent(sync)}/run`;
  return await sendTo(client, "POST", path, `run sync "${sync}"`, { signal }).json("id");
}

/** Asks a job to stop. @throws {RefusedError} with the server's words */
export async function cancelJob(client: Client, job: string): Promise<JobAnswer> {
  const path = `/v1/sync/job/${encodeURIComponent(job)}/cancel`;
  return await sendTo(client, "POST", path, `cancel job "${job}"`).json("id");
}

/** Removes a job and all that is known of it. @throws {RefusedError} with the server's words */
export async function removeJob(client: Client, job: string): Promise<void> {
  await sendTo(client, "DELETE", `/v1/sync/job/${job}`, `remove job "${job}"`).done();
}

/** All jobs, newest first, page by page. @throws {RefusedError} with the server's words */
export async function* jobsOf(
  client: Client,
  filter: Readonly<Record<string, string>>,
): AsyncGenerator<JobAnswer, void, void> {
  let cursor: string | null = null;
  do {
    const query = new URLSearchParams({ ...filter, limit: "200", ...(cursor && { cursor }) });
    const page: { items: JobAnswer[]; next_cursor: string | null } = await sendTo(
      client,
      "GET",
      `/v1/sync/jobs?${query}`,
      "list jobs",
    ).json("items");
    yield* page.items;
    cursor = page.next_cursor;
  } while (cursor !== null);
}

/**
 * A request, and the ways to take its answer: it is sent when one of them is called.
 *
 * @param what the action, for the error
 * @throws {RefusedError} with the server's words, or why there are none
 */
export function sendTo(
  { server, key, tenant, fingerprint }: Client,
  method: string,
  path: string,
  what: string,
  { signal, clock = systemClock }: { readonly signal?: AbortSignal; readonly clock?: Clock } = {},
) {
  const cannot = (cause: unknown): never => {
    throw new RefusedError(`Cannot ${what}: ${unreached(server, cause).words}`, { cause });
  };
  const answered = async () => {
    const headers = {
      Authorization: `Bearer ${key}`,
      ...(tenant !== undefined && { "Synctail-Tenant": tenant }),
    };
    const url = server + path;
    for (let tries = 1;; tries++) {
      const response = await patiently(
        clock,
        signal,
        (signal) => fetchFrom(url, { method, headers, signal }, fingerprint),
      ).catch(cannot);
      if (response.ok) return response;
      const { status } = response;
      const { words: said, ours } = await patiently(clock, signal, () => refusalOf(response))
        .catch(cannot);
      if (status === 429 && ours && tries < BUSY_TRIES) {
        await sleep(clock, waitMs(response), signal);
        continue;
      }
      const reason = ledAstray(server, response) ?? said;
      const words = reason.startsWith("Cannot ") ? reason : `Cannot ${what}: ${reason}`;
      throw new RefusedError(words, { status: ours ? status : undefined });
    }
  };
  const read = async function* (body: Response["body"]): AsyncGenerator<Uint8Array, void, void> {
    try {
      if (body) yield* chunksOf(clock, signal, body);
    } catch (cause) {
      cannot(cause);
    }
  };
  return {
    /** An object that has the member, at least. */
    // deno-lint-ignore no-explicit-any -- the server's JSON
    json: async (member: string): Promise<any> => {
      const { body } = await answered();
      const json = parsedJson(String(Buffer.concat(await Array.fromAsync(read(body)))));
      if (membersOf(json)[member] !== undefined) return json;
      throw new RefusedError(`Cannot ${what}: ${strangerAt(server)}`);
    },
    /** Resolves when the server has accepted the request. */
    body: async () => read((await answered()).body),
    done: async () => void await (await answered()).body?.cancel(),
  };
}

/** Milliseconds after which the request may be made again. */
function waitMs({ headers }: Response): number {
  const seconds = Number(headers.get("Retry-After") ?? 1);
  return Math.min(seconds * 1000, BUSY_MS_MAX) || 0;
}
