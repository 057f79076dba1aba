/** The data directory of commands that look into one that is there. */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { LOG_FILE, whyPlantedData } from "../log/data_directory.ts";
import { codeOf } from "../reason.ts";
import { clean } from "../sync/clean.ts";
import { UsageError } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { dataFrom } from "./settings.ts";

/**
 * The data directory, which need not exist.
 *
 * @param what the command's action, for the error: "watch"
 * @throws {UsageError} when this user may not look into it: nothing would be found there; or
 *   `whyPlantedData`
 * @throws {ConfigError} as dataFrom
 */
export async function openData(what: string, flags: Flags): Promise<string> {
  const data = await dataFrom(flags);
  requireOpen(what, data);
  return data;
}

/** @throws {UsageError} when this user may not look into the data directory, or `whyPlantedData` */
export function requireOpen(what: string, data: string): void {
  const reason = whyClosed(data) ?? whyPlantedData(data);
  if (reason !== undefined) throw new UsageError(`Cannot ${what}: ${reason}`);
}

/** Why this user finds nothing in a data directory, in words; undefined when that is no matter. */
export function whyClosed(data: string): string | undefined {
  try {
    // Not accessSync: Deno's knows no groups, and takes root for any other user.
    closeSync(openSync(join(data, LOG_FILE), "r"));
  } catch (cause) {
    if (codeOf(cause) === "EACCES") return `this user may not look into "${clean(data)}"`;
  }
  return undefined;
}
