/** Listening under Deno. Deno has no time limits of its own for connections. */
import type { Connection } from "../http/env.ts";
import type { Listening, ListenOptions } from "./listening.ts";

/** Listens. @throws {Deno.errors.AddrInUse} or another error of the system */
export function listen({ hostname, port, handler, tls }: ListenOptions): Listening {
  const server = Deno.serve({
    hostname,
    port,
    ...tls,
    onListen: () => {},
    // Called for streams that are broken off on purpose; there is nothing left to answer.
    onError: () => new Response(null, { status: 500 }),
  }, (request, info) => {
    return handler(request, new DenoConnection(info));
  });
  return {
    port: server.addr.port,
    async stop(graceMs) {
      // Aborting a server that is shutting down throws where nobody can catch it. So connections
      // that are open after the grace stay open until the process ends.
      const grace = Promise.withResolvers<void>();
      const timer = setTimeout(grace.resolve, graceMs);
      await Promise.race([server.shutdown(), grace.promise]);
      clearTimeout(timer);
    },
  };
}

/** Makes the address only when it is asked for, which is seldom. */
class DenoConnection implements Connection {
  readonly #info: Deno.ServeHandlerInfo;

  constructor(info: Deno.ServeHandlerInfo) {
    this.#info = info;
  }

  get remote(): string {
    return (this.#info.remoteAddr as Deno.NetAddr).hostname; // TCP is all we listen on
  }

  keepOpen(): void {}
}
