/** What stands in the place of a command. */
import type { Command } from "commander";
import { clean } from "../sync/clean.ts";
import { UsageError } from "./exit.ts";
import { nearest } from "./nearest.ts";

/** Flags that ask about the program or a command. */
const ABOUT = /^(-h|--help|-V|--version)$/;

/** Refuses a first word that is no flag and no command. @throws {UsageError} */
export function refuseUnknown(first: string | undefined, known: readonly string[]): void {
  if (first === undefined || first.startsWith("-") || known.includes(first)) return;
  const meant = nearest(first, known);
  const hint = meant === undefined
    ? "synctail --help shows what there is"
    : `did you mean "${meant}"?`;
  throw new UsageError(`unknown command "${clean(first)}", ${hint}`);
}

/**
 * Refuses flags before the command that they are of: they would be taken for those of serve.
 *
 * @throws {UsageError}
 */
export function refuseLate(words: readonly string[], commands: readonly Command[]): void {
  const [first] = words;
  const names = commands.map((each) => each.name());
  const options = commands.flatMap((each) => each.options);
  const isValue = (at: number) =>
    options.some(({ long, required }) => required && long === words[at - 1]);
  const command = words.find((word, at) => names.includes(word) && !isValue(at));
  if (command === undefined || !first.startsWith("-") || words.some((word) => ABOUT.test(word))) {
    return;
  }
  throw new UsageError(
    `expected the command before its flags: synctail ${command} ${clean(first)} ...`,
  );
}
