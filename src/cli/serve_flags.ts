/** Reads plain flags of `serve`: loading commander takes longer than reading them all. */
import type { Flags } from "./flags.ts";
import { SETTING_ROWS } from "./server_settings.ts";

/**
 * The flags as commander would read them; undefined for anything else: another command, `--help`, a
 * mistake.
 */
export function serveFlags(args: readonly string[]): Flags | undefined {
  const rows = new Map(SETTING_ROWS.map((row) => [`--${row.flag}`, row]));
  const flags: Record<string, unknown> = {};
  const words = args[0] === "serve" ? args.slice(1) : args;
  for (let at = 0; at < words.length; at++) {
    const [name, ...rest] = words[at].split("=");
    const row = rows.get(name);
    if (!row) return undefined;
    if (row.kind === "boolean") {
      if (rest.length > 0) return undefined;
      flags[row.key] = true;
    } else {
      const value = rest.length > 0 ? rest.join("=") : words[++at];
      if (value === undefined || value.startsWith("-")) return undefined;
      flags[row.key] = value;
    }
  }
  return flags;
}
