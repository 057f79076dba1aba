/** One line of the server's log and one count for a request that was answered. */
import type { Principal } from "../auth/principal.ts";
import type { Clock } from "../clock.ts";
import { loggerOf } from "../logger.ts";
import type { Peer } from "./env.ts";
import type { Metrics } from "./metrics.ts";
import type { PublicOrigin } from "./public_origin.ts";

const logger = loggerOf("http");

/** Routes of frequent requests, which are logged at level debug when they succeed. */
const QUIET = /^\/(v1\/sync\/job\/:job_id\/events|healthz|readyz|metrics|assets\/.*)$/;

/** What is needed to count and log a request. */
export interface Teller {
  readonly metrics: Metrics;
  readonly origin: PublicOrigin;
  readonly clock: Clock;
}

export interface Answered {
  readonly id: string;
  readonly request: Request;
  readonly path: string;
  /** The path as it was declared: `/v1/sync/job/:job_id`. */
  readonly route: string;
  readonly status: number;
  /** By the clock's `monotonic()`. */
  readonly startedMs: number;
  readonly peer: Peer;
  readonly principal?: Principal;
}

/** Counts and logs an answered request. Without its query: a ticket may be in it. */
export function tellAnswered({ metrics, origin, clock }: Teller, answered: Answered): void {
  const { id, request, path, route, status, startedMs, peer, principal } = answered;
  metrics.answered(route, status);
  const level = status < 400 && QUIET.test(route) ? "debug" : "info";
  if (!logger.isEnabledFor(level)) return;
  const told = {
    method: request.method,
    path,
    status,
    ms: Math.round(clock.monotonic() - startedMs),
    request_id: id,
    remote: origin.clientOf(request, peer),
    tenant: principal?.tenant,
    key_id: principal?.keyId,
  };
  logger[level]("{method} {path} {status}", told);
}
