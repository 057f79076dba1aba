/** What SQLite says no for. */

/** Whether SQLite itself said no, as against a refusal of ours. */
export function isDatabaseError(cause: unknown): cause is Error {
  return cause instanceof Error && "code" in cause && cause.code === "ERR_SQLITE_ERROR";
}

/** Whether the disk, or the pages that a file may have, are used up. */
export function isDiskFull(cause: unknown): boolean {
  return cause instanceof Error && cause.message.includes("disk is full");
}
