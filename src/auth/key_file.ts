/** API keys out of a file that the operator keeps: the same for every replica, and read only. */
import { reasonOf } from "../reason.ts";
import { digestOf, parseApiKey } from "./api_key.ts";
import type { KeyRow } from "./key_row.ts";
import { parseScopes } from "./scopes.ts";
import { parseTenantId } from "../sync/ids.ts";

/** What is wrong in a file of keys. Quotes no part of a key. */
export class KeyFileError extends Error {
  override readonly name = "KeyFileError";
}

/**
 * Reads `KEY TENANT SCOPES [NAME]`, one a line, such as `st_… default read,run nightly jobs`; empty
 * lines and those that begin with `#` are left out.
 *
 * @param path named in errors
 * @throws {KeyFileError}
 */
export function parseKeyFile(text: string, path: string): Map<string, KeyRow> {
  const rows = new Map<string, KeyRow>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const refuse = (reason: string) => {
      throw new KeyFileError(`${path}: line ${index + 1}: ${reason}`);
    };
    const [key = "", tenantName = "", scopeNames = "", ...words] = line.trim().split(/\s+/);
    const parsed = parseApiKey(key) ??
      refuse("expected a key as `keys create --unsaved` prints it");
    const tenant = parseTenantId(tenantName) ?? refuse(`"${tenantName}" is no tenant's name`);
    if (rows.has(parsed.id)) refuse(`the key ${parsed.id} stands there twice`);
    let scopes;
    try {
      scopes = parseScopes(scopeNames);
    } catch (cause) {
      return refuse(reasonOf(cause));
    }
    const { id } = parsed;
    rows.set(id, {
      info: {
        id,
        tenant,
        scopes,
        name: words.join(" ") || null,
        createdAtMs: 0,
        revokedAtMs: null,
      },
      principal: { keyId: id, tenant, scopes: new Set(scopes), expiresAtMs: null },
      digest: digestOf(parsed.secret),
    });
  }
  return rows;
}
