/** JWTs of a team's own identity providers (OIDC, RFC 9068). */
import type { errors, JWTPayload, JWTVerifyGetKey } from "jose";
import type { Clock } from "../clock.ts";
import { parseTenantId, type TenantId } from "../sync/ids.ts";
import { jwksFetch } from "./jwks_fetch.ts";
import type { Principal } from "./principal.ts";
import { isScope, type Scope } from "./scopes.ts";

/** Only algorithms with a public key: whoever can check a shared secret can also sign with it. */
export const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

/** Types that an access token may name (RFC 9068); a logout token, for example, is refused. */
const TYPES: readonly unknown[] = [undefined, "jwt", "at+jwt", "application/at+jwt"];

/** How long keys are kept. */
const KEPT_MS = 600_000;
/** How long nothing is fetched after a fetch, not even for a key id that is not known. */
const COOLDOWN_MS = 30_000;
const FETCH_MS = 5_000;
/** Seconds that two machines' clocks may differ. */
const TOLERANCE_S = 5;

export interface IdentityProvider {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl: string;
  readonly algorithms: readonly string[];
  /** Name of the claim that holds the tenant; taken as it is, so `https://acme.example/tenant` too. */
  readonly tenantClaim: string;
  /** The tenant of all its tokens, instead of a claim. */
  readonly tenant?: TenantId;
  /** Name of the claim that holds scopes: a list, or a text with spaces (RFC 8693 section 4.2). */
  readonly scopeClaim: string;
  /** Prefix of our scopes in that claim, such as `synctail:`; other scopes are ignored. */
  readonly scopePrefix: string;
}

/** The keys of a provider could not be fetched, so nobody knows whether the token is valid. */
export class ProviderUnreachableError extends Error {
  override readonly name = "ProviderUnreachableError";
}

/** Checks tokens (RFC 7519) against the keys of their issuers, which are fetched and kept. */
export class IdentityProviders {
  readonly #byIssuer: ReadonlyMap<string, IdentityProvider>;
  readonly #keys = new Map<string, JWTVerifyGetKey>();
  readonly #clock: Clock;
  readonly #fetchMs: number;

  constructor(
    providers: readonly IdentityProvider[],
    clock: Clock,
    { fetchMs = FETCH_MS }: { readonly fetchMs?: number } = {},
  ) {
    this.#clock = clock;
    this.#fetchMs = fetchMs;
    this.#byIssuer = new Map(providers.map((provider) => [provider.issuer, provider]));
  }

  /**
   * The principal of a token; undefined when the token is not valid or names no tenant.
   *
   * @throws {ProviderUnreachableError}
   */
  async verify(token: string): Promise<Principal | undefined> {
    if (this.#byIssuer.size === 0) return undefined;
    const jose = await import("jose");
    try {
      const provider = this.#byIssuer.get(jose.decodeJwt(token).iss ?? "");
      if (!provider) return undefined;
      const keys = this.#keysOf(provider, jose);
      const { payload, protectedHeader } = await jose.jwtVerify(token, keys, {
        issuer: provider.issuer,
        audience: provider.audience,
        algorithms: [...provider.algorithms],
        clockTolerance: TOLERANCE_S,
        currentDate: new Date(this.#clock.now()),
        requiredClaims: ["exp"],
      });
      const typ: unknown = protectedHeader.typ; // jose has not looked at it
      if (!TYPES.includes(typeof typ === "string" ? typ.toLowerCase() : typ)) return undefined;
      return principalOf(payload, provider);
    } catch (cause) {
      if (isOfTheToken(cause, jose.errors)) return undefined;
      const words = `The keys of the identity provider could not be had`;
      throw new ProviderUnreachableError(words, { cause });
    }
  }

  /** Made at the first token of the provider and kept, as it holds the keys that were fetched. */
  #keysOf({ issuer, jwksUrl }: IdentityProvider, jose: typeof import("jose")): JWTVerifyGetKey {
    const made = this.#keys.get(issuer);
    if (made) return made;
    const fetched = jose.createRemoteJWKSet(new URL(jwksUrl), {
      // jose takes their age from the wall clock, which may be set back.
      cacheMaxAge: Infinity,
      cooldownDuration: Infinity,
      timeoutDuration: this.#fetchMs,
      [jose.customFetch]: jwksFetch(this.#clock),
    });
    let fetchedAtMs = -Infinity;
    const ageMs = () => this.#clock.monotonic() - fetchedAtMs;
    const fetchAgain = async () => {
      await fetched.reload();
      fetchedAtMs = this.#clock.monotonic();
    };
    const keys: JWTVerifyGetKey = async (header, token) => {
      if (ageMs() >= KEPT_MS) await fetchAgain();
      try {
        return await fetched(header, token);
      } catch (cause) {
        const unknown = cause instanceof jose.errors.JWKSNoMatchingKey;
        if (!unknown || ageMs() < COOLDOWN_MS) throw cause;
      }
      await fetchAgain();
      return await fetched(header, token);
    };
    this.#keys.set(issuer, keys);
    return keys;
  }
}

function principalOf(payload: JWTPayload, provider: IdentityProvider): Principal | undefined {
  const { tenant: fixed, tenantClaim, scopeClaim, scopePrefix } = provider;
  const claimed = payload[tenantClaim];
  const tenant = fixed ?? (typeof claimed === "string" ? parseTenantId(claimed) : undefined);
  if (!tenant) return undefined;
  const given = payload[scopeClaim];
  const words: unknown[] = Array.isArray(given) ? given : String(given ?? "").split(" ");
  const scopes = new Set<Scope>();
  for (const word of words) {
    if (typeof word !== "string" || !word.startsWith(scopePrefix)) continue;
    const scope = word.slice(scopePrefix.length);
    // Only the operator's own keys reach beyond their tenant; metrics tell of all of them.
    if (!isScope(scope) || scope === "tenants" || (fixed && scope === "metrics")) continue;
    scopes.add(scope);
  }
  const expiresAtMs = ((payload.exp ?? 0) + TOLERANCE_S) * 1000; // as long as it is accepted
  return { tenant, scopes, keyId: null, expiresAtMs };
}

/** Whether the token is at fault, rather than the fetching of its issuer's keys. */
function isOfTheToken(
  cause: unknown,
  { JOSEError, JWKInvalid, JWKSInvalid, JWKSTimeout }: typeof errors,
): boolean {
  const ours = [JWKSTimeout, JWKSInvalid, JWKInvalid];
  if (ours.some((type) => cause instanceof type)) return false;
  // For an answer that is no key set jose throws its plain base class.
  return cause instanceof JOSEError && cause.code !== "ERR_JOSE_GENERIC";
}
