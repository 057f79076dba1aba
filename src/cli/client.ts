/** Talking to a server's API. */
import { reasonOf, RefusedError } from "./follow.ts";

/** A job as the API answers it; what is used here of it. */
export interface JobAnswer {
  readonly id: string;
  readonly status: string;
}

/** A server and a key for it. */
export interface Client {
  readonly server: string;
  readonly key: string;
}

/**
 * Runs a sync.
 *
 * @throws {RefusedError} with the server's words
 */
export async function runSync(client: Client, sync: string): Promise<JobAnswer> {
  return await post(client, `/v1/sync/${encodeURIComponent(sync)}/run`, `run sync "${sync}"`);
}

/** Asks a job to stop. @throws {RefusedError} with the server's words */
export async function cancelJob(client: Client, job: string): Promise<JobAnswer> {
  return await post(
    client,
    `/v1/sync/job/${encodeURIComponent(job)}/cancel`,
    `cancel job "${job}"`,
  );
}

async function post({ server, key }: Client, path: string, what: string): Promise<JobAnswer> {
  const headers = { Authorization: `Bearer ${key}` };
  const response = await fetch(server + path, { method: "POST", headers }).catch((cause) => {
    throw new RefusedError(`Cannot ${what}: ${server} does not answer`, { cause });
  });
  if (!response.ok) throw new RefusedError(`Cannot ${what}: ${await reasonOf(response)}`);
  return await response.json();
}
