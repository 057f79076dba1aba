/** The flags of the command line. */
import { clean } from "../sync/clean.ts";
import { UsageError } from "./exit.ts";
import type { Rule } from "./setting_rules.ts";

/** The flags of a command as commander has read them; each command reads those that it declares. */
export type Flags = Readonly<Record<string, unknown>>;

/** The whole number of a flag, which is written in digits alone. @throws {UsageError} */
export function wholeFrom(flag: string, given: unknown, { takes, expected }: Rule<number>): number {
  const number = /^\d{1,9}$/.test(String(given)) ? Number(given) : undefined;
  if (takes(number)) return number;
  throw new UsageError(`${flag}: got "${clean(given)}": ${expected}`);
}
