/** The server's own log: one line a fact, on stderr. */
import type { Logger as TapeLogger, TextFormatter } from "@logtape/logtape";
import process from "node:process";

/** Levels of the server's own log, most talkative first. */
export const SERVER_LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
export type ServerLogLevel = typeof SERVER_LOG_LEVELS[number];

type LogTape = typeof import("@logtape/logtape");
type Say = (words: string, facts?: Record<string, unknown>) => void;

/** LogTape's, as far as it is used here. */
export interface Logger extends Readonly<Record<ServerLogLevel, Say>> {
  /** Whether such a line is read by anybody: else it need not be made. */
  isEnabledFor(level: ServerLogLevel): boolean;
}

/** The least level that goes to stderr; undefined until logToStderr says one. */
let least: ServerLogLevel | undefined;
let tape: LogTape | undefined;
let loading: Promise<void> | undefined;
/** Lines that wait for LogTape. */
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

/** Sends lines of at least that level to stderr: JSON for programs, coloured words for a terminal. */
export function logToStderr(level: ServerLogLevel): void {
  least = level;
  if (tape) configure(tape, level);
}

/**
 * Loads what makes lines of facts. The first line does so by itself: a start that has nothing to
 * say takes in neither LogTape nor Node's util, which are a sixth of it.
 */
export function loadLog(): Promise<void> {
  return loading ??= import("@logtape/logtape").then((loaded) => {
    tape = loaded;
    if (least !== undefined) configure(loaded, least);
    for (const say of early.splice(0)) say();
  });
}

/** Resolves when every line that was said is on its way. */
export async function logTold(): Promise<void> {
  await loading;
}

function configure(loaded: LogTape, level: ServerLogLevel): void {
  // Made for the first line: under Bun `process.stderr` brings all of Node's streams with it.
  let format: TextFormatter | undefined;
  loaded.configureSync({
    reset: true,
    sinks: {
      stderr(record) {
        surviveClosedLog();
        format ??= process.stderr.isTTY
          ? loaded.getAnsiColorFormatter({ timestamp: "time", value: "bare" })
          : jsonLines(loaded);
        process.stderr.write(format(record));
      },
    },
    loggers: [
      { category: "synctail", lowestLevel: level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
}

/**
 * LogTape puts texts among a message's values in quotes, which JSON then escapes, and of an error
 * whatever it has but its message: here both are words.
 */
function jsonLines(loaded: LogTape): TextFormatter {
  const format = loaded.getJsonLinesFormatter({ message: "rendered", properties: "flatten" });
  return (record) => format({ ...record, message: bare(record.message) });
}

/** @param message words and values in turn */
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

/** Whoever reads stderr may leave without harm. To be called before anything is written there. */
export function surviveClosedLog(): void {
  if (!surviving) process.stderr.on("error", () => {});
  surviving = true;
}
