/** The server's own log: one line a fact, on stderr. */
import type { Logger as TapeLogger, TextFormatter } from "@logtape/logtape";
import { nodeProcess } from "./system/node.ts";

/** Levels of the server's own log, most talkative first. */
export const SERVER_LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
export type ServerLogLevel = typeof SERVER_LOG_LEVELS[number];

type LogTape = typeof import("@logtape/logtape");
type Say = (words: string, facts?: Record<string, unknown>) => void;

/** The part of LogTape's logger that is used here. */
export interface Logger extends Readonly<Record<ServerLogLevel, Say>> {
  /** Whether lines of this level are written: if not, the caller need not build one. */
  isEnabledFor(level: ServerLogLevel): boolean;
}

/** Lowest level that is written; undefined until logToStderr is called, and nothing is written. */
let least: ServerLogLevel | undefined;
let tape: LogTape | undefined;
let loading: Promise<void> | undefined;
/** Lines said before LogTape was loaded. */
const early: (() => void)[] = [];

/** The logger of one part of the server, such as "http" or "jobs". */
export function loggerOf(part: string): Logger {
  let own: TapeLogger | undefined;
  const taped = (from: LogTape) => own ??= from.getLogger(["synctail", part]);
  const isEnabledFor = (level: ServerLogLevel) => {
    if (tape) return taped(tape).isEnabledFor(level);
    return least !== undefined &&
      SERVER_LOG_LEVELS.indexOf(level) >= SERVER_LOG_LEVELS.indexOf(least);
  };
  const sayer = (level: ServerLogLevel): Say => (words, facts = {}) => {
    if (tape) return taped(tape)[level](words, facts);
    if (!isEnabledFor(level)) return;
    early.push(() => tape && taped(tape)[level](words, facts));
    void loadLog();
  };
  return {
    debug: sayer("debug"),
    info: sayer("info"),
    warning: sayer("warning"),
    error: sayer("error"),
    isEnabledFor,
  };
}

/** Writes lines of this level and above to stderr: as JSON, or as coloured words on a terminal. */
export function logToStderr(level: ServerLogLevel): void {
  least = level;
  if (tape) configure(tape, level);
}

/**
 * Loads LogTape. The first line to be written does so by itself: LogTape and Node's util take a
 * sixth of the start, and a start that writes nothing is spared them.
 */
export function loadLog(): Promise<void> {
  return loading ??= import("@logtape/logtape").then((loaded) => {
    tape = loaded;
    if (least !== undefined) configure(loaded, least);
    for (const say of early.splice(0)) say();
  });
}

/** Resolves when every line so far has been written to stderr. */
export async function logTold(): Promise<void> {
  await loading;
}

function configure(loaded: LogTape, level: ServerLogLevel): void {
  // Made for the first line: under Bun, reading `process.stderr` loads all of Node's streams.
  let format: TextFormatter | undefined;
  loaded.configureSync({
    reset: true,
    sinks: {
      stderr(record) {
        surviveClosedLog();
        format ??= nodeProcess().stderr.isTTY
          ? loaded.getAnsiColorFormatter({ timestamp: "time", value: "bare" })
          : jsonLines(loaded);
        nodeProcess().stderr.write(format(record));
      },
    },
    loggers: [
      { category: "synctail", lowestLevel: level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
}

/**
 * JSON lines that show texts and errors in a message as plain words. LogTape itself puts texts in
 * quotes, which JSON then escapes, and shows of an error everything but its message.
 */
function jsonLines(loaded: LogTape): TextFormatter {
  const format = loaded.getJsonLinesFormatter({ message: "rendered", properties: "flatten" });
  return (record) => format({ ...record, message: bare(record.message) });
}

/**
 * Merges texts and the messages of errors into the words around them.
 *
 * @param message words and values in turn
 */
function bare(message: readonly unknown[]): readonly unknown[] {
  const parts: unknown[] = [""];
  for (const [place, value] of message.entries()) {
    const part = value instanceof Error ? value.message : value;
    if (place % 2 === 0 || typeof part === "string") parts.push(`${parts.pop()}${part}`);
    else parts.push(part, "");
  }
  return parts;
}

let surviving = false;

/** Ignores errors of stderr, as its reader may leave. To be called before anything is written. */
export function surviveClosedLog(): void {
  if (!surviving) nodeProcess().stderr.on("error", () => {});
  surviving = true;
}
