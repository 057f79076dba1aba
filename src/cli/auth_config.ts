/** Whom the server believes besides its own keys: the object `auth` of a configuration file. */
import type { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { importSPKI } from "jose";
import { z } from "zod";
import { ALGORITHMS, type IdentityProvider } from "../auth/identity_providers.ts";
import { OWN_KEY, type TicketKey } from "../auth/tickets.ts";
import { parseTenantId, type TenantId } from "../sync/ids.ts";
import { ConfigError } from "./config_error.ts";

const SECRET_BYTES_MIN = 32;
/** LF and CR. */
const LINE_END = [10, 13];

const url = z.url({ protocol: /^https?$/, error: "expected a URL, https://..." });
const name = z.string().min(1).max(200);
const tenant = z.string().refine((text) => parseTenantId(text) !== undefined, {
  error: "expected 1 to 64 of a-z A-Z 0-9 . _ -, starting with a letter or digit",
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

/** Whom to believe. */
export interface AuthConfig {
  readonly providers: readonly IdentityProvider[];
  readonly ticketKeys: readonly TicketKeyFile[];
}

/** A ticket key whose file has not been read yet. */
export interface TicketKeyFile extends Omit<TicketKey, "key"> {
  /** Absolute. */
  readonly path: string;
}

export const NO_AUTH: AuthConfig = { providers: [], ticketKeys: [] };

/** @param directory what relative paths start from */
export function authConfig(given: z.output<typeof AUTH_SCHEMA>, directory: string): AuthConfig {
  return {
    providers: given.identity_providers.map((provider) => ({
      issuer: provider.issuer,
      audience: provider.audience,
      jwksUrl: provider.jwks_url,
      algorithms: provider.algorithms,
      tenant: provider.tenant as TenantId | undefined, // its schema has seen that it is one
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

/** Reads the keys' files. @throws {ConfigError} */
export async function readTicketKeys(files: readonly TicketKeyFile[]): Promise<TicketKey[]> {
  return await Promise.all(files.map(async ({ path, ...rest }) => {
    const key = rest.algorithm === "HS256"
      ? readSecret(path)
      : await readPublicKey(path, rest.algorithm);
    return { ...rest, key };
  }));
}

/** A secret of at least 32 bytes, any bytes, without the line end behind it. @throws {ConfigError} */
export function readSecret(path: string): Uint8Array {
  const bytes = readBytes(path);
  let length = bytes.length;
  while (length > 0 && LINE_END.includes(bytes[length - 1])) length--;
  const secret = new Uint8Array(bytes.subarray(0, length));
  if (secret.length >= SECRET_BYTES_MIN) return secret;
  throw new ConfigError([`${path}: expected a secret of at least ${SECRET_BYTES_MIN} bytes`]);
}

/** @throws {ConfigError} */
export function readText(path: string): string {
  return readBytes(path).toString("utf8");
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    const reason = code === "ENOENT" ? "there is no such file" : `it cannot be read (${code})`;
    throw new ConfigError([`${path}: ${reason}`], { cause });
  }
}

async function readPublicKey(path: string, algorithm: string): Promise<CryptoKey> {
  const pem = readText(path);
  try {
    return await importSPKI(pem, algorithm);
  } catch (cause) {
    throw new ConfigError([`${path}: expected a public key in PEM, for ${algorithm}`], { cause });
  }
}

/** The certificate chain and its key. @throws {ConfigError} when they are none, or not of one another */
export function readTls(certPath: string, keyPath: string): { cert: string; key: string } {
  const cert = readText(certPath);
  const key = readText(keyPath);
  if (!cert.includes("-----BEGIN CERTIFICATE-----")) {
    throw new ConfigError([`${certPath}: expected a certificate in PEM`]);
  }
  try {
    createPrivateKey(key);
  } catch (cause) {
    throw new ConfigError([`${keyPath}: expected a private key in PEM`], { cause });
  }
  const own = createPublicKey(createPrivateKey(key)).export({ type: "spki", format: "pem" });
  const certified = createPublicKey(cert).export({ type: "spki", format: "pem" });
  if (own !== certified) {
    throw new ConfigError([`${keyPath}: it is not the key of the certificate ${certPath}`]);
  }
  return { cert, key };
}
