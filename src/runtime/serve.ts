/** One way to listen for HTTP, on whichever runtime this is. */
import type { Connection } from "../http/env.ts";

/** Answers one request. Never rejects. */
export type Handler = (request: Request, connection: Connection) => Response | Promise<Response>;

export interface ListenOptions {
  readonly hostname: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly handler: Handler;
}

/** A server that accepts connections. */
export interface Listening {
  readonly port: number;
  /** Takes no more connections, lets answers that are under way finish, and cuts the rest off after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

/** Another process listens there already. */
export class PortTakenError extends Error {
  override readonly name = "PortTakenError";

  constructor(hostname: string, port: number, options?: ErrorOptions) {
    super(
      `Cannot listen on ${hostname}:${port}: the port is taken. ` +
        `\`ss -ltnp sport = :${port}\` says by whom; --port chooses another`,
      options,
    );
  }
}

/** @throws {PortTakenError}; {Error} when the address is not this machine's or may not be used */
export async function listen(options: ListenOptions): Promise<Listening> {
  // Each runtime's file names that runtime's globals, so only its own is loaded.
  const runtime = "Bun" in globalThis ? await import("./bun.ts") : await import("./deno.ts");
  try {
    return runtime.listen(options);
  } catch (cause) {
    const taken = cause instanceof Error &&
      (cause.name === "AddrInUse" || ("code" in cause && cause.code === "EADDRINUSE"));
    if (taken) throw new PortTakenError(options.hostname, options.port, { cause });
    throw cause;
  }
}

/** The URL that reaches a listener on this machine. */
export function urlOf(hostname: string, port: number): string {
  const anywhere = hostname === "0.0.0.0" || hostname === "::" || hostname === "";
  const host = anywhere ? "127.0.0.1" : hostname.includes(":") ? `[${hostname}]` : hostname;
  return `http://${host}:${port}`;
}
