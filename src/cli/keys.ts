/** `keys`: create, list and revoke, also beside a running server. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { formatApiKey, KEY_START, newApiKey } from "../auth/api_key.ts";
import { KeyStore } from "../auth/key_store.ts";
import type { KeyInfo } from "../auth/key_row.ts";
import { parseScopes } from "../auth/scopes.ts";
import { systemClock } from "../clock.ts";
import { KEYS_FILE, makeDataDirectory } from "../log/data_directory.ts";
import { parseTenantId, TENANT_FORM, type TenantId } from "../sync/ids.ts";
import { isoTime } from "../sync/iso_time.ts";
import { ExitCode, UsageError } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { ifUnread, print, printed, printError, printJson } from "./output.ts";
import { openData } from "./open_data.ts";
import { clean } from "../sync/clean.ts";

/** Creates a key and prints it. @throws {UsageError} for a wrong tenant or scope */
export async function createKey(flags: Flags): Promise<number> {
  const tenant = tenantFrom(flags.tenant);
  const scopes = scopesFrom(String(flags.scopes));
  const name = typeof flags.name === "string" ? flags.name : undefined;
  if (flags.unsaved) {
    const fresh = newApiKey();
    const key = formatApiKey(fresh);
    if (flags.json) printJson({ id: fresh.id, key, tenant, scopes });
    else print(`${[key, tenant, scopes.join(","), clean(name ?? "")].join(" ").trim()}\n`);
    return ExitCode.ok;
  }
  return await withKeys(makeDataDirectory(await openData("create a key", flags)), async (keys) => {
    const { id, key } = keys.create({ tenant, scopes, name });
    const revoke = () => void keys.revoke(id); // nobody has seen it
    ifUnread(revoke);
    try {
      if (flags.json) printJson({ id, key, tenant, scopes });
      else print(`${key}\n`);
      await printed();
    } catch (cause) {
      revoke();
      throw cause;
    }
    if (!flags.json) printError("Keep it: it is not shown again.\n");
    return ExitCode.ok;
  });
}

/** Lists keys, oldest first, revoked ones too. @throws {UsageError} as presentKeys */
export async function listKeys(flags: Flags): Promise<number> {
  return await withKeys(await presentKeys("list keys", flags), (keys) => {
    for (const key of keys.list()) {
      if (flags.json) printJson(keyJson(key));
      else print(`${words(key)}\n`);
    }
    return ExitCode.ok;
  });
}

/**
 * Revokes a key. A whole key may be given; only its id is used and shown.
 *
 * @throws {UsageError} when there is no such key
 */
export async function revokeKey(given: string, flags: Flags): Promise<number> {
  const [id] = given.trim().replace(KEY_START, "").split("_");
  const what = `revoke key "${clean(id)}"`;
  return await withKeys(await presentKeys(what, flags), (keys) => {
    const revoked = keys.revoke(id);
    if (!revoked) throw new UsageError(`Cannot ${what}: there is none of that id`);
    if (flags.json) printJson(keyJson(revoked));
    else print(`${words(revoked)}\n`);
    return ExitCode.ok;
  });
}

/** @throws {UsageError} */
export function tenantFrom(given: unknown): TenantId {
  const tenant = parseTenantId(String(given));
  if (tenant) return tenant;
  throw new UsageError(`--tenant: got "${clean(given)}": expected ${TENANT_FORM}`);
}

/** @throws {UsageError} */
export function scopesFrom(text: string) {
  try {
    return parseScopes(text);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new UsageError(`--scopes: ${cause.message}`, { cause });
  }
}

/** The data directory. @throws {UsageError} when it has no keys: probably another one was meant */
async function presentKeys(what: string, flags: Flags): Promise<string> {
  const data = await openData(what, flags);
  if (existsSync(join(data, KEYS_FILE))) return data;
  throw new UsageError(`Cannot ${what}: there are no keys in "${clean(data)}"`);
}

async function withKeys(
  data: string,
  act: (keys: KeyStore) => number | Promise<number>,
): Promise<number> {
  const keys = new KeyStore(join(data, KEYS_FILE), systemClock);
  try {
    return await act(keys);
  } finally {
    keys.close();
  }
}

function keyJson(key: KeyInfo) {
  const { id, tenant, scopes, name, createdAtMs, revokedAtMs } = key;
  return {
    id,
    tenant,
    scopes,
    name,
    created_at: isoTime(createdAtMs),
    revoked_at: isoTime(revokedAtMs),
  };
}

function words(key: KeyInfo): string {
  const state = key.revokedAtMs === null ? "in force" : `revoked ${isoTime(key.revokedAtMs)}`;
  const name = key.name === null ? "" : `  ${clean(key.name)}`;
  return `${key.id}  ${key.tenant}  ${key.scopes.join(",")}  ${
    isoTime(key.createdAtMs)
  }  ${state}${name}`;
}
