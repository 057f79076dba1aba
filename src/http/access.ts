/** Who asks, and what they may. */
import type { Context, HonoRequest, MiddlewareHandler } from "hono";
import { getCookie } from "hono/cookie";
import type { Authenticator } from "../auth/authenticator.ts";
import { ProviderUnreachableError } from "../auth/identity_providers.ts";
import { FAILED_MS, KeySetError } from "../auth/jwks_fetch.ts";
import { type Lapse, maySee, type Principal } from "../auth/principal.ts";
import type { Scope } from "../auth/scopes.ts";
import type { EventLog } from "../log/event_log.ts";
import { loggerOf } from "../logger.ts";
import type { Right } from "../stream/rights.ts";
import { parseJobId, parseTenantId, TENANT_FORM } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import type { HttpEnv } from "./env.ts";
import { notFound, Problem } from "./problem.ts";
import type { PublicOrigin } from "./public_origin.ts";
import { cookieName, requireSameOrigin } from "./same_origin.ts";

/** The routes of streams, where a ticket in the URL is accepted. */
export const STREAM_ROUTES = ["/v1/sync/job/:job_id/subscribe", "/v1/sync/jobs/subscribe"];
const STREAM_PATH = new RegExp(`^(${STREAM_ROUTES.join("|").replace(":job_id", "[^/]+")})$`);
const READS = ["GET", "HEAD"];

/** `Basic` and others: they are meant for a proxy in front, which may pass them on. */
const OTHER_SCHEME = /^(?!Bearer )[\w-]+ +\S/i;
const OTHER_FORM =
  "There is no API key in that form: send `Authorization: Bearer KEY` or `X-API-Key: KEY`";

/**
 * Lets a request through that says who asks: by an API key or a token as `Authorization: Bearer`
 * (RFC 6750), by a key as `X-API-Key`, for streams by a ticket as `?ticket=`, else by the cookie of
 * a session. A request by cookie that changes something must come from a page of this server.
 * `Authorization` of another scheme counts only where nothing else says who asks.
 *
 * @throws {Problem} unauthenticated, with WWW-Authenticate; forbidden
 */
export function authenticate(
  authenticator: Authenticator,
  origin: PublicOrigin,
): MiddlewareHandler<HttpEnv> {
  return async (context, next) => {
    const { req } = context;
    if (req.method === "POST" && req.path === "/v1/session") return await next(); // it signs in
    const asking = await principalOf(context, authenticator, origin);
    const principal = actingFor(asking, req.header("Synctail-Tenant"));
    context.set("principal", principal);
    context.set("lapse", (scope) => authenticator.lapse(principal, scope));
    await next();
    // What says who asks is in no shared cache's key, but for `Authorization`.
    const { headers } = context.res;
    if (READS.includes(req.method) && !headers.has("Cache-Control")) {
      headers.set("Cache-Control", "no-store");
    }
  };
}

async function principalOf(
  context: Context<HttpEnv>,
  authenticator: Authenticator,
  origin: PublicOrigin,
): Promise<Principal> {
  const { req } = context;
  const bearer = bearerOf(context);
  if (bearer === "") return refuse(OTHER_FORM);
  if (bearer !== undefined) {
    return await checkedBearer(authenticator, bearer) ??
      refuse("The API key or token is not known here, was revoked, or has expired");
  }
  const ticket = asksForStream(req) ? req.query("ticket") : undefined;
  if (ticket !== undefined) {
    return await authenticator.ticket(ticket) ??
      refuse("The ticket has expired, or is none of this server's; ask for another");
  }
  const cookie = getCookie(context, cookieName(origin.of(req.raw, context.env)));
  if (cookie === undefined) {
    if (req.header("Authorization") !== undefined) return refuse(OTHER_FORM);
    return refuse("Send an API key as `Authorization: Bearer KEY` or `X-API-Key: KEY`", false);
  }
  const found = await authenticator.session(cookie) ??
    refuse("The session has ended; sign in again");
  if (!READS.includes(req.method)) requireSameOrigin(context, origin);
  context.set("session", found.session);
  return found.principal;
}

async function checkedBearer(
  authenticator: Authenticator,
  text: string,
): Promise<Principal | undefined> {
  try {
    return await authenticator.bearer(text);
  } catch (cause) {
    if (!(cause instanceof ProviderUnreachableError)) throw cause;
    // A fetch that failed is logged once, where it was made, and not for each token.
    if (!(cause.cause instanceof KeySetError)) {
      loggerOf("auth").error("{reason}: {cause}", { reason: cause.message, cause: cause.cause });
    }
    const detail = `${cause.message}, so the token cannot be checked now`;
    throw new Problem("identity-provider-unreachable", detail, {}, {
      "Retry-After": `${FAILED_MS / 1000}`,
    });
  }
}

