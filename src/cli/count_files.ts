/** Counts what a demo will meet, to know how much it has to be held back. */
import type { Clock } from "../clock.ts";
import type { FileSystem } from "../sources/file_system.ts";
import { walkSteps } from "../sources/walk.ts";
import { TimeSlice } from "../time_slice.ts";

/** No more than this are counted: a tree of so many takes long enough by itself. */
const COUNT_MAX = 200_000;

/**
 * Hands control back meanwhile, so that signals are heard.
 *
 * @param root as `walkSteps` takes it
 * @returns undefined when there are too many, or the signal has fired
 */
export async function countFiles(
  files: FileSystem,
  root: string,
  { excluded, signal, clock }: {
    readonly excluded: ReadonlySet<string>;
    readonly signal: AbortSignal;
    readonly clock: Clock;
  },
): Promise<number | undefined> {
  const slice = new TimeSlice(clock);
  let count = 0;
  for (const { kind } of walkSteps(files, root, excluded)) {
    if (kind !== "listed" && ++count > COUNT_MAX) return undefined;
    if (slice.over) await slice.turn();
    if (signal.aborted) return undefined;
  }
  return count;
}
