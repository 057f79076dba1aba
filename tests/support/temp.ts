/** Directories for one test. */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new empty directory, by a path without links, and how to remove it. */
export function tempDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(realpathSync(tmpdir()), "synctail-test-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
