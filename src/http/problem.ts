/** Errors for clients, as RFC 9457 problems. */

import type { Status } from "../sync/status.ts";

/** Every problem of this server, with status and title. The code ends `type` and never changes. */
export const PROBLEMS = {
  "invalid-request": [400, "The request is not valid"],
  "unauthenticated": [401, "An API key is needed"],
  "forbidden": [403, "The key does not allow this"],
  "misdirected": [421, "That host is not served here"],
  "not-found": [404, "Not found"],
  "method-not-allowed": [405, "This resource does not know that method"],
  "already-running": [409, "The sync is running already"],
  "not-runnable": [409, "The sync is run elsewhere"],
  "job-exists": [409, "There is another job of that id"],
  "job-ended": [409, "The job has ended"],
  "not-outside": [409, "The server runs this job itself"],
  "producer-fenced": [409, "Another has taken over from this producer"],
  "producer-out-of-order": [409, "Another request of this producer comes first"],
  "counter-went-back": [409, "A running total went back"],
  "body-timeout": [408, "The body stood still for too long"],
  "body-too-large": [413, "The body is too large"],
  "unsupported-media-type": [415, "The body is of a type that is not read here"],
  "too-many-events": [429, "Too many events a second"],
  "too-many-jobs": [429, "Too many jobs on their way"],
  "too-many-requests": [429, "Too many requests a second"],
  "internal-fault": [500, "Something broke inside the server"],
  "identity-provider-unreachable": [503, "The token cannot be checked now"],
  "storage-fault": [503, "It cannot be stored or read now"],
  "stopping": [503, "The server is stopping"],
  "storage-full": [507, "There is no room left to store it"],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof PROBLEMS;

/** One thing that is wrong with a request, and where: a JSON pointer (RFC 6901) or a name. */
export interface Invalid {
  readonly pointer?: string;
  readonly parameter?: string;
  readonly header?: string;
  readonly detail: string;
}

/** Members of a problem beyond those of the RFC. */
export interface ProblemExtras {
  readonly errors?: readonly Invalid[];
  /** already-running: the job that runs. */
  readonly job_id?: string;
  /** job-ended: how it ended. */
  readonly job_status?: Status;
  /** producer-out-of-order: the number of the request that is expected. */
  readonly expected_seq?: number;
  /** Line of an NDJSON body, from 1. */
  readonly line?: number;
  /** How many events of the refused request are in the log, and their first and last seq. */
  readonly accepted?: number;
  readonly first_seq?: number | null;
  readonly last_seq?: number;
}

/**
 * Thrown by handlers and answered as `application/problem+json`.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9457
 */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  readonly extras: ProblemExtras;
  readonly headers: Readonly<Record<string, string>>;

  /** @param detail what was asked, with its value, and why it was refused */
  constructor(
    code: ProblemCode,
    detail: string,
    extras: ProblemExtras = {},
    headers: Readonly<Record<string, string>> = {},
    options?: ErrorOptions,
  ) {
    super(detail, options);
    this.code = code;
    this.extras = extras;
    this.headers = headers;
  }

  /** The answer. @param prefix what stands before every path of this server, such as `/synctail` */
  response(prefix: string): Response {
    const [status, title] = PROBLEMS[this.code];
    const type = `${prefix}/problems/${this.code}`;
    return new Response(
      JSON.stringify({ type, title, status, detail: this.message, ...this.extras }),
      { status, headers: { "Content-Type": "application/problem+json", ...this.headers } },
    );
  }
}

/** One body for every 404 below /v1, so that nobody learns what exists elsewhere. */
export function notFound(): Problem {
  return new Problem("not-found", "There is nothing here under this id or path for this key");
}
