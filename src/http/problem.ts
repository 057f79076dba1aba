/** Errors for clients, as RFC 9457 problems. */

/** Every problem this server tells: its code is the last part of `type` and never changes. */
export const PROBLEMS = {
  "invalid-request": [400, "The request is not valid"],
  "unauthenticated": [401, "An API key is needed"],
  "forbidden": [403, "The key does not allow this"],
  "not-found": [404, "Not found"],
  "method-not-allowed": [405, "This resource does not know that method"],
  "already-running": [409, "The sync is running already"],
  "body-too-large": [413, "The body is too large"],
  "unsupported-media-type": [415, "The body is of a type that is not read here"],
  "internal-fault": [500, "Something broke inside the server"],
  "stopping": [503, "The server is stopping"],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof PROBLEMS;

/** One thing that is wrong with a request, and where: a JSON pointer (RFC 6901) or a name. */
export interface Invalid {
  readonly pointer?: string;
  readonly parameter?: string;
  readonly detail: string;
}

/** Members of a problem beyond those of the RFC. */
export interface ProblemExtras {
  readonly errors?: readonly Invalid[];
  /** already-running: the job that is. */
  readonly job_id?: string;
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
  ) {
    super(detail);
    this.code = code;
    this.extras = extras;
    this.headers = headers;
  }

  /** The answer. */
  response(): Response {
    const [status, title] = PROBLEMS[this.code];
    const type = `/problems/${this.code}`;
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
