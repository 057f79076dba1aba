/** `check`: says whether a configuration file is right, and when its syncs run by themselves. */
import { readFileSync } from "node:fs";
import { systemClock } from "../clock.ts";
import { outlookText } from "../jobs/schedules/slots.ts";
import { type ConfigIssue, type ConfiguredSync, ownFileIssues } from "../jobs/sync_config.ts";
import { fileSystem } from "../sources/file_system.ts";
import { unreadable } from "../sources/tree_root.ts";
import { readSecret, readTicketKeys } from "./auth_config.ts";
import { type Config, type Look, parseConfig, readConfig } from "./config_file.ts";
import { ExitCode } from "./exit.ts";
import { readKeysFile, tlsOf } from "./open_auth.ts";
import { print } from "./output.ts";
import { resolveSettings } from "./resolve_settings.ts";
import { CONFIG_FILE } from "./settings.ts";

/** Stdin. Deno opens it by no name unless it may do everything. */
const STDIN = ["-", "/dev/stdin"];

/**
 * As `serve` would take it, with the files and directories that it names.
 *
 * @throws {ConfigError} with a line for each fault; {KeyFileError}
 */
export async function checkConfig(given: string | undefined): Promise<number> {
  const { env } = process;
  const stdin = given !== undefined && STDIN.includes(given);
  const file = stdin ? "stdin" : given ?? (env.SYNCTAIL_CONFIG || CONFIG_FILE);
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
  const names = syncs.map(({ name }) => name).join(", ");
  const told = notify().map(({ name }) => name).join(", ");
  print(
    `${file} is right: ${syncs.length} sync${syncs.length === 1 ? "" : "s"}${
      names && ` (${names})`
    }` +
      `${told && `, tells ${told}`}\n`,
  );
  for (const { name, schedule } of syncs) {
    if (!schedule) continue;
    print(`${name}: ${outlookText(schedule, systemClock.now())}\n`);
  }
  return ExitCode.ok;
}

/** A server starts without them, as a disk may come later: their runs fail. */
function unreadableSources(syncs: readonly ConfiguredSync[]): ConfigIssue[] {
  return syncs.flatMap(({ source }, index) => {
    if (source.type !== "directory") return [];
    const reason = unreadable(fileSystem, source.path);
    if (reason === undefined) return [];
    return [{ path: ["syncs", index, "source", "path"], given: source.path, reason }];
  });
}