/** Whether the request would open a stream. */
export function asksForStream({ method, path }: Pick<HonoRequest, "method" | "path">): boolean {
  return READS.includes(method) && STREAM_PATH.test(path);
}

/**
 * @param given whether the request carried credentials; then the challenge calls them invalid
 * @throws {Problem} unauthenticated
 */
export function refuse(detail: string, given = true): never {
  const challenge = `Bearer realm="synctail"${given ? ', error="invalid_token"' : ""}`;
  throw new Problem("unauthenticated", detail, {}, { "WWW-Authenticate": challenge });
}

/**
 * The same principal, acting for a tenant that it names.
 *
 * @throws {Problem} forbidden without the scope `tenants`; invalid-request for a malformed name
 */
export function actingFor(principal: Principal, named: string | undefined): Principal {
  if (named === undefined || named === principal.tenant) return principal;
  if (!principal.scopes.has("tenants")) {
    throw new Problem(
      "forbidden",
      'Acting for another tenant needs a key with the scope "tenants"',
    );
  }
  const tenant = parseTenantId(named);
  if (tenant) return { ...principal, tenant };
  throw new Problem("invalid-request", `Cannot act for tenant "${named}": expected ${TENANT_FORM}`);
}

/** @throws {Problem} forbidden; unauthenticated where the right has ended while the body came */
export function requireScope({ var: { principal, lapse } }: Context<HttpEnv>, scope: Scope): void {
  if (!principal.scopes.has(scope)) {
    throw new Problem("forbidden", `This needs a key with the scope "${scope}"`);
  }
  requireHeld(lapse(scope));
}

/**
 * The job of that id, of the caller's tenant. Looked up before any scope is asked about, so that
 * a 403 never tells that a job of another tenant exists.
 *
 * @throws {Problem} not-found; forbidden; unauthenticated
 */
export async function jobFor(
  context: Context<HttpEnv>,
  log: EventLog,
  scope: Scope,
): Promise<Job> {
  const principal = context.get("principal");
  const id = parseJobId(context.req.param("job_id") ?? "");
  const job = id && await log.get({ tenant: principal.tenant, id });
  if (!job || !maySee(principal, job)) throw notFound();
  requireScope(context, scope);
  return job;
}

/**
 * For a request that takes long: checks that its right to write still holds.
 *
 * @throws {Problem} unauthenticated
 */
export function requireRight(principal: Principal, authenticator: Authenticator): void {
  requireHeld(authenticator.lapse(principal, "write"));
}

function requireHeld(lapse: Lapse | undefined): void {
  if (lapse) refuse(`The key, token or session of this request ${ENDED[lapse]} meanwhile`);
}

const ENDED: Readonly<Record<Lapse, string>> = {
  expired: "has expired",
  revoked: "was revoked",
  narrowed: "has lost its right to this",
  signed_out: "was signed out",
};

/** The right of a stream, which is looked at again while the stream is open. */
export function rightOf(principal: Principal, authenticator: Authenticator): Right {
  const { tenant, keyId, sessionId, expiresAtMs } = principal;
  return {
    name: `${tenant} ${keyId} ${sessionId} ${expiresAtMs}`,
    holder: keyId ?? undefined,
    lapsed() {
      const lapse = authenticator.lapse(principal, "read");
      if (lapse === undefined) return undefined;
      const code = `access_${lapse === "narrowed" ? "revoked" : lapse}`;
      return { code, message: LAPSES[lapse] };
    },
  };
}

const LAPSES: Readonly<Record<Lapse, string>> = {
  expired: "The ticket, token or session of this stream has expired. The job goes on.",
  revoked: "The key of this stream was revoked. The job goes on.",
  narrowed: "The key of this stream may not read this any more. The job goes on.",
  signed_out: "The session of this stream was signed out. The job goes on.",
};

/** The key or token of the headers; undefined without one, empty for a malformed one. */
function bearerOf(context: Context<HttpEnv>): string | undefined {
  const authorization = context.req.header("Authorization");
  if (authorization === undefined || OTHER_SCHEME.test(authorization)) {
    return context.req.header("X-API-Key");
  }
  return /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? "";
}
