/** API keys from a file that the operator keeps: the same for every replica, and only read. */
import { reasonOf } from "../reason.ts";
import { digestOf, KEY_INSIDE, parseApiKey } from "./api_key.ts";
import type { KeyRow } from "./key_row.ts";
import { parseScopes } from "./scopes.ts";
import { parseTenantId } from "../sync/ids.ts";

/** What is wrong in a key file. Quotes no secret. */
export class KeyFileError extends Error {
  override readonly name = "KeyFileError";
}

/**
 * Reads `KEY TENANT SCOPES [NAME]`, one a line, such as `st_… default read,run nightly jobs`. Empty
 * lines and lines that begin with `#` are skipped.
 *
 * @param path named in errors
 * @returns the keys by id
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
    // Added to a line without an end it would be part of the scopes, which are quoted, or of a name.
    if (KEY_INSIDE.test(line.trim().slice(key.length))) {
      refuse("a second key stands there: expected one a line");
    }
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
