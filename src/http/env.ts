/** What every handler can count on. */
import type { Principal } from "../auth/principal.ts";
import type { Session } from "../auth/sessions.ts";

/** The connection under a request, as the runtime knows it. */
export interface Connection {
  /** Address of the peer, for the server's own log. */
  readonly remote: string;
  /** Lifts the runtime's limit on quiet connections; a stream may say nothing for long. */
  keepOpen(): void;
}

/** Hono's type parameter for this app. */
export interface HttpEnv {
  Bindings: Connection;
  Variables: {
    requestId: string;
    /** Set on everything below /v1. */
    principal: Principal;
    /** Set where events were posted as JSON: the body, which was read already. */
    json: { readonly value: unknown } | undefined;
    /** Set where a cookie said who asks. */
    session: Session | undefined;
  };
}
