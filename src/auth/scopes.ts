/** What an API key may do. */

/**
 * - `read`: see syncs and jobs, subscribe to them
 * - `run`: start configured syncs, cancel jobs
 * - `write`: create jobs of outside workers and post their events
 * - `metrics`: read the metrics of the whole server
 * - `tenants`: act for any tenant, not only the key's own
 */
export const SCOPES = ["read", "run", "write", "metrics", "tenants"] as const;
export type Scope = typeof SCOPES[number];

/**
 * Reads `read,run`: spaces around a name do not matter, and a name may be repeated.
 *
 * @returns in the order of SCOPES
 * @throws {RangeError} when a name is no scope, or none is given
 */
export function parseScopes(text: string): Scope[] {
  const names = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  const known = `the scopes are ${SCOPES.join(", ")}`;
  for (const name of names) {
    if (!isScope(name)) throw new RangeError(`Cannot grant scope "${name}": ${known}`);
  }
  if (names.length === 0) throw new RangeError(`Cannot grant scopes "${text}": name one; ${known}`);
  return SCOPES.filter((scope) => names.includes(scope));
}

/** Whether the text names a scope that this synctail knows. */
export function isScope(text: string): text is Scope {
  return SCOPES.some((scope) => scope === text);
}

/** Scopes of a sign-in link when none are asked for. */
export const LINK_SCOPES: readonly Scope[] = ["read", "run"];
