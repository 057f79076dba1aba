/** Lines of a program as words for people. */
import { clean } from "../../sync/clean.ts";
import { cut } from "../../sync/cut.ts";
import type { LogLevel } from "../../sync/entry.ts";
import type { SourceLog } from "../source.ts";

/** Most characters of a log line; a longer one is cut. */
const WORDS_MAX = 16 * 1024;
/** Characters for the words that say that it was cut. */
const CUT_MAX = 32;

/** What colours a terminal, moves its cursor or sets its title. */
const ESCAPES =
  // deno-lint-ignore no-control-regex -- they are what is looked for
  /\x1b(?:\[[0-9;:?]*[ -\/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|P[^\x1b]*\x1b\\|[ -\/]+[0-~]|[0-Z\\-_])/g;

/** The line without colours, control characters and what CR and backspaces write over; tabs are blanks. */
export function words(text: string): string {
  const line = text.slice(text.lastIndexOf("\r", text.trimEnd().length - 1) + 1);
  const plain = clean(overwritten(line.replace(ESCAPES, ""))).trimEnd();
  if (plain.length <= WORDS_MAX) return plain;
  const kept = cut(plain, WORDS_MAX - CUT_MAX);
  return `${kept}… (${plain.length - kept.length} more)`;
}

/** The line as it stands where each backspace has moved the cursor back by a character. */
function overwritten(line: string): string {
  if (!line.includes("\b")) return line;
  const shown: string[] = [];
  let at = 0;
  for (const character of line) {
    if (character === "\b") at = Math.max(0, at - 1);
    else shown[at++] = character;
  }
  return shown.join("");
}

/**
 * The level at a line's beginning, after a date, a time, a bracket or systemd's number of it;
 * `ERROR/MainProcess]` is Celery's.
 */
const LEVEL =
  /^(?:<[0-7]>)?[\s[(<]*(?:[\dTZ:.,+\/-]+[\])>]?[\s[(<]+){0,3}(fatal|critical|panic|error|err|warning|warn|debug|trace)\b(?:\/[^\s\]]+\]|[\])>]?)(?::|\s|$)/i;
/** The level behind the program's name or a place, as `pg_dump: error: ` or `a.c:1:1: fatal error: `. */
const LEVEL_BEHIND = /^\S+: (?:fatal )?(fatal|error|warning): /i;
/** The level behind a date and the name of a logger or thread, as Python, Java and Airflow log. */
const LEVEL_OF_LOGGER =
  /^[\s[(<]*(?:[\dTZ:.,+\/-]+[\])>]?[\s[(<|]{1,9}){1,3}(?:(?!\[?(?:(?:INFO|NOTICE)\b|(?:info|notice)\]))(?:\S+ +- +|\[[^\]]*\] +\[?|\{[^}]*\} +))?(FATAL|CRITICAL|ERROR|WARNING|WARN|DEBUG|TRACE)\b(?=\]? )/;
/** The first level of a line that is JSON (pino, structlog, zap, borg) or logfmt (logrus, slog). */
const LEVEL_OF_RECORD =
  /^(?:\{(?:|.*?[,{] ?)"(?:level|levelname|severity|lvl)": ?"?|(?:(?:time|ts|t)=\S+ +)?(?:level|lvl)=)(emergency|alert|fatal|critical|panic|error|err|warning|warn|debug|trace|info(?:rmation)?|notice|[1-6]0)\b/i;
const LEVELS: ReadonlyMap<unknown, LogLevel> = new Map([
  ...["emergency", "alert", "fatal", "critical", "panic", "error", "err"]
    .map((name) => [name, "error"] as const),
  ...["warning", "warn"].map((name) => [name, "warning"] as const),
  ...["debug", "trace"].map((name) => [name, "debug"] as const),
  // pino and bunyan
  ...["60", "50"].map((name) => [name, "error"] as const),
  ...[["40", "warning"], ["20", "debug"], ["10", "debug"]] as const,
]);

/** The level of that name in upper or lower case; `info` for anything else. */
export function levelCalled(name: unknown): LogLevel {
  return LEVELS.get(typeof name === "string" ? name.toLowerCase() : name) ?? "info";
}

/** The level that a line names at its beginning; `info` where it names none. */
export function levelOf(line: string): LogLevel {
  const found = LEVEL.exec(line) ?? LEVEL_BEHIND.exec(line) ?? LEVEL_OF_LOGGER.exec(line) ??
    LEVEL_OF_RECORD.exec(line);
  return levelCalled(found?.[1]);
}

/** A log line, or none where nothing is left to read. */
export function logLine(level: LogLevel, text: string): readonly SourceLog[] {
  const message = words(text);
  return message === "" ? [] : [{ type: "log", level, message }];
}
