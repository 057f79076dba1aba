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
  ofProgram: false,
  reads: ["stdout", "stderr"],
  stopSignal: "SIGTERM",
  carriesRecords: true,
  prepare: (command) => ({ command, added: [] }),
  reader: ({ records, ...run }) => new AirbyteReader(records, catalogOf(run)),
};

/** The configured catalog: it has the primary keys, which records do not carry. */
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
    // A pipe gives its content to one reader only, and may block.
    return statSync(file).isFile() ? objectIn(readFileSync(file, "utf8")) : undefined;
  } catch {
    return undefined; // it may lie in a container; streams without a key are told of
  }
}
