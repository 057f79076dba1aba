/** What the server's own log is told while a test runs. */
import { configure, reset } from "@logtape/logtape";
import { loadLog } from "../../src/logger.ts";
import type { Cleanup } from "./program.ts";

/** Lines as `warning: words`, of one part of the server. */
export async function serverLog(t: Cleanup, part: string): Promise<readonly string[]> {
  const lines: string[] = [];
  await loadLog();
  await configure({
    reset: true,
    sinks: { lines: ({ level, message }) => void lines.push(`${level}: ${message.join("")}`) },
    loggers: [
      { category: ["synctail", part], lowestLevel: "debug", sinks: ["lines"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["lines"] },
    ],
  });
  t.after(() => reset());
  return lines;
}

/** Records of one part of the server, with what they tell beside their words. */
export async function serverRecords(
  t: Cleanup,
  part: string,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const records: Readonly<Record<string, unknown>>[] = [];
  await loadLog();
  await configure({
    reset: true,
    sinks: { records: ({ properties }) => void records.push(properties) },
    loggers: [
      { category: ["synctail", part], lowestLevel: "debug", sinks: ["records"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["records"] },
    ],
  });
  t.after(() => reset());
  return records;
}
