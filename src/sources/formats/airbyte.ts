/**
 * Airbyte sources: one message a line on stdout.
 *
 * @see https://docs.airbyte.com/platform/understanding-airbyte/airbyte-protocol
 */
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { ProgramFormat, ReaderOptions } from "./format.ts";
import { AirbyteReader } from "./airbyte_reader.ts";
import { objectIn } from "./json.ts";

export const airbyteFormat: ProgramFormat = {
  name: "airbyte",
  reads: ["stdout", "stderr"],
  stopSignal: "SIGTERM",
  carriesRecords: true,
  prepare: (command) => ({ command, added: [] }),
  reader: ({ records, ...run }) => new AirbyteReader(records, catalogOf(run)),
};

/** The configured catalog has the primary keys, which the records do not say. */
function catalogOf(
  { command, cwd }: ReaderOptions,
): Readonly<Record<string, unknown>> | undefined {
  const at = command.indexOf("--catalog");
  const path = at >= 0
    ? command[at + 1]
    : command.find((arg) => arg.startsWith("--catalog="))?.slice("--catalog=".length);
  if (path === undefined) return undefined;
  try {
    const file = resolve(cwd, path);
    // A pipe has it for one reader only, and may let that one wait.
    return statSync(file).isFile() ? objectIn(readFileSync(file, "utf8")) : undefined;
  } catch {
    return undefined; // in a container, perhaps: each stream without a key is told of
  }
}
