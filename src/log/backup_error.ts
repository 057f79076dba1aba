/** In a file of its own, which every start loads; backups are loaded where one is made. */

/** There is no log there, or a file cannot be read or written. */
export class BackupError extends Error {
  override readonly name = "BackupError";
}
