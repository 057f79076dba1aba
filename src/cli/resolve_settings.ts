/** Each setting from its flag, its variable, the file or its default. */
import { ConfigError, issueLine } from "./config_error.ts";
import { type ServerSettings, type Setting, SETTING_ROWS } from "./server_settings.ts";
import { unknownNames } from "./unknown_names.ts";

/** Where settings come from; an earlier source beats a later one. */
export interface SettingSources {
  /** As in commander's `opts()`: texts, or true; undefined when not given. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The file's `server`, checked by its schema. */
  readonly file: Readonly<Record<string, unknown>>;
}

/**
 * Takes each setting from its flag, else the environment, else the file, else the default.
 *
 * An empty variable counts as not set. `warnings` names variables with our prefix that are not
 * ours.
 *
 * @throws {ConfigError} with a line for every wrong value, also for one that another source beats
 */
export function resolveSettings(
  { flags, env, file }: SettingSources,
): { readonly settings: ServerSettings; readonly warnings: readonly string[] } {
  const issues: string[] = [];
  const values: Record<string, unknown> = {};
  const { warnings, ignored } = unknownNames(env, SETTING_ROWS.map((setting) => setting.env));
  for (const setting of SETTING_ROWS) {
    const given = (origin: string, raw: unknown) => {
      if (raw === undefined) return undefined;
      const value = fromText(setting, raw);
      const { takes, expected } = setting.rule;
      if (takes(value)) return value;
      issues.push(issueLine(origin, { path: [], given: raw, reason: expected }));
      return undefined;
    };
    const flag = given(`--${setting.flag}`, flags[setting.key]);
    const variable = ignored.has(setting.env) ? undefined : env[setting.env] || undefined;
    const fromEnv = given(setting.env, variable);
    const fromFile = setting.fileKey === undefined ? undefined : file[setting.fileKey];
    values[setting.key] = flag ?? fromEnv ?? fromFile ?? setting.fallback;
  }
  if (issues.length > 0) throw new ConfigError(issues);
  // Each value has passed the rule of its own row, and every row has been seen.
  return { settings: values as ServerSettings, warnings };
}

/**
 * The value of a flag or variable, which are texts. One that does not read as its kind stays a
 * text, which its rule refuses.
 */
function fromText({ kind }: Setting, raw: unknown): unknown {
  if (typeof raw !== "string") return raw;
  if (kind === "number") return /^-?\d+$/.test(raw) ? Number(raw) : raw;
  if (kind === "boolean") return BOOLEANS.get(raw.toLowerCase()) ?? raw;
  return raw;
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ["1", true],
  ["true", true],
  ["yes", true],
  ["0", false],
  ["false", false],
  ["no", false],
]);
