/** The server's own log: one line a fact, on stderr. */
import {
  configure,
  getAnsiColorFormatter,
  getJsonLinesFormatter,
  getLogger,
  type Logger,
  type TextFormatter,
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
  // Made for the first line: under Bun `process.stderr` brings all of Node's streams with it.
  let format: TextFormatter | undefined;
  await configure({
    reset: true,
    sinks: {
      stderr(record) {
        surviveClosedLog();
        format ??= process.stderr.isTTY
          ? getAnsiColorFormatter({ timestamp: "time" })
          : getJsonLinesFormatter({ message: "rendered", properties: "flatten" });
        process.stderr.write(format(record));
      },
    },
    loggers: [
      { category: "synctail", lowestLevel: least, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
}

let surviving = false;

/** Whoever reads stderr may leave without harm. To be called before anything is written there. */
export function surviveClosedLog(): void {
  if (!surviving) process.stderr.on("error", () => {});
  surviving = true;
}
