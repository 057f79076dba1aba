/** Listening under Deno. Deno has no time limits of its own for connections. */
import type { Connection } from "../http/env.ts";
import type { Listening, ListenOptions } from "./listening.ts";

/** @throws {Deno.errors.AddrInUse} and what else the system says of the address */
export function listen({ hostname, port, handler, tls }: ListenOptions): Listening {
  const server = Deno.serve({
    hostname,
    port,
    ...tls,
    onListen: () => {},
    // A stream that we break off on purpose ends up here; there is nothing left to answer.
    onError: () => new Response(null, { status: 500 }),
  }, (request, info) => {
    return handler(request, new DenoConnection(info));
  });
  return {
    port: server.addr.port,
    async stop(graceMs) {
      // Aborting a server that is shutting down throws where nobody can catch it, so what is left
      // after the grace is left behind: it ends with the process.
      const grace = Promise.withResolvers<void>();
      const timer = setTimeout(grace.resolve, graceMs);
      await Promise.race([server.shutdown(), grace.promise]);
      clearTimeout(timer);
    },
  };
}

/** Its address is made when it is asked for, which few do. */
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
