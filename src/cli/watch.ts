/** `watch`: follows a job of any server. */
import { systemClock } from "../clock.ts";
import { clean } from "../sync/clean.ts";
import { LOG_LEVELS } from "../sync/entry.ts";
import { parseJobId } from "../sync/ids.ts";
import { runningServer } from "./connect.ts";
import { displayFor } from "./display.ts";
import { ExitCode, exitCodeOf, UsageError } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { show } from "./show.ts";
import { untilLeft } from "./until_left.ts";

/** Ends with the job's own end; Ctrl-C stops watching, not the job, whose end is not known then. */
export async function watch(job: string, flags: Flags): Promise<number> {
  const id = parseJobId(job);
  if (!id) throw new UsageError(`Cannot watch job "${clean(job)}": a job's id is a UUID`);
  const logs = flags.logs === undefined ? undefined : String(flags.logs);
  if (logs !== undefined && !(LOG_LEVELS as readonly string[]).includes(logs)) {
    throw new UsageError(`--logs: got "${clean(logs)}": expected one of ${LOG_LEVELS.join(", ")}`);
  }
  const client = await runningServer("watch", flags);
  const { signal } = untilLeft();
  const display = displayFor({ json: flags.json === true, clock: systemClock });
  const status = await show(client, id, { display, signal, clock: systemClock, logs });
  if (status !== undefined) return exitCodeOf(status);
  return signal.aborted ? ExitCode.interrupted : ExitCode.ok;
}
