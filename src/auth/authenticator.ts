/** All the ways of saying who one is, and whether that still holds. */
import type { Clock } from "../clock.ts";
import { KEY_START } from "./api_key.ts";
import type { IdentityProviders } from "./identity_providers.ts";
import type { KeyStore } from "./key_store.ts";
import type { Lapse, Principal } from "./principal.ts";
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

/** From what a request brings to whom it stands for; undefined for what is not good. */
export class Authenticator {
  readonly parts: AuthParts;

  constructor(parts: AuthParts) {
    this.parts = parts;
  }

  /** An API key, or a token of an identity provider. @throws {ProviderUnreachableError} */
  async bearer(text: string): Promise<Principal | undefined> {
    if (text.startsWith(KEY_START)) return this.parts.keys.verify(text);
    return await this.parts.providers.verify(text);
  }

  async ticket(text: string): Promise<Principal | undefined> {
    const principal = await this.parts.tickets.verify(text);
    return principal && this.lapse(principal) === undefined ? principal : undefined;
  }

  /** The session of a cookie, with whom it stands for. */
  async session(cookie: string): Promise<{ session: Session; principal: Principal } | undefined> {
    const session = await this.parts.sessions.read(cookie);
    const key = session && this.parts.keys.principalOf(session.keyId);
    if (!key) return undefined;
    // The cookie is renewed while its page is open, so what it has opened outlives it.
    const expiresAtMs = session.startedAtMs + SESSION_MAX_MS;
    return { session, principal: { ...key, expiresAtMs, sessionId: session.id } };
  }

  /** A session for whoever has the key or the sign-in link; undefined when it is not good. */
  signIn(given: { readonly key: string } | { readonly link: string }): Session | undefined {
    const { keys, signIns, sessions } = this.parts;
    const keyId = "key" in given ? keys.verify(given.key)?.keyId : signIns.takeLink(given.link);
    if (keyId === undefined || keyId === null || !keys.stillValid(keyId)) return undefined;
    return sessions.open(keyId);
  }

  /** Why a right that was good before is not any more; undefined while it is. */
  lapse({ keyId, expiresAtMs, sessionId }: Principal): Lapse | undefined {
    const { keys, sessions, clock } = this.parts;
    if (expiresAtMs !== null && expiresAtMs <= clock.now()) return "expired";
    if (keyId !== null && !keys.stillValid(keyId)) return "revoked";
    if (sessionId !== undefined && sessions.hasEnded(sessionId)) return "signed_out";
    return undefined;
  }
}
