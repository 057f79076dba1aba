/** Counts the files of a demo, from which its pace follows. */
import type { Clock } from "../clock.ts";
import type { FileSystem } from "../sources/file_system.ts";
import { walkSteps } from "../sources/walk.ts";
import { TimeSlice } from "../time_slice.ts";

/** Counting stops here: a tree of so many files takes long enough by itself. */
const COUNT_MAX = 200_000;

/**
 * Counts what a walk meets. Gives the event loop turns, so that signals are heard.
 *
 * @param root as `walkSteps` takes it
 * @returns undefined when there are more than COUNT_MAX, or the signal has fired
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
