/** Sends a test message to a target, in the same way as real ones. */
import { randomBytes, randomUUID } from "node:crypto";
import type { Clock } from "../../clock.ts";
import { attempt, type Outcome } from "./attempt.ts";
import type { Message } from "./message.ts";
import { requestFor } from "./request.ts";
import type { Target } from "./target.ts";
import { cut } from "../../sync/cut.ts";
import { DEFAULT_TENANT } from "../../sync/ids.ts";
import { isoTime } from "../../sync/iso_time.ts";

/** How many characters of an answer are shown. */
const SHOWN_MAX = 300;

/** Sends a test message once. `answer` shows neither the URL nor a secret. */
export async function tryTarget(
  target: Target,
  clock: Clock,
  signal: AbortSignal,
): Promise<Outcome> {
  const nowMs = clock.now();
  const id = `msg_${randomBytes(18).toString("base64url")}`;
  const request = requestFor(target, { id, message: sample(nowMs), link: undefined, nowMs });
  const outcome = await attempt(request, clock, signal);
  return { ...outcome, answer: cut(withoutSecrets(outcome.answer, target), SHOWN_MAX) };
}

/** A message about an invented job with all members of a job. */
function sample(nowMs: number): Message {
  const at = isoTime(nowMs);
  const sync = { id: randomUUID(), name: "test" };
  const job = {
    id: randomUUID(),
    sync_id: sync.id,
    sync: sync.name,
    name: null,
    status: "completed",
    seq: 2,
    entities_inserted: 1,
    entities_updated: 0,
    entities_deleted: 0,
    entities_kept: 0,
    entities_skipped: 0,
    entities_encountered: {},
    tags: [],
    meta: {},
    retry_of: null,
    attempt: 1,
    origin: "worker",
    lease_s: null,
    stalled: false,
    viewers: 0,
    created_at: at,
    started_at: at,
    updated_at: at,
    ended_at: at,
    error: null,
    late_end: null,
  };
  const detail = "This is a test of synctail.";
  return { kind: "test", atMs: nowMs, tenant: DEFAULT_TENANT, sync, job, detail };
}

/** The answer without secrets: a receiver may send back what it was sent. */
function withoutSecrets(answer: string, target: Target): string {
  const { url, authorization } = target;
  const { pathname, search } = new URL(url);
  const secrets = [
    url,
    pathname + search,
    ...pathname.split("/").filter((part) => part.length > 5),
    authorization?.replace(/^\w+ /, ""),
    target.type === "template" ? target.secret : undefined,
  ];
  return secrets.reduce<string>(
    (text, secret) => secret && secret.length > 1 ? text.replaceAll(secret, "***") : text,
    answer,
  );
}
