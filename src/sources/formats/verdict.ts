/** What the end of a process means, in words. */
import type { JobError } from "../../sync/entry.ts";
import type { Exit } from "./format.ts";

/** The last words of a program are cut there, in characters. */
const REASON_MAX = 1_000;

/** Ended by a signal, or with another exit code than the ones that mean success. */
const PROGRAM_KILLED = "program_killed";
export const PROGRAM_FAILED = "program_failed";

/**
 * Why a run failed: the exit code or the signal, and the program's own last words.
 *
 * @param program what people call it
 * @param reason its last error line; absent where it has said nothing
 */
export function failure(program: string, exit: Exit, reason?: string): JobError {
  const code = exit.signal === null ? PROGRAM_FAILED : PROGRAM_KILLED;
  const ended = exit.signal !== null
    ? `${program} was killed by ${exit.signal}`
    : exit.code !== null
    ? `${program} ended with exit code ${exit.code}`
    : `${program} ended without an exit code`;
  if (!reason) return { code, message: `${ended} and said nothing of why` };
  const last = reason.length <= REASON_MAX ? reason : `${reason.slice(0, REASON_MAX)}…`;
  return { code, message: `${ended}: ${last}` };
}

/** Whether the process ended by itself, with one of the exit codes that mean success. */
export function succeeded({ code, signal }: Exit, codes: readonly number[] = [0]): boolean {
  return signal === null && code !== null && codes.includes(code);
}
