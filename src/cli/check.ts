/** `check`: says whether a configuration file is right, and when its syncs run by themselves. */
import process from "node:process";
import { systemClock } from "../clock.ts";
import { outlookText } from "../jobs/schedules/slots.ts";
import { readConfig } from "./config_file.ts";
import { ExitCode } from "./exit.ts";
import { CONFIG_FILE } from "./settings.ts";

/** @throws {ConfigError} with a line for each fault */
export function checkConfig(file: string = CONFIG_FILE): number {
  const { syncs, notify } = readConfig(file);
  const names = syncs.map(({ name }) => name).join(", ");
  const told = notify().map(({ name }) => name).join(", ");
  process.stdout.write(
    `${file} is right: ${syncs.length} sync${syncs.length === 1 ? "" : "s"}${
      names && ` (${names})`
    }` +
      `${told && `, tells ${told}`}\n`,
  );
  for (const { name, schedule } of syncs) {
    if (!schedule) continue;
    process.stdout.write(`${name}: ${outlookText(schedule, systemClock.now())}\n`);
  }
  return ExitCode.ok;
}
