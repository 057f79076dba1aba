/** A key as it is stored. */
import { parseTenantId, type TenantId } from "../sync/ids.ts";
import type { Principal } from "./principal.ts";
import { isScope, type Scope } from "./scopes.ts";

/** What may be shown of a key. Times in milliseconds since 1970. */
export interface KeyInfo {
  readonly id: string;
  readonly tenant: TenantId;
  readonly scopes: readonly Scope[];
  readonly name: string | null;
  readonly createdAtMs: number;
  /** Null while it is in force. */
  readonly revokedAtMs: number | null;
}

/** A key with the digest of its secret, and whom it stands for. */
export interface KeyRow {
  readonly info: KeyInfo;
  readonly principal: Principal;
  /** As hex. */
  readonly digest: string;
}

/**
 * Reads a row of the table `keys`. A scope that this synctail does not know grants nothing.
 *
 * @throws {TypeError} when the row is damaged
 */
export function keyRowOf(row: Readonly<Record<string, unknown>>): KeyRow {
  const id = String(row.id);
  const tenant = parseTenantId(String(row.tenant));
  const digest = String(row.digest);
  if (tenant === undefined || !/^[0-9a-f]{64}$/.test(digest)) {
    throw new TypeError(`Cannot read key "${id}": its row is damaged`);
  }
  const scopes = String(row.scopes).split(",").filter(isScope);
  const info = {
    id,
    tenant,
    scopes,
    name: row.name === null ? null : String(row.name),
    createdAtMs: Number(row.created_at_ms),
    revokedAtMs: row.revoked_at_ms === null ? null : Number(row.revoked_at_ms),
  };
  return {
    info,
    digest,
    principal: { keyId: id, tenant, scopes: new Set(scopes), expiresAtMs: null },
  };
}
