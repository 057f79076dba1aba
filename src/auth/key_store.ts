/** The API keys of all tenants, in a SQLite file that a server and the CLI open at once. */
import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "../clock.ts";
import { openVersioned } from "../log/migrate.ts";
import type { TenantId } from "../sync/ids.ts";
import {
  digestOf,
  formatApiKey,
  matchesDigest,
  newApiKey,
  NO_DIGEST,
  parseApiKey,
} from "./api_key.ts";
import { type KeyInfo, type KeyRow, keyRowOf } from "./key_row.ts";
import type { Principal } from "./principal.ts";
import type { Scope } from "./scopes.ts";

/** Name of the key that the CLI makes for itself; `countActive` leaves it out. */
export const CLI_KEY_NAME = "cli";
/** Name of the keys behind sign-in links; `countActive` leaves them out, too. */
const LINK_KEY_NAME = "link";

/** How long a key is cached: one that another process revokes is in force so long at most. */
const CACHED_MS = 1_000;
/** Keys held in memory; the one read from the file longest ago makes room. */
const CACHED_MAX = 1_000;

/** "STky": tells this file from another application's database. */
const APPLICATION_ID = 0x53546b79;
/** Step n leads from schema n to n + 1. A step that has been released is never changed. */
const MIGRATIONS = [
  `CREATE TABLE keys (
     id TEXT NOT NULL PRIMARY KEY,
     tenant TEXT NOT NULL,
     scopes TEXT NOT NULL,
     name TEXT,
     digest TEXT NOT NULL,
     created_at_ms INTEGER NOT NULL,
     revoked_at_ms INTEGER
   );`,
];

/** What a key is made from. */
export interface NewKey {
  readonly tenant: TenantId;
  readonly scopes: readonly Scope[];
  /** What the key is for, in its owner's words. */
  readonly name?: string;
}

/** A key just made, with the text that is never shown again. */
export interface CreatedKey extends KeyInfo {
  readonly key: string;
}

/** Creates, lists, revokes and verifies keys. The file holds their digests, never their secrets. */
export class KeyStore {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #byId: ReturnType<DatabaseSync["prepare"]>;
  /** Keys of the operator's key file by id, in force as long as the file holds them. */
  #fixed: ReadonlyMap<string, KeyRow> = new Map();
  readonly #cached = new Map<string, { readonly row: KeyRow; readonly readAt: number }>();

  /** @throws {StoreVersionError | StoreForeignError} when the file is not this version's to open */
  constructor(path: string, clock: Clock) {
    this.#clock = clock;
    this.#db = openVersioned(path, {
      applicationId: APPLICATION_ID,
      migrations: MIGRATIONS,
      what: "the key store",
    });
    this.#byId = this.#db.prepare("SELECT * FROM keys WHERE id = ?");
  }

  /**
   * @param id of the key, and its secret, where it was shown before
   * @throws {RangeError} when no scope is given: such a key could do nothing
   */
  create({ tenant, scopes, name }: NewKey, { id, secret } = newApiKey()): CreatedKey {
    if (scopes.length === 0) throw new RangeError("Cannot create a key: it has no scopes");
    const createdAtMs = this.#clock.now();
    this.#db.prepare(
      "INSERT INTO keys (id, tenant, scopes, name, digest, created_at_ms) VALUES (?, ?, ?, ?, ?, ?)",
    ).run(id, tenant, scopes.join(","), name ?? null, digestOf(secret), createdAtMs);
    const key = formatApiKey({ id, secret });
    return { id, tenant, scopes, name: name ?? null, createdAtMs, revokedAtMs: null, key };
  }

  /** Replaces the keys of the key file by those of its latest reading. */
  useFixed(rows: ReadonlyMap<string, KeyRow>): void {
    this.#fixed = rows;
  }

  /** All stored keys, revoked ones too, oldest first. */
  list(): KeyInfo[] {
    return this.#db.prepare("SELECT * FROM keys ORDER BY rowid").all()
      .map((row) => keyRowOf(row).info);
  }

  /** Revokes a stored key; one revoked before keeps its date. Undefined when the id is unknown. */
  revoke(id: string): KeyInfo | undefined {
    this.#db.prepare("UPDATE keys SET revoked_at_ms = ? WHERE id = ? AND revoked_at_ms IS NULL")
      .run(this.#clock.now(), id);
    this.#cached.delete(id);
    return this.#read(id)?.info;
  }

  /** The principal of a key; undefined when its text, id or secret is wrong, or it is revoked. */
  verify(text: string): Principal | undefined {
    const key = parseApiKey(text);
    if (!key) return undefined;
    const row = this.#active(key.id);
    const matches = matchesDigest(key.secret, row?.digest ?? NO_DIGEST);
    return row && matches ? row.principal : undefined;
  }

  /**
   * Whether a key verified before still stands for that tenant and scope: for streams, which outlive
   * their request. A key file may say something else of a key later on.
   */
  stillGrants(keyId: string, tenant: TenantId, scope: Scope): boolean {
    const key = this.principalOf(keyId);
    return key !== undefined && key.scopes.has(scope) &&
      (key.tenant === tenant || key.scopes.has("tenants"));
  }

  /** The principal of a key in force; undefined for any other id. */
  principalOf(keyId: string): Principal | undefined {
    return this.#active(keyId)?.principal;
  }

  /** The id of the key behind sign-in links of this tenant and scopes, made at the first one. */
  linkKey(tenant: TenantId, scopes: readonly Scope[]): string {
    const row = this.#db.prepare(
      "SELECT id FROM keys WHERE tenant = ? AND scopes = ? AND name = ? AND revoked_at_ms IS NULL",
    ).get(tenant, scopes.join(","), LINK_KEY_NAME);
    return row ? String(row.id) : this.create({ tenant, scopes, name: LINK_KEY_NAME }).id;
  }

  /** How many keys are in force, without those that synctail makes itself: 0 on a first start. */
  countActive(): number {
    const row = this.#db.prepare(
      `SELECT count(*) AS active FROM keys
       WHERE revoked_at_ms IS NULL AND (name IS NULL OR name NOT IN (?, ?))`,
    ).get(CLI_KEY_NAME, LINK_KEY_NAME);
    return Number(row?.active) + this.#fixed.size;
  }

  close(): void {
    this.#db.close();
  }

  /** Only keys in force are cached, so a key made a moment ago is found at once. */
  #active(id: string): KeyRow | undefined {
    const fixed = this.#fixed.get(id);
    if (fixed) return fixed;
    const now = this.#clock.monotonic();
    const cached = this.#cached.get(id);
    if (cached && now - cached.readAt < CACHED_MS) return cached.row;
    this.#cached.delete(id);
    const row = this.#read(id);
    if (!row || row.info.revokedAtMs !== null) return undefined;
    this.#cached.set(id, { row, readAt: now });
    const [oldest] = this.#cached.keys();
    if (this.#cached.size > CACHED_MAX) this.#cached.delete(oldest);
    return row;
  }

  #read(id: string): KeyRow | undefined {
    const row = this.#byId.get(id);
    return row && keyRowOf(row);
  }
}
