/** The object `auth` of a configuration file, and its conversion to AuthConfig. */
import { resolve } from "node:path";
import { z } from "zod";
import { ALGORITHMS } from "../auth/identity_providers.ts";
import { OWN_KEY } from "../auth/tickets.ts";
import { parseTenantId, TENANT_FORM, type TenantId } from "../sync/ids.ts";
import type { AuthConfig } from "./auth_config.ts";

const url = z.url({ protocol: /^https?$/, error: "expected a URL, https://..." });
const name = z.string().min(1).max(200);
const tenant = z.string().refine((text) => parseTenantId(text) !== undefined, {
  error: `expected ${TENANT_FORM}`,
});

const identityProvider = z.strictObject({
  issuer: z.string().min(1).max(500).describe("The claim `iss` of its tokens, to the letter"),
  audience: name.describe("What must stand in the claim `aud`"),
  jwks_url: url.describe("Where its public keys are, such as https://issuer/.well-known/jwks.json"),
  algorithms: z.array(z.enum(ALGORITHMS)).min(1).default(["RS256", "ES256"])
    .describe("Signatures that are taken; asymmetric ones only"),
  tenant: tenant.optional().describe("The tenant of all its tokens, instead of a claim"),
  tenant_claim: name.default("tenant")
    .describe("The claim that names the tenant; https://acme.example/tenant is a name as well"),
  scope_claim: name.default("scope").describe("The claim that lists scopes"),
  scope_prefix: z.string().max(200).default("")
    .describe("What stands before our scopes' names in it, such as synctail:"),
}).describe("Tokens (JWT) of an identity provider are taken as keys");

const ticketKey = z.strictObject({
  kid: name.refine((kid) => kid !== OWN_KEY, { error: "that is the server's own key" })
    .describe("What stands in the header `kid` of its tickets"),
  tenant: tenant.describe("The only tenant that it may sign for"),
  algorithm: z.enum([...ALGORITHMS, "HS256"]),
  key_file: z.string().min(1)
    .describe(
      "Public key in PEM, or for HS256 a secret of at least 32 bytes; relative to this file",
    ),
}).describe("A backend signs tickets of its own with the key");

export const AUTH_SCHEMA = z.strictObject({
  identity_providers: z.array(identityProvider).max(20).default([])
    .refine((given) => differ(given.map(({ issuer }) => issuer)), {
      error: "expected each issuer once",
    }),
  ticket_keys: z.array(ticketKey).max(100).default([])
    .refine((given) => differ(given.map(({ kid }) => kid)), { error: "expected each kid once" }),
});

function differ(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}

/** @param directory what relative paths start from */
export function authConfig(given: z.output<typeof AUTH_SCHEMA>, directory: string): AuthConfig {
  return {
    providers: given.identity_providers.map((provider) => ({
      issuer: provider.issuer,
      audience: provider.audience,
      jwksUrl: provider.jwks_url,
      algorithms: provider.algorithms,
      tenant: provider.tenant as TenantId | undefined, // checked by its schema
      tenantClaim: provider.tenant_claim,
      scopeClaim: provider.scope_claim,
      scopePrefix: provider.scope_prefix,
    })),
    ticketKeys: given.ticket_keys.map(({ kid, tenant, algorithm, key_file }) => ({
      kid,
      algorithm,
      tenant: tenant as TenantId, // as above
      path: resolve(directory, key_file),
    })),
  };
}
