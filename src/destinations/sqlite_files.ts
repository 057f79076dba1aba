/** Where SQLite keeps a database. */
import { COMPANIONS } from "../log/migration_copy.ts";
import { realPathOf } from "../sources/file_system.ts";

/**
 * The files of the database at `path`, itself first; not all need exist. SQLite follows a link and
 * puts the companions beside what it names.
 */
export function sqliteFiles(path: string): string[] {
  const file = realPathOf(path);
  return [file, ...COMPANIONS.map((suffix) => file + suffix)];
}
