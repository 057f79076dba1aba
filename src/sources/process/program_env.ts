/** The environment of a program: what it is given of ours, and what is set for it. */
import process from "node:process";
import { SourceError } from "../source.ts";

/** Given to every program, where we have them. */
export const ENV_ALWAYS = ["PATH", "HOME", "LANG", "TZ"];

export interface ProgramEnv {
  /** Names of our own variables that the program is given too. */
  readonly passEnv?: readonly string[];
  /** Variables of the program's own; beat ours. */
  readonly setEnv?: Readonly<Record<string, string>>;
  /** Ours; this process's when left out. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** @throws {SourceError} env_unknown for a name that is to be passed on and that we do not have */
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
