/** What exec itself says: on stderr, as stdout is the program's. */
import { writeSync } from "node:fs";
import { clean } from "../../sync/clean.ts";

/**
 * Says something.
 *
 * @param words for people
 * @param what the same for programs: an object with a `type`
 */
export type Say = (words: string, what: Readonly<Record<string, unknown>>) => void;

/** Says words; with `json` one object a line; with `quiet` nothing. */
export function sayer({ json, quiet }: { readonly json: boolean; readonly quiet: boolean }): Say {
  return (words, what) => {
    if (!quiet) tell(json ? JSON.stringify(what) : `synctail: ${clean(words)}`);
  };
}

/** A line on stderr, written at once: the process may end the next moment. */
function tell(line: string): void {
  try {
    // process.stderr would change the mode of a stream that the program uses too.
    writeSync(2, `${line}\n`);
  } catch {
    // Nobody reads it: the program is not disturbed for that.
  }
}
