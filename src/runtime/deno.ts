/** Listening under Deno. Deno has no time limits of its own for connections. */
import type { Listening, ListenOptions } from "./serve.ts";

/** @throws {Deno.errors.AddrInUse} and what else the system says of the address */
export function listen({ hostname, port, handler }: ListenOptions): Listening {
  const hardStop = new AbortController();
  const server = Deno.serve({
    hostname,
    port,
    signal: hardStop.signal,
    onListen: () => {},
    // A stream that we break off on purpose ends up here; there is nothing left to answer.
    onError: () => new Response(null, { status: 500 }),
  }, (request, info) => {
    const { hostname: remote = "" } = info.remoteAddr as Deno.NetAddr; // TCP is all we listen on
    return handler(request, { remote, keepOpen: () => {} });
  });
  return {
    port: server.addr.port,
    async stop(graceMs) {
      const timer = setTimeout(() => hardStop.abort(), graceMs);
      await server.shutdown();
      clearTimeout(timer);
    },
  };
}
