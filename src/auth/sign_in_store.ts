/** One-use sign-in links, signed-out sessions and the server's own secret, in a SQLite file. */
import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "../clock.ts";
import { openVersioned } from "../log/migrate.ts";
import { nodeCrypto } from "../system/node.ts";
import { digestOf } from "./api_key.ts";

/** How long a sign-in link holds. */
export const LINK_MS = 15 * 60_000;

/** "STsi": tells this file from another application's database. */
const APPLICATION_ID = 0x53547369;
/** Step n leads from schema n to n + 1. A step that has been released is never changed. */
const MIGRATIONS = [
  `CREATE TABLE links (
     digest TEXT NOT NULL PRIMARY KEY,
     key_id TEXT NOT NULL,
     expires_at_ms INTEGER NOT NULL
   );
   CREATE TABLE ended_sessions (
     id TEXT NOT NULL PRIMARY KEY,
     expires_at_ms INTEGER NOT NULL
   );
   CREATE TABLE secrets (
     name TEXT NOT NULL PRIMARY KEY,
     value TEXT NOT NULL
   );`,
];

/** Opened by the server and by `synctail link` at once. Holds digests of links, not their text. */
export class SignInStore {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  /** Ids of ended sessions, in memory as they are checked often. Only the server ends sessions. */
  readonly #ended: Set<string>;

  /** @throws {StoreVersionError | StoreForeignError} when the file is not this version's to open */
  constructor(path: string, clock: Clock) {
    this.#clock = clock;
    this.#db = openVersioned(path, {
      applicationId: APPLICATION_ID,
      migrations: MIGRATIONS,
      what: "the sign-in store",
    });
    const rows = this.#db.prepare("SELECT id FROM ended_sessions").all();
    this.#ended = new Set(rows.map(({ id }) => String(id)));
  }

  /** The server's own secret: 32 random bytes, drawn at the first call and then stored. */
  secret(): Uint8Array {
    const drawn = this.#db.prepare("SELECT value FROM secrets WHERE name = 'tickets'");
    let row = drawn.get();
    if (!row) {
      // Another process may draw at the same moment.
      this.#db.prepare("INSERT OR IGNORE INTO secrets (name, value) VALUES ('tickets', ?)")
        .run(nodeCrypto().randomBytes(32).toString("base64url"));
      row = drawn.get();
    }
    return Uint8Array.fromBase64(String(row?.value), { alphabet: "base64url" });
  }

  /** Makes the secret of a link: good once, within LINK_MS, with the rights of the key. */
  createLink(keyId: string): string {
    const text = nodeCrypto().randomBytes(32).toString("base64url");
    const now = this.#clock.now();
    this.#db.prepare("DELETE FROM links WHERE expires_at_ms <= ?").run(now);
    this.#db.prepare("INSERT INTO links (digest, key_id, expires_at_ms) VALUES (?, ?, ?)")
      .run(digestOf(text), keyId, now + LINK_MS);
    return text;
  }

  /** Uses a link up. @returns the id of its key; undefined when it is unknown, used or expired */
  takeLink(text: string): string | undefined {
    const row = this.#db.prepare(
      "DELETE FROM links WHERE digest = ? RETURNING key_id, expires_at_ms",
    ).get(digestOf(text));
    if (!row || Number(row.expires_at_ms) <= this.#clock.now()) return undefined;
    return String(row.key_id);
  }

  /**
   * Ends a session for good.
   *
   * @param expiresAtMs when its last cookie expires: the end is kept till then
   */
  endSession(id: string, expiresAtMs: number): void {
    const now = this.#clock.now();
    try {
      const past = this.#db.prepare(
        "DELETE FROM ended_sessions WHERE expires_at_ms <= ? RETURNING id",
      ).all(now);
      for (const row of past) this.#ended.delete(String(row.id));
      this.#db.prepare("INSERT OR IGNORE INTO ended_sessions (id, expires_at_ms) VALUES (?, ?)")
        .run(id, expiresAtMs);
    } finally {
      this.#ended.add(id); // also where the disk does not take it
    }
  }

  /** How many ended sessions are kept. */
  get ends(): number {
    return this.#ended.size;
  }

  hasEnded(sessionId: string): boolean {
    return this.#ended.has(sessionId);
  }

  close(): void {
    this.#db.close();
  }
}
