/** Listens for HTTP on the present runtime. */
import process from "node:process";
import { codeOf, reasonOf } from "../reason.ts";
import type { Listening, ListenOptions } from "./listening.ts";

type Place = Pick<ListenOptions, "hostname" | "port" | "flag">;

/** Another process listens there already. */
export class PortTakenError extends Error {
  override readonly name = "PortTakenError";

  constructor({ hostname, port, flag = "--port" }: Place, options?: ErrorOptions) {
    super(
      `Cannot listen on ${hostname}:${port}: the port is taken. ` +
        `\`ss -ltnp sport = :${port}\` says by whom; ${flag} chooses another`,
      options,
    );
  }
}

/** What runs this program: `deno 2.9.6`. */
export const RUNTIME: string = "Bun" in globalThis
  ? `bun ${process.versions.bun}`
  : `deno ${process.versions.deno}`;

/** Listens. @throws {PortTakenError}; {Error} when the address is another's or may not be used */
export async function listen(options: ListenOptions): Promise<Listening> {
  // Each runtime's file names that runtime's globals, so only its own is loaded.
  const runtime = "Bun" in globalThis ? await import("./bun.ts") : await import("./deno.ts");
  try {
    return runtime.listen(options);
  } catch (cause) {
    if (codeOf(cause) === "EADDRINUSE") throw new PortTakenError(options, { cause });
    const { hostname, port, flag = "--hostname" } = options;
    const reason = isElsewhere(cause, hostname)
      ? "it is no address of this machine; `ip address` shows those"
      : reasonOf(cause);
    throw new Error(`Cannot listen on ${hostname}:${port} (${flag}): ${reason}`, { cause });
  }
}

/** What Bun says of a name that is unknown: whatever its lookup met last. */
const UNKNOWN_NAME: readonly (string | undefined)[] = ["ENOENT", "EINVAL", "EAGAIN"];

/** Whether the address is not this machine's, or a name is unknown, for which Deno has no code. */
function isElsewhere(cause: unknown, hostname: string): boolean {
  const code = codeOf(cause);
  if (code === "EADDRNOTAVAIL" || /failed to lookup/.test(reasonOf(cause))) return true;
  return !hostname.includes(":") && UNKNOWN_NAME.includes(code); // an IPv6 address is no name
}

/** The URL that reaches a listener on this machine. */
export function urlOf(hostname: string, port: number, scheme = "http"): string {
  const host = listensEverywhere(hostname) ? "127.0.0.1" : hostname;
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Whether a listener with that hostname takes connections on all addresses of the machine. */
export function listensEverywhere(hostname: string): boolean {
  return hostname === "0.0.0.0" || hostname === "::" || hostname === "";
}
