/** Who asks, and what they may. */
import type { Context, MiddlewareHandler } from "hono";
import type { KeyStore, Principal } from "../auth/key_store.ts";
import type { Scope } from "../auth/scopes.ts";
import type { EventLog } from "../log/event_log.ts";
import { parseJobId, parseTenantId } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import type { HttpEnv } from "./env.ts";
import { notFound, Problem } from "./problem.ts";

/**
 * Lets a request with a valid key through, from `Authorization: Bearer` (RFC 6750) or `X-API-Key`.
 *
 * @throws {Problem} unauthenticated, with WWW-Authenticate
 */
export function authenticate(keys: KeyStore): MiddlewareHandler<HttpEnv> {
  return async (context, next) => {
    const given = keyOf(context);
    const principal = given === undefined ? undefined : keys.verify(given);
    if (!principal) {
      throw new Problem(
        "unauthenticated",
        given === undefined
          ? "Send an API key as `Authorization: Bearer KEY` or `X-API-Key: KEY`"
          : "The API key is not known here, or it was revoked",
        {},
        {
          "WWW-Authenticate": given === undefined
            ? 'Bearer realm="synctail"'
            : 'Bearer realm="synctail", error="invalid_token"',
        },
      );
    }
    context.set("principal", actingFor(principal, context.req.header("Synctail-Tenant")));
    await next();
  };
}

/**
 * The same principal, acting for a tenant that it names.
 *
 * @throws {Problem} forbidden without the scope `tenants`; invalid-request for a name that is none
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
  const form = "1 to 64 of a-z A-Z 0-9 . _ -, starting with a letter or digit";
  throw new Problem("invalid-request", `Cannot act for tenant "${named}": expected ${form}`);
}

/** @throws {Problem} forbidden */
export function requireScope(context: Context<HttpEnv>, scope: Scope): void {
  if (context.get("principal").scopes.has(scope)) return;
  throw new Problem("forbidden", `This needs a key with the scope "${scope}"`);
}

/**
 * The job of that id, of the caller's tenant. Looked up before any scope is asked about, so that
 * a 403 never tells that a job of another tenant exists.
 *
 * @throws {Problem} not-found; forbidden
 */
export async function jobFor(
  context: Context<HttpEnv>,
  log: EventLog,
  scope: Scope,
): Promise<Job> {
  const id = parseJobId(context.req.param("job_id") ?? "");
  const job = id && await log.get({ tenant: context.get("principal").tenant, id });
  if (!job) throw notFound();
  requireScope(context, scope);
  return job;
}

function keyOf(context: Context<HttpEnv>): string | undefined {
  const authorization = context.req.header("Authorization");
  if (authorization === undefined) return context.req.header("X-API-Key");
  return /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? "";
}
