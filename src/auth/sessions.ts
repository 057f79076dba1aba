/** Sessions of browsers: a key or a sign-in link is exchanged for a cookie. */
import type { Clock } from "../clock.ts";
import type { SignInStore } from "./sign_in_store.ts";

/** How long a cookie holds unless it is renewed. */
export const SESSION_MS = 12 * 3_600_000;
/** How long a session lasts at most, however often its cookie is renewed. */
export const SESSION_MAX_MS = 30 * 86_400_000;

const AUDIENCE = "synctail:session";

/** A session that was opened and has not ended. */
export interface Session {
  readonly id: string;
  readonly keyId: string;
  readonly startedAtMs: number;
}

/** Signed, not stored, so every replica with the same secret accepts them. Only ends are stored. */
export class Sessions {
  readonly #secret: Uint8Array;
  readonly #store: SignInStore;
  readonly #clock: Clock;

  constructor(secret: Uint8Array, store: SignInStore, clock: Clock) {
    this.#secret = secret;
    this.#store = store;
    this.#clock = clock;
  }

  /** A new session of a key. */
  open(keyId: string): Session {
    return { id: crypto.randomUUID(), keyId, startedAtMs: this.#clock.now() };
  }

  /** The cookie's value, good for SESSION_MS from now and never beyond SESSION_MAX_MS in all. */
  async cookie(session: Session): Promise<string> {
    const { SignJWT } = await import("jose");
    const { id, keyId, startedAtMs } = session;
    return await new SignJWT({ auth_time: startedAtMs / 1000 })
      .setProtectedHeader({ alg: "HS256" })
      .setAudience(AUDIENCE)
      .setSubject(keyId)
      .setJti(id)
      .setExpirationTime(Math.floor(this.#cookieEndMs(session) / 1000))
      .sign(this.#secret);
  }

  /** The session of a cookie's value; undefined when it is not ours, has expired or was ended. */
  async read(cookie: string): Promise<Session | undefined> {
    const { errors, jwtVerify } = await import("jose");
    try {
      const { payload } = await jwtVerify(cookie, this.#secret, {
        algorithms: ["HS256"],
        audience: AUDIENCE,
        currentDate: new Date(this.#clock.now()),
        requiredClaims: ["exp", "sub", "jti", "auth_time"],
      });
      const { jti, sub, auth_time } = payload;
      if (jti === undefined || sub === undefined || typeof auth_time !== "number") return undefined;
      if (this.hasEnded(jti)) return undefined;
      return { id: jti, keyId: sub, startedAtMs: auth_time * 1000 };
    } catch (cause) {
      if (cause instanceof errors.JOSEError) return undefined;
      throw cause;
    }
  }

  /** Signs the browser out; its streams end, too. */
  end(session: Session): void {
    this.#store.endSession(session.id, this.#cookieEndMs(session));
  }

  hasEnded(id: string): boolean {
    return this.#store.hasEnded(id);
  }

  /** When a cookie made now expires; all earlier cookies of the session expire no later. */
  #cookieEndMs({ startedAtMs }: Session): number {
    return Math.min(this.#clock.now() + SESSION_MS, startedAtMs + SESSION_MAX_MS);
  }
}
