/** Finds environment variables with our prefix that are not ours. */
import { nearest } from "./nearest.ts";

const PREFIX = "SYNCTAIL_";
/** Variables of commands that talk to a server; not settings of the server itself. */
const CLIENT_ENV = ["SYNCTAIL_SERVER", "SYNCTAIL_KEY", "SYNCTAIL_KEY_FILE"] as const;

/**
 * Kubernetes sets variables for every Service that a pod can see. Those of one named "synctail"
 * have our prefix, and SYNCTAIL_PORT is then an address that nobody chose as a setting.
 *
 * @see https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
const KUBERNETES = /^SYNCTAIL_(?:SERVICE_(?:HOST|PORT\w*)|PORT_\d+_\w+)$/;
const KUBERNETES_PORT = /^(?:tcp|udp|sctp):\/\//;

/**
 * Looks through the environment.
 *
 * @returns a warning for each unknown name with the prefix, and the known names whose value is not
 *   ours
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
