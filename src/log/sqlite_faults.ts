/** Tells SQLite's errors apart. */
import { codeOf, reasonOf } from "../reason.ts";
import { nodePath } from "../system/node.ts";
import { freeBytes, placeOfFile } from "./disk.ts";

/** Bytes on the disk, beside a file, that SQLite needs to open it. */
const ROOM_BYTES = 64 * 1024;

/** Whether the error is SQLite's, not a refusal of ours. */
export function isDatabaseError(cause: unknown): cause is Error {
  return codeOf(cause) === "ERR_SQLITE_ERROR";
}

/** Whether another connection holds a lock. The runtimes share the message, not the code. */
export function isLocked(cause: unknown): boolean {
  return cause instanceof Error && /^database (?:table )?is locked/.test(cause.message);
}

/** Whether what is in the file is no database, or no whole one. */
export function isDamaged(cause: unknown): boolean {
  return /file is not a database|disk image is malformed/.test(reasonOf(cause));
}

/**
 * Whether the file, or its disk, is at fault. SQLite says "malformed" also of a disk that answers a
 * read with EIO.
 *
 * @see https://www.sqlite.org/rescode.html#ioerr_corruptfs
 */
export function isUnreadable(cause: unknown): boolean {
  if (!isDatabaseError(cause)) return false;
  return isDamaged(cause) || /disk I\/O error|unable to open database/.test(cause.message);
}

/** Whether the disk, or the pages that a file may have, are used up. */
export function isDiskFull(cause: unknown): boolean {
  return cause instanceof Error && cause.message.includes("disk is full");
}

/**
 * Whether a file could not be opened or written because its disk is full. Where SQLite could not
 * make its -shm it speaks of an I/O error only, so then the disk's room decides.
 *
 * @param free bytes left on the disk of a directory
 */
export function lacksRoom(cause: unknown, path: string, free = freeBytes): boolean {
  if (!(cause instanceof Error)) return false;
  if (isDiskFull(cause) || codeOf(cause) === "ENOSPC") return true;
  return cause.message.includes("disk I/O error") &&
    free(nodePath().dirname(placeOfFile(path))) < ROOM_BYTES;
}
