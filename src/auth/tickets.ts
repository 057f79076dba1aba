/** Tickets: short-lived rights to a stream, carried in its URL. */
import type { JWTHeaderParameters } from "jose";
import type { Clock } from "../clock.ts";
import { parseJobId, parseSyncId, parseTenantId, type TenantId } from "../sync/ids.ts";
import type { Binding, Principal } from "./principal.ts";

/** How long a ticket holds when nothing is asked for, and at most. */
export const TICKET_S = 3_600;
export const TICKET_MAX_S = 86_400;

/** How far ahead a backend's clock may be, in seconds. */
const AHEAD_S = 60;

const AUDIENCE = "synctail:ticket";
/** The `kid` of our own tickets. */
export const OWN_KEY = "synctail";
/** Claims that a ticket may have. Another one might be meant to narrow it, so it is refused. */
const CLAIMS = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "tenant", "job", "sync", "tag"];

/** A key with which a backend signs its own tickets, for one tenant. */
export interface TicketKey {
  readonly kid: string;
  readonly tenant: TenantId;
  readonly algorithm: string;
  readonly key: CryptoKey | Uint8Array;
}

/** What a ticket is made for. */
export interface NewTicket {
  readonly tenant: TenantId;
  /** The id of the key that asks for it: revoking that ends the ticket. Null without a key. */
  readonly keyId: string | null;
  readonly binding: Binding;
  readonly expiresAtMs: number;
}

/**
 * A ticket is a JWT (RFC 7519) with `aud` "synctail:ticket", `exp` at most 24 h ahead and `tenant`.
 * `job`, `sync` (its id) and `tag` narrow it; without them it is good for all of the tenant.
 *
 * It can be used again until it expires: EventSource reconnects with the same URL.
 */
export class Tickets {
  readonly #secret: Uint8Array;
  readonly #clock: Clock;
  readonly #registered: ReadonlyMap<string, TicketKey>;

  constructor(secret: Uint8Array, clock: Clock, registered: readonly TicketKey[] = []) {
    this.#secret = secret;
    this.#clock = clock;
    this.#registered = new Map(registered.map((key) => [key.kid, key]));
  }

  async sign({ tenant, keyId, binding, expiresAtMs }: NewTicket): Promise<string> {
    const { SignJWT } = await import("jose");
    const { jobId: job, syncId: sync, tag } = binding;
    const claims = { tenant, job, sync, tag };
    const jwt = new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: OWN_KEY })
      .setAudience(AUDIENCE)
      .setExpirationTime(Math.floor(expiresAtMs / 1000));
    return await (keyId === null ? jwt : jwt.setSubject(keyId)).sign(this.#secret);
  }

  /** The principal of a ticket; undefined when it is not valid, has expired or is good too long. */
  async verify(ticket: string): Promise<Principal | undefined> {
    const { errors, jwtVerify } = await import("jose");
    const now = this.#clock.now();
    try {
      const own = { registered: undefined as TicketKey | undefined };
      const keyOf = ({ kid, alg }: JWTHeaderParameters) => {
        own.registered = kid === OWN_KEY ? undefined : this.#registered.get(kid ?? "");
        const known = kid === OWN_KEY ? "HS256" : own.registered?.algorithm;
        if (known === undefined || alg !== known) throw new errors.JWKSNoMatchingKey();
        return own.registered?.key ?? this.#secret;
      };
      const { payload } = await jwtVerify(
        ticket,
        (header) => keyOf(header as JWTHeaderParameters), // jose has checked that `alg` is a text
        {
          audience: AUDIENCE,
          currentDate: new Date(now),
          clockTolerance: AHEAD_S, // for `nbf`; the end is looked at below
          requiredClaims: ["exp"],
        },
      );
      if (!Object.keys(payload).every((claim) => CLAIMS.includes(claim))) return undefined;
      const { exp = 0, sub, job, sync, tag } = payload;
      const leftMs = exp * 1000 - now;
      if (leftMs <= 0 || leftMs > (TICKET_MAX_S + AHEAD_S) * 1000) return undefined;
      const tenant = own.registered?.tenant ?? parseTenantId(String(payload.tenant));
      if (!tenant || (payload.tenant !== undefined && payload.tenant !== tenant)) return undefined;
      const only = bindingOf(job, sync, tag);
      if (!only) return undefined;
      const keyId = own.registered ? null : sub ?? null;
      return { tenant, scopes: new Set(["read"]), keyId, expiresAtMs: exp * 1000, only };
    } catch (cause) {
      if (cause instanceof errors.JOSEError || cause instanceof TypeError) return undefined;
      throw cause;
    }
  }
}

/** Undefined when a claim is malformed: without that claim the ticket would be good for more. */
function bindingOf(job: unknown, sync: unknown, tag: unknown): Binding | undefined {
  const jobId = job === undefined ? undefined : parseJobId(String(job));
  const syncId = sync === undefined ? undefined : parseSyncId(String(sync));
  if (job !== undefined && jobId === undefined) return undefined;
  if (sync !== undefined && syncId === undefined) return undefined;
  if (tag !== undefined && typeof tag !== "string") return undefined;
  return { jobId, syncId, tag };
}
