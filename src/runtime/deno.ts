/** Listening under Deno. Deno has no time limits of its own for connections. */
import type { Connection } from "../http/env.ts";
import { loggerOf } from "../logger.ts";
import { reasonOf } from "../reason.ts";
import type { Listening, ListenOptions } from "./listening.ts";

/** How long after a failure it listens again, in milliseconds. */
const AGAIN_MS = 100;
/** A failure that comes so soon after the last one is the same, in milliseconds. It is told once. */
const SAME_MS = 60_000;

/** Listens. @throws {Deno.errors.AddrInUse} or another error of the system */
export function listen(options: ListenOptions): Listening {
  return new DenoListening(options);
}

/**
 * A listener that outlives its failures. When the system refuses a connection (no file is left for
 * it), Deno listens no more, and would end the process. Connections that are open go on.
 */
class DenoListening implements Listening {
  readonly port: number;
  readonly #options: ListenOptions;
  #server: Deno.HttpServer<Deno.NetAddr>;
  #again: ReturnType<typeof setTimeout> | undefined;
  #failedAtMs: number | undefined;
  #stopped = false;

  constructor(options: ListenOptions) {
    this.#options = options;
    this.#server = this.#listen(options.port);
    this.port = this.#server.addr.port;
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#again);
    // Aborting a server that is shutting down throws where nobody can catch it. So connections
    // that are open after the grace stay open until the process ends.
    const grace = Promise.withResolvers<void>();
    const timer = setTimeout(grace.resolve, graceMs);
    const answered = this.#server.shutdown();
    // Connections from before a failure are no longer the server's to wait for.
    const all = this.#failedAtMs === undefined ? answered : grace.promise;
    await Promise.race([all, grace.promise]);
    clearTimeout(timer);
  }

  #listen(port: number): Deno.HttpServer<Deno.NetAddr> {
    const { hostname, handler, tls } = this.#options;
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
    server.finished.catch((cause) => this.#failed(cause));
    return server;
  }

  #failed(cause: unknown): void {
    if (this.#stopped) return;
    const nowMs = performance.now();
    if (this.#failedAtMs === undefined || nowMs - this.#failedAtMs > SAME_MS) {
      loggerOf("server").error(
        "no connection can be taken: {reason}. Those that are open go on, and others are taken " +
          "when there is room; where too many files are open, raise `ulimit -Hn` (LimitNOFILE=)",
        { reason: reasonOf(cause).replace(/^Error: /, "") },
      );
    }
    this.#failedAtMs = nowMs;
    this.#again = setTimeout(() => {
      try {
        this.#server = this.#listen(this.port);
      } catch (again) {
        this.#failed(again);
      }
    }, AGAIN_MS);
  }
}

/** Makes the address only when it is asked for, which is seldom. */
class DenoConnection implements Connection {
  readonly hoardsBodies = true;
  readonly #info: Deno.ServeHandlerInfo;

  constructor(info: Deno.ServeHandlerInfo) {
    this.#info = info;
  }

  get remote(): string {
    return (this.#info.remoteAddr as Deno.NetAddr).hostname; // TCP is all we listen on
  }

  keepOpen(): void {}
}
