/** The key with which commands on this machine talk to the server of their data directory. */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { CLI_KEY_NAME, type KeyStore } from "../auth/key_store.ts";
import type { TenantId } from "../sync/ids.ts";

/**
 * Reads the tenant's key from its file in the data directory, and makes a new one when there is
 * none in force. The file adds no risk: whoever can read the directory can make keys.
 */
export function cliKey(keys: KeyStore, directory: string, tenant: TenantId): string {
  const file = join(directory, `cli-${tenant}.key`);
  const kept = read(file);
  if (kept !== undefined && keys.verify(kept)?.tenant === tenant) return kept;
  const { id, key } = keys.create({ tenant, scopes: ["read", "run", "write"], name: CLI_KEY_NAME });
  const fresh = `${file}.${process.pid}`;
  try {
    writeFileSync(fresh, `${key}\n`, { mode: 0o600 });
    renameSync(fresh, file); // a file of root's cannot be written, but gives way
  } catch (cause) {
    keys.revoke(id); // nobody would find it
    rmSync(fresh, { force: true });
    throw cause;
  }
  return key;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    // There is none yet, or it cannot be read: a new one replaces it.
    return undefined;
  }
}
