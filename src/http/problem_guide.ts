/** What each problem means and what to do about it, for the people who meet it. */
import { EVENTS_MAX } from "../sync/event_limits.ts";
import { BODY_BYTES_MAX, SIGN_IN_BYTES_MAX } from "./body.ts";
import type { ProblemCode } from "./problem.ts";
import { SMALL_BYTES_MAX } from "./small_bodies.ts";

export interface Guide {
  /** What has happened. */
  readonly meaning: string;
  /** What the reader can do. */
  readonly remedy: string;
  /** Where it may occur beside the routes that list it. */
  readonly anywhere?: string;
}

/** A guide for every code. */
export const GUIDES: Readonly<Record<ProblemCode, Guide>> = {
  "invalid-request": {
    meaning: "Something in the request is not as it has to be. `detail` says what, and `errors` " +
      "names each place: a JSON pointer into the body, a parameter or a header. Of an NDJSON " +
      "body `line` is the line, and `accepted` says how many events before it are kept.",
    remedy: "Correct what is named; the same request will be refused again.",
    anywhere: "every request whose `Synctail-Tenant` can be no tenant's name",
  },
  "unauthenticated": {
    meaning: "The request carries no key, or one that is unknown, revoked or expired.",
    remedy: "Send `Authorization: Bearer KEY` or `X-API-Key: KEY`. `synctail keys create` makes " +
      "a key, `synctail keys list` shows which are in force. In a browser sign in again.",
  },
  "forbidden": {
    meaning: "The key is right, but it may not do this: it lacks a scope, it would act for " +
      "another tenant, or a request by cookie came from a page elsewhere.",
    remedy: "Use a key with the scope that `detail` names. Scopes of a stored key never change; " +
      "make another: `synctail keys create --scopes read,run,write`. Where the server's own page " +
      "is refused, a proxy hides the address at which people open it: start the server with " +
      "`--public-url`.",
  },
  "misdirected": {
    meaning: "The request names a host (`Host`, or what a trusted proxy has forwarded) that this " +
      "server does not answer to. That keeps pages elsewhere from reaching it under a name of " +
      "their own (DNS rebinding).",
    remedy: "Start the server with `--public-url https://that.host`, or name the host in " +
      "`--allowed-hosts`. Behind a proxy let it pass the `Host` on.",
    anywhere: "every request",
  },
  "not-found": {
    meaning: "There is nothing under this id or path for this key. A job of another tenant is " +
      "not found either.",
    remedy: "Look at the id, at the tenant of the key, and whether the job was removed since " +
      "(`--retention-age`).",
  },
  "method-not-allowed": {
    meaning: "The path exists, but not with this method; the header `Allow` has those it knows.",
    remedy: "Use one of those; `docs` below the server's address shows what each is for.",
    anywhere: "every path",
  },
  "already-running": {
    meaning: "The sync runs at this moment, and a sync runs once at a time. `job_id` is the job.",
    remedy: "Follow that job, cancel it, or wait for its end.",
  },
  "not-runnable": {
    meaning: "The server knows the sync only from workers that have named it; its work is done " +
      "elsewhere.",
    remedy: "Start it where its worker lives. To have it run here, configure it in the file of " +
      "`--config`.",
  },
  "job-exists": {
    meaning:
      "A job of that id is there, and it is of another sync, or the server runs it itself. " +
      "Else the request would have been taken as a repetition and answered with the job.",
    remedy: "Leave the id out, or choose another.",
  },
  "job-ended": {
    meaning: "The job is over, as `job_status` says, and nothing can follow its end. A worker " +
      "that was silent for longer than its lease has lost its job in this way.",
    remedy: "Stop the work, or create another job with `retry_of`. A worker that is lost though " +
      "it works needs a longer `lease_s`, or has to post more often.",
  },
  "not-outside": {
    meaning: "The events are of a job that the server runs itself; only it writes of that one.",
    remedy: "Create a job of your own: `POST /v1/sync/job`.",
  },
  "producer-fenced": {
    meaning: "Another process posts under the same `Producer-Id` with a higher " +
      "`Producer-Epoch`: it has taken over.",
    remedy: "Stop; the work goes on elsewhere. Two workers of one job need ids of their own.",
  },
  "producer-out-of-order": {
    meaning: "`Producer-Seq` is not the number that comes next for this producer; " +
      "`expected_seq` is. A request before this one has not arrived.",
    remedy: "Send the requests one after another, from `expected_seq` on. A producer that has " +
      "started anew raises its `Producer-Epoch` and counts from 0.",
  },
  "counter-went-back": {
    meaning: "A count is lower than this producer has said before. Counts are running totals.",
    remedy: 'Post totals, or differences with `"delta": true`. A producer that counts anew ' +
      "raises its `Producer-Epoch`.",
  },
  "body-timeout": {
    meaning: "A body was begun and then stood still for longer than `--body-idle-ms`.",
    remedy: "Send what there is and end the request; what is sent line by line (NDJSON) may go " +
      "on for as long as lines come.",
    anywhere: "every request with a body",
  },
  "body-too-large": {
    meaning:
      `A JSON body, or one line of NDJSON, is larger than ${BODY_BYTES_MAX} bytes (to sign in ${SIGN_IN_BYTES_MAX}), or an array has more than ${EVENTS_MAX} events. Under Deno also: a GET of a stream, of log lines or of events has a body in chunks, or one of more than ${SMALL_BYTES_MAX} bytes.`,
    remedy: "Split it. NDJSON may be of any length as a whole. A GET needs no body.",
    anywhere: "every request with a body",
  },
  "unsupported-media-type": {
    meaning: "The body's `Content-Type` is none that is read here, or it has none; or it has a " +
      "`Content-Encoding`, such as gzip.",
    remedy: "Send `Content-Type: application/json`; events may also be `application/x-ndjson`. " +
      "Send no `Content-Encoding`.",
    anywhere: "every request with a body",
  },
  "too-many-requests": {
    meaning: "The key has made more requests a second than `--requests-per-s` allows.",
    remedy: "Wait as many seconds as `Retry-After` says, then send the same again.",
    anywhere: "every route below /v1 with a key, but streams: they are asked to come back",
  },
  "too-many-events": {
    meaning: "More events were posted within a second than `--events-per-s` allows of one job, " +
      "or `--tenant-events-per-s` of all jobs of a tenant; `detail` says of which.",
    remedy: "Wait for the seconds of `Retry-After`, then send the same again. Post totals a few " +
      "times a second instead of one event an entity.",
  },
  "too-many-jobs": {
    meaning: "As many jobs of the tenant are on their way as `--jobs-per-tenant` allows.",
    remedy:
      "End the jobs whose work is over: one whose worker has never said so counts until its " +
      "lease runs out. Then send the same again, no sooner than `Retry-After` says.",
  },
  "internal-fault": {
    meaning: "The server has a fault. It may have carried the request out, or not.",
    remedy:
      "Try again later: a job with an `id` and events with a `Producer-Seq` are taken once. " +
      "Whoever runs the server finds the reason in its log, by the answer's `X-Request-Id`.",
    anywhere: "every request",
  },
  "identity-provider-unreachable": {
    meaning: "The token is of an identity provider whose keys cannot be fetched now, so nobody " +
      "can say whether it is right.",
    remedy: "Try again after the seconds of `Retry-After`. API keys work all the same.",
    anywhere: "every request with a token",
  },
  "stopping": {
    meaning: "The server is about to end and begins nothing new. Of an NDJSON body that it did " +
      "not wait for, `accepted` says how many events are kept.",
    remedy: "Try again after the seconds of `Retry-After`: another server, or the same one " +
      "started anew, will answer.",
    anywhere: "`GET /readyz`, requests with a body, requests that the end does not wait for",
  },
  "storage-fault": {
    meaning: "The disk with the log failed, when it was written or read. Nothing that was " +
      "acknowledged is lost by that.",
    remedy:
      "Send the same again after the seconds of `Retry-After`. Whoever runs the server looks " +
      "at the disk; the server's log has the system's own words. Where they stay \"malformed\" on " +
      "a disk that is well, the file is damaged: `synctail restore` puts a backup in its place.",
    anywhere: "every request",
  },
  "storage-full": {
    meaning: "There is no room where the log is stored. Nothing that was acknowledged is lost.",
    remedy: "Send the same again after the seconds of `Retry-After`. Whoever runs the server " +
      "makes room: a larger disk, a shorter `--retention-age`, `synctail prune`.",
    anywhere: "every request that writes",
  },
};
