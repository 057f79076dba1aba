/** Listening under Bun. */
import type { Connection } from "../http/env.ts";
import type { Listening, ListenOptions } from "./listening.ts";

/** The members of Bun's server that are used here. */
interface BunServer {
  readonly port: number;
  timeout(request: Request, seconds: number): void;
  requestIP(request: Request): { readonly address: string } | null;
  stop(closeActive: boolean): Promise<void>;
}

declare const Bun: {
  serve(options: {
    hostname: string;
    port: number;
    idleTimeout: number;
    maxRequestBodySize: number;
    reusePort: boolean;
    tls?: { readonly cert: string; readonly key: string };
    fetch(request: Request, server: BunServer): Response | Promise<Response>;
    error(): Response;
  }): BunServer;
};

/** Seconds after which a quiet connection is cut, unless its request asked to be kept open. */
const IDLE_S = 30;
/** The longest limit that Bun has, in seconds. */
const QUIET_S_MAX = 255;

/** Listens. @throws {Error} with the system's code, such as EADDRINUSE */
export function listen({ hostname, port, handler, tls }: ListenOptions): Listening {
  const server = Bun.serve({
    hostname,
    port,
    idleTimeout: IDLE_S,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER, // Bun's own limit is 128 MiB; ours are the app's
    reusePort: false,
    tls,
    fetch: (request, self) => handler(whole(request), new BunConnection(request, self)),
    // Called for streams that are broken off on purpose; there is nothing left to answer.
    error: () => new Response(null, { status: 500 }),
  });
  return {
    port: server.port,
    async stop(graceMs) {
      const timer = setTimeout(() => void server.stop(true), graceMs);
      await server.stop(false);
      clearTimeout(timer);
    },
  };
}

/** Gives a request a whole URL: under Bun one without a host (HTTP/1.0) has only a path. */
function whole(request: Request): Request {
  return request.url.startsWith("/")
    ? new Request(`http://localhost${request.url}`, request)
    : request;
}

/** Looks the address up only when it is asked for: that is a call to the system and an object. */
class BunConnection implements Connection {
  readonly #request: Request;
  readonly #server: BunServer;

  constructor(request: Request, server: BunServer) {
    this.#request = request;
    this.#server = server;
  }

  get remote(): string {
    return this.#server.requestIP(this.#request)?.address ?? "";
  }

  keepOpen(quietMs = 0): void {
    const seconds = Math.ceil(quietMs / 1000);
    this.#server.timeout(this.#request, seconds > QUIET_S_MAX ? 0 : seconds);
  }
}
