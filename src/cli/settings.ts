/** The settings of a command that starts a server, from all their sources. */
import type { Target } from "../jobs/notify/target.ts";
import type { ConfiguredSync } from "../jobs/sync_config.ts";
import { whyPlanted } from "../log/data_directory.ts";
import { ownFiles } from "../system/own_files.ts";
import { ownProcess } from "../system/own_process.ts";
import { type AuthConfig, NO_AUTH } from "./auth_config.ts";
import { ConfigError } from "./config_error.ts";
import type { Flags } from "./flags.ts";
import { printError } from "./output.ts";
import { resolveSettings } from "./resolve_settings.ts";
import { type ServerSettings, SETTING_ROWS } from "./server_settings.ts";
import { unknownNames } from "./unknown_names.ts";

/** The configuration file when none is named, if it exists. */
export const CONFIG_FILE = "synctail.json";

export interface Resolved {
  readonly settings: ServerSettings;
  readonly syncs: readonly ConfiguredSync[];
  readonly auth: AuthConfig;
  /** As in Config. */
  readonly notify: () => readonly Target[];
  /** The file that was read; undefined without one. */
  readonly file: string | undefined;
}

/**
 * Resolves all settings. The modules that read a file are loaded only when there is one.
 *
 * @throws {ConfigError} with all faults
 */
export async function settingsFrom(flags: Flags): Promise<Resolved> {
  const env = ownProcess.env();
  const first = resolveSettings({ flags, env, file: {} });
  for (const warning of first.warnings) printError(`synctail: ${warning}\n`);
  const named = first.settings.config;
  const file = named ?? presentFile();
  if (file === undefined) {
    const { settings } = first;
    return { settings, syncs: [], auth: NO_AUTH, notify: () => [], file };
  }
  const { readConfig } = await import("./config_file.ts");
  const { ownFileIssues } = await import("../jobs/sync_config.ts");
  const settingsWith = (server: Readonly<Record<string, unknown>>) =>
    resolveSettings({ flags, env, file: server }).settings;
  const config = readConfig(
    file,
    (syncs, server) => ownFileIssues(syncs, settingsWith(server).data),
  );
  const settings = settingsWith(config.server);
  return { settings, syncs: config.syncs, auth: config.auth, notify: config.notify, file };
}

/**
 * The data directory of a command that starts no server. Other settings are not checked: these
 * commands work beside a server, whatever its configuration has become.
 *
 * @throws {ConfigError} when it is wrong, or the file that would name it cannot be read
 */
export async function dataFrom({ data: flag }: Flags): Promise<string> {
  const env = ownProcess.env();
  const { SYNCTAIL_DATA, SYNCTAIL_CONFIG } = env;
  const { warnings } = unknownNames(env, SETTING_ROWS.map(({ env }) => env));
  for (const warning of warnings) printError(`synctail: ${warning}\n`);
  const { data, config } = resolveSettings({
    flags: { data: flag },
    env: { SYNCTAIL_DATA, SYNCTAIL_CONFIG },
    file: {},
  }).settings;
  if (flag !== undefined || SYNCTAIL_DATA) return data;
  const file = config ?? presentFile();
  if (file === undefined) return data;
  return (await import("./config_file.ts")).readData(file) ?? data;
}

/** The file of the working directory, if it is there. @throws {ConfigError} with `whyPlanted` */
export function presentFile(): string | undefined {
  if (!ownFiles.exists(CONFIG_FILE)) return undefined;
  const planted = whyPlanted(CONFIG_FILE);
  if (planted === undefined) return CONFIG_FILE;
  throw new ConfigError([`${planted}; SYNCTAIL_CONFIG=${CONFIG_FILE} takes it all the same`]);
}
