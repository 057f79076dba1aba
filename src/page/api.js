// @ts-check
/** Asking the server. */
import { learnTime } from "./time.js";

/** The server has refused a request; the message is the server's. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   * @param {Readonly<Record<string, unknown>>} problem
   */
  constructor(status, detail, problem) {
    super(detail);
    this.status = status;
    this.problem = problem;
  }
}

/** The address below the base. @param {string} path such as `v1/session` */
export function urlOf(path) {
  return new URL(path, document.baseURI).href;
}

/**
 * Makes a request.
 *
 * @param {string} method
 * @param {string} path below the base
 * @param {unknown} [body]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>} the answer's JSON
 * @throws {Refused} for any answer but success; {TypeError} when there is no answer
 */
export async function ask(method, path, body, signal) {
  const headers = body === undefined ? undefined : { "Content-Type": "application/json" };
  const response = await fetch(urlOf(path), {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "same-origin",
    cache: "no-store",
    signal,
  });
  learnTime(response);
  if (response.ok) return response.status === 204 ? undefined : await response.json();
  const problem = await response.json().catch(() => ({})); // a proxy's answer may be no JSON
  const detail = typeof problem.detail === "string"
    ? problem.detail
    : `The server answered ${response.status}`;
  throw new Refused(response.status, detail, problem);
}

/**
 * What went wrong, as `WHAT: REASON`; a reason that is a whole sentence stands alone.
 *
 * @param {string} what such as `Cannot run docs`
 * @param {unknown} cause
 */
export function failure(what, cause) {
  const reason = reasonOf(cause);
  return reason.startsWith("Cannot ") ? reason : `${what}: ${reason}`;
}

/** What went wrong, for people. @param {unknown} cause */
export function reasonOf(cause) {
  return cause instanceof Refused ? cause.message : "The server does not answer";
}
