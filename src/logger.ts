/** The server's own log: one line a fact, on stderr. */
import {
  configure,
  getAnsiColorFormatter,
  getJsonLinesFormatter,
  getLogger,
  type Logger,
} from "@logtape/logtape";
import process from "node:process";

/** Levels of the server's own log, most talkative first. */
export const SERVER_LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
export type ServerLogLevel = typeof SERVER_LOG_LEVELS[number];

/** The logger of one part of the server, such as "http" or "jobs". */
export function loggerOf(part: string): Logger {
  return getLogger(["synctail", part]);
}

/** Sends lines of at least `least` to stderr: JSON for programs, coloured words for a terminal. */
export async function logToStderr(least: ServerLogLevel): Promise<void> {
  const format = process.stderr.isTTY
    ? getAnsiColorFormatter({ timestamp: "time" })
    : getJsonLinesFormatter({ message: "rendered", properties: "flatten" });
  await configure({
    reset: true,
    sinks: { stderr: (record) => void process.stderr.write(format(record)) },
    loggers: [
      { category: "synctail", lowestLevel: least, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
}
