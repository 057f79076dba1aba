/** What the end of a process means, in words. */
import { shortened } from "../../sync/cut.ts";
import type { JobError } from "../../sync/entry.ts";
import type { Exit } from "./format.ts";

/** Most characters of a program's last line in an error. */
const REASON_MAX = 1_000;

/** The codes for an end by a signal, and by an exit code that does not mean success. */
const PROGRAM_KILLED = "program_killed";
export const PROGRAM_FAILED = "program_failed";

/**
 * Why a run failed: the exit code or the signal, and the program's own last words.
 *
 * @param program what people call it
 * @param reason its last error line; left out where it has said nothing
 */
export function failure(program: string, exit: Exit, reason?: string): JobError {
  const code = exit.signal === null ? PROGRAM_FAILED : PROGRAM_KILLED;
  const ended = exit.signal !== null
    ? `${program} was killed by ${exit.signal}`
    : exit.code !== null
    ? `${program} ended with exit code ${exit.code}`
    : `${program} ended without an exit code`;
  const timed = timedOut(exit);
  if (!reason) return { code, message: ended + (timed || " and said nothing of why") };
  return { code, message: `${ended}${timed}: ${shortened(reason, REASON_MAX)}` };
}

/** Says that its time may have run out: `timeout` itself says nothing. */
function timedOut({ code, signal, timeout }: Exit): string {
  if (!timeout) return "";
  if (code === 124) return `, as timeout does after its time of ${timeout.time}`;
  const killed = signal === "SIGKILL" || code === 137;
  return killed && timeout.kills ? `, perhaps by timeout, which gave it ${timeout.time}` : "";
}

/** Whether the process ended by itself, with one of the exit codes that mean success. */
export function succeeded({ code, signal }: Exit, codes: readonly number[] = [0]): boolean {
  return signal === null && code !== null && codes.includes(code);
}
