/** Environment variables that look like ours and are not. */
import { nearest } from "./nearest.ts";

const PREFIX = "SYNCTAIL_";
/** Read by commands that talk to a server; no settings of the server itself. */
const CLIENT_ENV = ["SYNCTAIL_SERVER", "SYNCTAIL_KEY", "SYNCTAIL_KEY_FILE"] as const;

/**
 * Kubernetes sets variables for every Service that a pod can see, and for one called "synctail"
 * they carry our prefix. SYNCTAIL_PORT is then an address, not anybody's wish.
 *
 * @see https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
const KUBERNETES = /^SYNCTAIL_(?:SERVICE_(?:HOST|PORT\w*)|PORT_\d+_\w+)$/;
const KUBERNETES_PORT = /^(?:tcp|udp|sctp):\/\//;

/**
 * Looks through the environment.
 *
 * @returns a line for each unknown name with the prefix, and the known names whose value is not meant for us
 */
export function unknownNames(
  env: Readonly<Record<string, string | undefined>>,
  known: readonly string[],
): { readonly warnings: readonly string[]; readonly ignored: ReadonlySet<string> } {
  const ours = [...known, ...CLIENT_ENV];
  const warnings: string[] = [];
  const ignored = new Set<string>();
  for (const [name, value] of Object.entries(env)) {
    if (name === "SYNCTAIL_PORT" && KUBERNETES_PORT.test(value ?? "")) {
      ignored.add(name);
      warnings.push(`${name}: ignored: Kubernetes set it for a Service called "synctail"`);
    } else if (name.startsWith(PREFIX) && !ours.includes(name) && !KUBERNETES.test(name)) {
      const meant = nearest(name, ours);
      const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
      warnings.push(`${name}: ignored: no such setting${hint}`);
    }
  }
  return { warnings, ignored };
}
