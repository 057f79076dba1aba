/** `exec --flush`: sends what earlier runs have left. */
import { systemClock } from "../../clock.ts";
import { type Flushed, SpoolDirectory } from "../../client/spool_directory.ts";
import { clean } from "../../sync/clean.ts";
import { ExitCode } from "../exit.ts";
import { untilLeft } from "../until_left.ts";
import type { Say } from "./say.ts";
import type { Target } from "./target.ts";

/**
 * Sends the spools that earlier runs have left to the target.
 *
 * @param from URL of another server whose spools are sent to the target too
 * @returns 0 when all of them were sent, else 1
 */
export async function flush(
  path: string,
  { target, from }: { readonly target: Target; readonly from: string | undefined },
  say: Say,
): Promise<number> {
  const onFault = (message: string) => say(message, { type: "fault", message });
  const { signal } = untilLeft();
  const directory = new SpoolDirectory(path, onFault);
  const { server, keyPrint, endpoint } = target;
  const { sent, left, others, reason } = await directory.flush({
    server,
    from,
    keyPrint,
    everyKey: true,
    endpoint,
    clock: systemClock,
    signal,
    onFault,
  });
  const words = `jobs that were left behind: ${sent} sent, ${left} left`;
  say([words + (reason ? ` (${reason})` : ""), ...othersWords(others)].join("; "), {
    type: "flushed",
    sent,
    left,
    others: [...others.values()].reduce((sum, jobs) => sum + jobs, 0),
    other_servers: [...others].map(([server, jobs]) => ({ server, jobs })),
    reason: reason ?? null,
  });
  return left === 0 && !signal.aborted ? ExitCode.ok : ExitCode.failed;
}

/** Which servers the other spools are for, and how to send them here. */
function othersWords(others: Flushed["others"]): readonly string[] {
  if (others.size === 0) return [];
  const named = [...others].map(([server, jobs]) =>
    `${jobs} for ${server === null ? "the server of the data directory" : clean(server)}`
  );
  const urls = [...others.keys()].some((server) => server !== null);
  return [
    `others stay: ${named.join(", ")}`,
    ...urls ? ["to tell this server of them add --from URL"] : [],
  ];
}
