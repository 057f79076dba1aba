/** `check`: says whether a configuration file is right, and when its syncs run by themselves. */
import { readFileSync } from "node:fs";
import { systemClock } from "../clock.ts";
import { outlookText } from "../jobs/schedules/slots.ts";
import { type ConfigIssue, type ConfiguredSync, ownFileIssues } from "../jobs/sync_config.ts";
import { fileSystem } from "../sources/file_system.ts";
import { unreadable } from "../sources/tree_root.ts";
import { readSecret, readTicketKeys } from "./auth_config.ts";
import { type Config, type Look, parseConfig, readConfig } from "./config_file.ts";
import { ExitCode, UsageError } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { readKeysFile, tlsOf } from "./open_auth.ts";
import { print, printJson } from "./output.ts";
import { resolveSettings } from "./resolve_settings.ts";
import { CONFIG_FILE, presentFile } from "./settings.ts";
import { isStdin } from "./stdin.ts";

/**
 * Checks a file as `serve` would take it, and the files and directories that it names.
 *
 * @throws {ConfigError} with a line for each fault
 * @throws {KeyFileError | UsageError}
 */
export async function checkConfig(given: string | undefined, flags: Flags): Promise<number> {
  if (given === "") throw new UsageError('Cannot check "": expected the name of a file');
  const { env } = process;
  const stdin = given !== undefined && isStdin(given);
  const file = stdin ? "stdin" : given ?? (env.SYNCTAIL_CONFIG || presentFile() || CONFIG_FILE);
  const settingsWith = (server: Config["server"]) =>
    resolveSettings({ flags: {}, env, file: server }).settings;
  const look: Look = (syncs, server) => [
    ...ownFileIssues(syncs, settingsWith(server).data),
    ...unreadableSources(syncs),
  ];
  const { syncs, notify, server, auth } = stdin
    ? parseConfig(readFileSync(0, "utf8"), file, look)
    : readConfig(file, look);
  const settings = settingsWith(server);
  const { keysFile, ticketSecretFile } = settings;
  if (keysFile !== undefined) readKeysFile(keysFile);
  if (ticketSecretFile !== undefined) readSecret(ticketSecretFile);
  tlsOf(settings);
  await readTicketKeys(auth.ticketKeys);
  const planned = syncs.map(({ name, schedule }) => {
    return { name, schedule: schedule ? outlookText(schedule, systemClock.now()) : null };
  });
  const told = notify().map(({ name }) => name);
  if (flags.json) printJson({ file, syncs: planned, notify: told });
  else print(words(file, planned, told));
  return ExitCode.ok;
}

/**
 * Directories that cannot be read. A server starts all the same, as a disk may come later: then
 * runs fail.
 */
function unreadableSources(syncs: readonly ConfiguredSync[]): ConfigIssue[] {
  return syncs.flatMap(({ source }, index) => {
    if (source.type !== "directory") return [];
    const reason = unreadable(fileSystem, source.path);
    if (reason === undefined) return [];
    return [{ path: ["syncs", index, "source", "path"], given: source.path, reason }];
  });
}

interface Planned {
  readonly name: string;
  /** When it runs by itself, in words. */
  readonly schedule: string | null;
}

function words(file: string, syncs: readonly Planned[], told: readonly string[]): string {
  const names = syncs.map(({ name }) => name).join(", ");
  const first = `${file} is right: ${syncs.length} sync${syncs.length === 1 ? "" : "s"}` +
    `${names && ` (${names})`}${told.length > 0 ? `, tells ${told.join(", ")}` : ""}`;
  const plans = syncs.flatMap(({ name, schedule }) => schedule ? [`${name}: ${schedule}`] : []);
  return [first, ...plans].map((line) => `${line}\n`).join("");
}
