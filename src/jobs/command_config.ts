/** A `command` source in a configuration file. */
import { resolve } from "node:path";
import { z } from "zod";
import { detectFormat, FORMAT_NAMES, type FormatName } from "../sources/formats/formats.ts";
import { ENV_ALWAYS } from "../sources/process/program_env.ts";

/** How long a program may take to stop by default, in seconds. */
const STOP_GRACE_S = 10;
const STOP_GRACE_S_MAX = 300;
const STALL_S_MAX = 604_800;

/** Runs a program, and shows what it prints. */
export interface CommandSourceConfig {
  readonly type: "command";
  readonly format: FormatName;
  readonly command: readonly string[];
  /** Absolute. */
  readonly cwd: string;
  readonly passEnv: readonly string[];
  readonly setEnv: Readonly<Record<string, string>>;
  readonly stopGraceMs: number;
  /** No limit when absent. */
  readonly stallMs?: number;
  /** For the format `lines` only. */
  readonly percent?: RegExp;
}

export const PATTERN = "expected a regular expression with one or two groups";

const NUL = "expected no NUL character";

const text = z.string()
  .refine(noNul, NUL);
/** A path in the file. */
export const pathText = text.min(1, "expected a path");
const program = z.string("expected a program").min(1, "expected a program")
  .refine(noNul, NUL);
const argument = text.describe("As it is: no shell reads it");
const variable = z.string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "expected a variable's name, of A-Z a-z 0-9 _");

/** The schema of a `command` source. */
export const commandSource = z.strictObject({
  type: z.literal("command"),
  format: z.enum(FORMAT_NAMES).optional()
    .describe("How what it prints is understood; by the program's name, else lines"),
  command: z.tuple([program], argument, "expected a list of strings")
    .describe("The program and its arguments; no shell reads them"),
  cwd: pathText.default(".")
    .describe("Where it runs: relative to this file, or absolute"),
  env: z.array(variable).default([])
    .describe(`The server's variables that it is given, beside ${ENV_ALWAYS.join(", ")}`),
  set_env: z.record(variable, text).default({}).describe("Variables that are set for it"),
  stop_grace_s: seconds(STOP_GRACE_S_MAX, "0 kills at once").default(STOP_GRACE_S)
    .describe("Seconds that it has to stop when it is asked to, before it is killed"),
  stall_s: seconds(STALL_S_MAX, "0 for no limit").default(0)
    .describe("Seconds without output after which it is stopped and has failed; 0 for no limit"),
  percent: z.string().min(1, "expected a pattern").refine(isPattern, PATTERN).optional()
    .describe("For the format lines: finds a percent (one group), or done and total (two groups)"),
}).refine((source) => source.percent === undefined || formatName(source) === "lines", {
  path: ["percent"],
  message: "expected none: only the format lines is searched by a pattern",
}).describe("Runs a program of this machine");

/** The format that is named, else that of the program's name, else `lines`. */
export function formatName(
  { format, command }: { readonly format?: FormatName; readonly command: readonly string[] },
): FormatName {
  return format ?? detectFormat(command) ?? "lines";
}

/** @param directory what relative paths start from */
export function commandConfig(
  source: z.output<typeof commandSource>,
  directory: string,
): CommandSourceConfig {
  const { type, command, cwd, env, set_env, stop_grace_s, stall_s, percent } = source;
  return {
    type,
    format: formatName(source),
    command,
    cwd: resolve(directory, cwd),
    passEnv: env,
    setEnv: set_env,
    stopGraceMs: stop_grace_s * 1000,
    stallMs: stall_s === 0 ? undefined : stall_s * 1000,
    percent: percent === undefined ? undefined : new RegExp(percent),
  };
}

function noNul(value: string): boolean {
  return !value.includes("\0");
}

function seconds(max: number, zero: string) {
  const reason = `expected a number of seconds from 0 to ${max}; ${zero}`;
  return z.number(reason).min(0, reason).max(max, reason);
}

/** Whether it is a regular expression with one group or two. */
export function isPattern(source: string): boolean {
  try {
    // An empty alternative always matches, and its match tells the number of groups.
    const groups = (new RegExp(`${source}|`).exec("")?.length ?? 1) - 1;
    return groups === 1 || groups === 2;
  } catch {
    return false; // not a regular expression
  }
}
