/** `watch`: follows a job of any server. */
import { systemClock } from "../clock.ts";
import { clean } from "../sync/clean.ts";
import { LOG_LEVELS } from "../sync/entry.ts";
import { parseJobId } from "../sync/ids.ts";
import { runningServer } from "./connect.ts";
import { displayFor } from "./display.ts";
import { ExitCode, exitCodeOf, UsageError } from "./exit.ts";
import { type Flags, wholeFrom } from "./flags.ts";
import type { WantedLogs } from "./follow.ts";
import { whole } from "./setting_rules.ts";
import { showJob } from "./show_job.ts";
import { untilLeft } from "./until_left.ts";

/** Log lines that come first by default, as with tail(1). */
const TAIL = 10;
/** How many a server gives. */
const TAILS = whole(0, 1_000);

/** Ends with the job's own exit code. Ctrl-C stops watching (130), not the job. */
export async function watch(job: string, flags: Flags): Promise<number> {
  const id = parseJobId(job);
  if (!id) throw new UsageError(`Cannot watch job "${clean(job)}": a job's id is a UUID`);
  const logs = wantedLogs(flags);
  const client = await runningServer("watch", flags);
  const { signal } = untilLeft();
  const display = displayFor({ json: flags.json === true, clock: systemClock });
  const status = await showJob(client, id, { display, signal, clock: systemClock, logs });
  return status === undefined ? ExitCode.interrupted : exitCodeOf(status);
}

/** @throws {UsageError} */
function wantedLogs({ logs, tail }: Flags): WantedLogs | undefined {
  if (logs === undefined) {
    if (tail !== undefined) throw new UsageError("--tail: expected --logs beside it");
    return undefined;
  }
  const level = LOG_LEVELS.find((name) => name === logs);
  if (level === undefined) {
    throw new UsageError(`--logs: got "${clean(logs)}": expected one of ${LOG_LEVELS.join(", ")}`);
  }
  return { level, tail: tail === undefined ? TAIL : wholeFrom("--tail", tail, TAILS) };
}
