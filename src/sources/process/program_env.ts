/** The environment of a program: some of this process's variables, and those set for it. */
import process from "node:process";
import { SourceError } from "../source.ts";

/** Variables of this process that every program is given. */
export const ENV_ALWAYS = ["PATH", "HOME", "LANG", "TZ"];

export interface ProgramEnv {
  /** Names of further variables that the program is given. */
  readonly passEnv?: readonly string[];
  /** Variables for the program alone; they win over all others. */
  readonly setEnv?: Readonly<Record<string, string>>;
  /** The environment to take from; this process's when left out. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** @throws {SourceError} env_unknown for a name of `passEnv` that the environment lacks */
export function programEnv(options: ProgramEnv): Readonly<Record<string, string>> {
  const { passEnv = [], setEnv = {}, environment = process.env } = options;
  const env: Record<string, string> = {};
  for (const name of ENV_ALWAYS) {
    const value = environment[name];
    if (value !== undefined) env[name] = value;
  }
  for (const name of passEnv) {
    const value = environment[name];
    if (value === undefined) {
      const message = `Cannot pass on the variable ${name}: this server's environment lacks it`;
      throw new SourceError("env_unknown", message);
    }
    env[name] = value;
  }
  return { ...env, ...setEnv };
}
