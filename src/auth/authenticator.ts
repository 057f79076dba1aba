/** Checks every kind of credential, and whether its right is still in force. */
import type { Clock } from "../clock.ts";
import { KEY_START } from "./api_key.ts";
import type { IdentityProviders } from "./identity_providers.ts";
import type { KeyStore } from "./key_store.ts";
import type { Lapse, Principal } from "./principal.ts";
import type { Scope } from "./scopes.ts";
import { type Session, SESSION_MAX_MS, type Sessions } from "./sessions.ts";
import type { SignInStore } from "./sign_in_store.ts";
import type { Tickets } from "./tickets.ts";

export interface AuthParts {
  readonly keys: KeyStore;
  readonly signIns: SignInStore;
  readonly sessions: Sessions;
  readonly tickets: Tickets;
  readonly providers: IdentityProviders;
  readonly clock: Clock;
}

/** Turns the credential of a request into a principal; undefined when it is not valid. */
export class Authenticator {
  readonly parts: AuthParts;

  constructor(parts: AuthParts) {
    this.parts = parts;
  }

  /**
   * The principal of an API key, or of a token of an identity provider.
   *
   * @throws {ProviderUnreachableError}
   */
  async bearer(text: string): Promise<Principal | undefined> {
    if (text.startsWith(KEY_START)) return this.parts.keys.verify(text);
    return await this.parts.providers.verify(text);
  }

  async ticket(text: string): Promise<Principal | undefined> {
    const principal = await this.parts.tickets.verify(text);
    return principal && this.lapse(principal, "read") === undefined ? principal : undefined;
  }

  /** The session of a cookie, and its principal. */
  async session(cookie: string): Promise<{ session: Session; principal: Principal } | undefined> {
    const session = await this.parts.sessions.read(cookie);
    const key = session && this.parts.keys.principalOf(session.keyId);
    if (!key) return undefined;
    // The cookie is renewed while its page is open, so a stream outlives the cookie that opened it.
    const expiresAtMs = session.startedAtMs + SESSION_MAX_MS;
    return { session, principal: { ...key, expiresAtMs, sessionId: session.id } };
  }

  /** Opens a session for a key or a sign-in link; undefined when it is not valid. */
  signIn(given: { readonly key: string } | { readonly link: string }): Session | undefined {
    const { keys, signIns, sessions } = this.parts;
    const keyId = "key" in given ? keys.verify(given.key)?.keyId : signIns.takeLink(given.link);
    if (keyId === undefined || keyId === null || !keys.principalOf(keyId)) return undefined;
    return sessions.open(keyId);
  }

  /** Why the right of a principal to act by the scope has ended; undefined while it is in force. */
  lapse(
    { tenant, keyId, expiresAtMs, sessionId }: Principal,
    scope: Scope,
  ): Lapse | undefined {
    const { keys, sessions, clock } = this.parts;
    if (expiresAtMs !== null && expiresAtMs <= clock.now()) return "expired";
    if (keyId !== null && !keys.stillGrants(keyId, tenant, scope)) {
      return keys.principalOf(keyId) ? "narrowed" : "revoked";
    }
    if (sessionId !== undefined && sessions.hasEnded(sessionId)) return "signed_out";
    return undefined;
  }
}
