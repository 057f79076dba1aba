/** What every handler can count on. */
import type { Lapse, Principal } from "../auth/principal.ts";
import type { Scope } from "../auth/scopes.ts";
import type { Session } from "../auth/sessions.ts";

/** Who is at the other end of a connection. */
export interface Peer {
  /** Its IP address. A getter: it costs time under Bun. */
  readonly remote: string;
}

/** The connection under a request, as the runtime knows it. */
export interface Connection extends Peer {
  /**
   * Lifts the runtime's limit on quiet connections: a stream may say nothing for long.
   *
   * @param quietMs after which Bun closes one to which nothing could be written; never where it is 0
   *   or left out
   */
  keepOpen(quietMs?: number): void;
  /**
   * Whether the runtime keeps all of a GET's body while its answer is streamed. It gives the app none
   * of it, to be read or to be refused.
   */
  readonly hoardsBodies?: boolean;
}

/** Hono's type parameter for this app. */
export interface HttpEnv {
  Bindings: Connection;
  Variables: {
    requestId: string;
    /** Set on everything below /v1. */
    principal: Principal;
    /** Set with it: why its right to act by the scope has ended since; undefined while it holds. */
    lapse: (scope: Scope) => Lapse | undefined;
    /** The body, where events were posted as JSON: it was read already. */
    json: { readonly value: unknown } | undefined;
    /** Set where a cookie says who asks. */
    session: Session | undefined;
  };
}
