/** Limits on events and requests in a second. */
import type { Clock } from "../clock.ts";
import { Rate } from "../jobs/rate.ts";
import { type JobKey, keyText } from "../sync/ids.ts";
import { Problem } from "./problem.ts";

/** How much a second; 0 for no limit. */
export interface RateLimits {
  /** Events of one job, and of all jobs of one tenant. */
  readonly jobEvents: number;
  readonly tenantEvents: number;
  /** Requests of one key, or of a tenant's other callers together. */
  readonly requests: number;
}

/** Counts the events and requests of the last second. */
export class Rates {
  readonly #jobEvents: Rate;
  readonly #tenantEvents: Rate;
  readonly #requests: Rate;

  constructor(clock: Clock, limits: RateLimits) {
    this.#jobEvents = new Rate(clock, limits.jobEvents);
    this.#tenantEvents = new Rate(clock, limits.tenantEvents);
    this.#requests = new Rate(clock, limits.requests);
  }

  /** The seconds to wait with events, and the problem that says so; undefined for no wait. */
  refused(key: JobKey): { readonly waitS: number; readonly problem: Problem } | undefined {
    const ofJob = this.#jobEvents.waitS(keyText(key));
    const ofTenant = this.#tenantEvents.waitS(key.tenant);
    const waitS = Math.max(ofJob, ofTenant);
    if (waitS === 0) return undefined;
    const who = ofJob >= ofTenant ? "This job has" : "The jobs of this tenant have";
    const detail = `${who} posted more events a second than allowed; wait ${waitS} s`;
    const headers = { "Retry-After": `${waitS}` };
    return { waitS, problem: new Problem("too-many-events", detail, {}, headers) };
  }

  chargeEvents(key: JobKey, events: number): void {
    this.#jobEvents.charge(keyText(key), events);
    this.#tenantEvents.charge(key.tenant, events);
  }

  /** Charges the caller for a request. @returns seconds to wait; 0 where it may go on */
  takeRequest(caller: string): number {
    const waitS = this.#requests.waitS(caller);
    if (waitS === 0) this.#requests.charge(caller, 1);
    return waitS;
  }
}
