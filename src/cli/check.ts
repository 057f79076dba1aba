/** `check`: says whether a configuration file is right. */
import process from "node:process";
import { readConfig } from "./config_file.ts";
import { ExitCode } from "./exit.ts";
import { CONFIG_FILE } from "./settings.ts";

/** @throws {ConfigError} with a line for each fault */
export function checkConfig(file: string = CONFIG_FILE): number {
  const { syncs, notify } = readConfig(file);
  const names = syncs.map(({ name }) => name).join(", ");
  const told = notify().map(({ name }) => name).join(", ");
  process.stdout.write(
    `${file} is right: ${syncs.length} syncs${names && ` (${names})`}` +
      `${told && `, tells ${told}`}\n`,
  );
  return ExitCode.ok;
}
