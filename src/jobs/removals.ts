/** Removing many jobs. */
import { turn } from "../event_loop.ts";
import { StorageFullError } from "../log/log_errors.ts";
import type { JobKey } from "../sync/ids.ts";

/** How many jobs one commit removes, so that others do not wait long. */
const AT_ONCE = 50;

/**
 * Removes jobs, and lets others work in between.
 *
 * @param remove as EventLog.remove: whether the job was there
 * @returns how many there were
 */
export async function removeAll<Key extends JobKey>(
  keys: readonly Key[],
  remove: (key: Key) => Promise<boolean>,
): Promise<number> {
  let removed = 0;
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const part = keys.slice(at, at + AT_ONCE);
    const outcomes = await Promise.allSettled(part.map(remove));
    for (const [n, outcome] of outcomes.entries()) {
      if (outcome.status === "fulfilled") removed += Number(outcome.value);
      // On a full disk there may be room to remove one, and none to remove all.
      else if (outcome.reason instanceof StorageFullError) removed += Number(await remove(part[n]));
      else throw outcome.reason;
    }
    await turn();
  }
  return removed;
}
