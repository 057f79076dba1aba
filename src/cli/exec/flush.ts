/** `exec --flush`: tells what earlier runs have left. */
import { systemClock } from "../../clock.ts";
import { SpoolDirectory } from "../../client/spool_directory.ts";
import { ExitCode } from "../exit.ts";
import { untilStopped } from "../signals.ts";
import type { Say } from "./say.ts";
import type { Target } from "./target.ts";

/** @returns 0 when all that was for this server was told */
export async function flush(path: string, target: Target, say: Say): Promise<number> {
  const onFault = (message: string) => say(message, { type: "fault", message });
  const { signal } = untilStopped();
  const directory = new SpoolDirectory(path, onFault);
  const { server, endpoint } = target;
  const { sent, left, others, reason } = await directory.flush({
    server,
    endpoint,
    clock: systemClock,
    signal,
    onFault,
  });
  const parts = [
    `${sent} sent`,
    `${left} left`,
    ...others > 0 ? [`${others} for other servers`] : [],
  ];
  say(`jobs that were left behind: ${parts.join(", ")}${reason ? ` (${reason})` : ""}`, {
    type: "flushed",
    sent,
    left,
    others,
    reason: reason ?? null,
  });
  return left === 0 && !signal.aborted ? ExitCode.ok : ExitCode.failed;
}
