/** What the server's own log is told while a test runs. */
import { configure, reset } from "@logtape/logtape";
import type { Cleanup } from "./program.ts";

/** Lines as `warning: words`, of one part of the server. */
export async function serverLog(t: Cleanup, part: string): Promise<readonly string[]> {
  const lines: string[] = [];
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
