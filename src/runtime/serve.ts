/** Listens for HTTP on the present runtime. */
import { codeOf, reasonOf } from "../reason.ts";
import type { Listening, ListenOptions } from "./listening.ts";

type Place = Pick<ListenOptions, "hostname" | "port" | "flag">;

/** Another process listens there already. */
export class PortTakenError extends Error {
  override readonly name = "PortTakenError";

  constructor(place: Place, options?: ErrorOptions) {
    const { port, flag = "--port" } = place;
    super(
      `Cannot listen on ${placeText(place)}: the port is taken. ` +
        `\`ss -ltnp sport = :${port}\` says by whom; ${flag} chooses another`,
      options,
    );
  }
}

/** What runs this program: `deno 2.9.6`. */
export const RUNTIME: string = navigator.userAgent.toLowerCase().replace("/", " ");

/** Listens. @throws {PortTakenError}; {Error} when the address is another's or may not be used */
export async function listen(options: ListenOptions): Promise<Listening> {
  // Each runtime's file names that runtime's globals, so only its own is loaded.
  const runtime = "Bun" in globalThis ? await import("./bun.ts") : await import("./deno.ts");
  try {
    return runtime.listen(options);
  } catch (cause) {
    throw refusal(options, cause);
  }
}

/** Why the runtime does not listen there, in the same words for every runtime. */
export function refusal(place: Place, cause: unknown): Error {
  const code = codeOf(cause);
  if (code === "EADDRINUSE") return new PortTakenError(place, { cause });
  const cannot = `Cannot listen on ${placeText(place)}`;
  const { hostname, flag } = place;
  if (code === "EACCES") {
    const reason = "this user may not use the port; those below 1024 take a right of their own";
    return new Error(`${cannot}: ${reason}. ${flag ?? "--port"} chooses another`, { cause });
  }
  const reason = isElsewhere(cause, hostname)
    ? "it is no address of this machine; `ip address` shows those"
    : reasonOf(cause);
  return new Error(`${cannot} (${flag ?? "--hostname"}): ${reason}`, { cause });
}

function placeText({ hostname, port }: Place): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
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
  return `${scheme}://${placeText({ hostname: host, port })}`;
}

/** Whether a listener with that hostname takes connections on all addresses of the machine. */
export function listensEverywhere(hostname: string): boolean {
  return hostname === "0.0.0.0" || hostname === "::" || hostname === "";
}
