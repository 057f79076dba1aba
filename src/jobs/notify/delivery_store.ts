/** What is to be told to whom, and what became of it: a SQLite file that outlives the server. */
import type { DatabaseSync } from "node:sqlite";
import { nodeCrypto } from "../../node_crypto.ts";
import { type Clock, WallShift } from "../../clock.ts";
import { openVersioned } from "../../log/migrate.ts";
import { transaction } from "../../log/transaction.ts";
import { emptyWal, waitLittle } from "../../log/wal.ts";
import type { Durability } from "../../log/sqlite_log.ts";
import type { Seq } from "../../sync/entry.ts";
import { type JobKey, parseJobId, parseTenantId, type TenantId } from "../../sync/ids.ts";
import { DELIVERY_SCHEMA } from "./delivery_schema.ts";
import { type DeliveryInfo, type DeliveryRow, deliveryRowOf, infoOf } from "./delivery_row.ts";
import { type Message, type MessageKind, packed } from "./message.ts";
import { filterText, type Target } from "./target.ts";

/** Messages that wait for one target; above it the oldest is given up. */
export const WAITING_MAX = 1_000;
/** A message that nobody took for so long is given up, in milliseconds. */
export const AGE_MAX_MS = 24 * 3_600_000;
/** A clock that is off by so much has been set, or the machine slept; in milliseconds. */
const SET_MS = 60_000;
/** Messages that are done with and still listed. */
export const DONE_MAX = 1_000;
/** Deliveries that one list may ask for. */
export const DELIVERIES_LIMIT_MAX = 200;

/**
 * What `next` asks, with the target and the time. The index is named, as SQLite would look through
 * all that waits for the target once for each of it: 200 ms with a thousand of them.
 */
export const NEXT_SQL =
  `SELECT * FROM deliveries AS row WHERE state = 'waiting' AND target = ?1 AND NOT EXISTS
     (SELECT 1 FROM deliveries AS before INDEXED BY deliveries_of_job
      WHERE before.tenant = row.tenant AND before.job = row.job AND before.pk < row.pk
      AND before.target = ?1 AND before.state = 'waiting')
   ORDER BY max(next_at_ms, ?2), tries, pk LIMIT 1`;
const NEXT_IN_ORDER_SQL =
  "SELECT * FROM deliveries WHERE state = 'waiting' AND target = ? ORDER BY pk LIMIT 1";

/** What makes an occurrence one and the same, whenever it is told. */
export interface Occasion {
  readonly kind: MessageKind;
  readonly tenant: TenantId;
  readonly subject: string;
  readonly occasion: number;
}

export interface DeliveryQuery {
  /** Undefined for all. */
  readonly tenant?: TenantId;
  /** 1 to DELIVERIES_LIMIT_MAX. */
  readonly limit: number;
  /** The `nextCursor` of the page before. */
  readonly cursor?: number;
}

export interface DeliveryPage {
  /** Newest first. */
  readonly items: readonly DeliveryInfo[];
  readonly nextCursor: number | null;
}

/** Neither URLs nor secrets are in it: those are the configuration's. */
export class DeliveryStore {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  /** What was queued before this process, whose age only the clock on the wall knows. */
  readonly #before: number;
  readonly #shift: WallShift;
  /** Something has been removed that may be in the WAL still. */
  #unwiped = false;

  /** @throws {StoreVersionError | StoreForeignError} when the file is not this version's to open */
  constructor(path: string, clock: Clock, durability: Durability) {
    this.#clock = clock;
    this.#db = openVersioned(path, DELIVERY_SCHEMA);
    this.#db.exec(`PRAGMA synchronous = ${durability === "full" ? "FULL" : "NORMAL"}`);
    waitLittle(this.#db);
    // What is deleted is overwritten with zeros.
    this.#db.exec("PRAGMA secure_delete = ON");
    this.#before = Number(this.#db.prepare("SELECT max(pk) AS pk FROM deliveries").get()?.pk ?? 0);
    this.#shift = new WallShift(clock);
  }

  /**
   * All that happened before that moment has been queued; undefined when nothing ever was. Never
   * ahead of a clock that was put back: what happens from now on is not queued yet.
   */
  get position(): number | undefined {
    const row = this.#db.prepare("SELECT at_ms FROM position").get();
    return row && Math.min(Number(row.at_ms), this.#clock.now());
  }

  /** Moves the position, and lets go of what is done with and too old to be listed. */
  moveOn(atMs: number): void {
    this.#db.prepare(
      `INSERT INTO position (id, at_ms) VALUES (1, ?)
       ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms`,
    ).run(atMs);
    // What happened after the position may be told again after a crash: its rows tell that it was.
    this.#db.prepare(
      `DELETE FROM deliveries WHERE state <> 'waiting' AND at_ms < ?1 AND pk <=
         (SELECT pk FROM deliveries WHERE state <> 'waiting' ORDER BY pk DESC LIMIT 1 OFFSET ?2)`,
    ).run(atMs, DONE_MAX);
  }

  /**
   * Notes who is told of what from now on. What is not as it was before is new: it is told of
   * nothing that is over. What waits for a target that is gone is given up, if any is left at all:
   * without any, this may be a command that was started beside its configuration.
   */
  setTargets(targets: readonly Target[]): void {
    const now = this.#clock.now();
    transaction(this.#db, () => {
      const names = JSON.stringify(targets.map(({ name }) => name));
      this.#db.prepare(
        "DELETE FROM targets WHERE name NOT IN (SELECT value FROM json_each(?))",
      ).run(names);
      const keep = this.#db.prepare(
        `INSERT INTO targets (name, filter, since_ms) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET filter = excluded.filter, since_ms = excluded.since_ms
         WHERE filter <> excluded.filter`,
      );
      for (const target of targets) keep.run(target.name, filterText(target), now);
      if (targets.length === 0) return;
      this.#db.prepare(
        `UPDATE deliveries SET state = 'given_up', result = 'there is no such target any more',
           done_at_ms = ?, message = ''
         WHERE state = 'waiting' AND target NOT IN (SELECT value FROM json_each(?))`,
      ).run(now, names);
    });
  }

  /**
   * Queues the message for each of the targets that was there when it happened (or has come by a
   * clock that was put back since), once and for all times. Above WAITING_MAX the target's oldest
   * are given up.
   *
   * @returns how many were given up
   */
  add(occasion: Occasion, message: Message, targets: readonly Target[]): number {
    const { kind, tenant, subject } = occasion;
    this.#noteClock();
    const now = this.#clock.now();
    const text = packed(message);
    const job = message.job ? String(message.job.id) : null;
    let givenUp = 0;
    transaction(this.#db, () => {
      for (const { name } of targets) {
        this.#db.prepare(
          `INSERT OR IGNORE INTO deliveries (id, target, kind, tenant, subject, occasion, job, sync,
             at_ms, created_at_ms, message, state, tries, next_at_ms)
           SELECT ?, ?2, ?, ?, ?, ?, ?, ?, ?9, ?10, ?, 'waiting', 0, ?10
           FROM targets WHERE name = ?2 AND (since_ms <= ?9 OR since_ms > ?10)`,
        ).run(
          `msg_${nodeCrypto().randomBytes(18).toString("base64url")}`,
          name,
          kind,
          tenant,
          subject,
          occasion.occasion,
          job,
          message.sync?.name ?? null,
          message.atMs,
          now,
          text,
        );
        const { changes } = this.#db.prepare(
          `UPDATE deliveries SET state = 'given_up', result = 'too many were waiting',
             done_at_ms = ?, message = ''
           WHERE state = 'waiting' AND target = ?2 AND pk <= (SELECT pk FROM deliveries
             WHERE state = 'waiting' AND target = ?2 ORDER BY pk DESC LIMIT 1 OFFSET ?)`,
        ).run(now, name, WAITING_MAX);
        givenUp += Number(changes);
      }
    });
    return givenUp;
  }

  /**
   * What to send to the target next: of what is due what was tried least, else what falls due
   * first. What was told of a job earlier comes before what was told of it later.
   *
   * @param inOrder what was queued first goes first, whatever it is of
   */
  next(target: string, inOrder = false): DeliveryRow | undefined {
    const row = inOrder
      ? this.#db.prepare(NEXT_IN_ORDER_SQL).get(target)
      : this.#db.prepare(NEXT_SQL).get(target, this.#clock.now());
    return row && deliveryRowOf(row);
  }

  /** Notes a try after which there will be another. */
  tried(pk: number, result: string, nextAtMs: number): void {
    this.#db.prepare(
      "UPDATE deliveries SET tries = tries + 1, result = ?, next_at_ms = ? WHERE pk = ?",
    ).run(result, nextAtMs, pk);
  }

  /** Notes a try after which there will be no other. */
  done(pk: number, state: "delivered" | "refused", result: string): void {
    this.#db.prepare(
      `UPDATE deliveries SET tries = tries + 1, state = ?, result = ?, done_at_ms = ?, message = ''
       WHERE pk = ? AND state = 'waiting'`,
    ).run(state, result, this.#clock.now(), pk);
  }

  /** Gives up what has waited for too long, whoever it is for. @returns how many those were */
  expire(): number {
    this.#noteClock();
    const now = this.#clock.now();
    const { changes } = this.#db.prepare(
      `UPDATE deliveries SET state = 'given_up', done_at_ms = ?1, message = '',
         result = CASE WHEN result IS NULL THEN 'it waited for too long'
           ELSE 'it waited for too long; at last: ' || result END
       WHERE state = 'waiting' AND created_at_ms < ?1 - ?2`,
    ).run(now, AGE_MAX_MS);
    return Number(changes);
  }

  list({ tenant, limit, cursor }: DeliveryQuery): DeliveryPage {
    const rows = this.#db.prepare(
      `SELECT * FROM deliveries WHERE (tenant = ?1 OR ?1 IS NULL) AND pk < ?2
       ORDER BY pk DESC LIMIT ?3`,
    ).all(tenant ?? null, cursor ?? Number.MAX_SAFE_INTEGER, limit + 1).map(deliveryRowOf);
    const page = rows.slice(0, limit);
    const more = rows.length > page.length;
    return { items: page.map(infoOf), nextCursor: more ? page[page.length - 1].pk : null };
  }

  /** The seq after which the job fell silent, where that was told and no recovery since. */
  silenceOf({ tenant, id }: JobKey): Seq | undefined {
    const row = this.#db.prepare(
      `SELECT kind, occasion FROM deliveries WHERE tenant = ? AND job = ?
       AND kind IN ('stalled', 'recovered') ORDER BY pk DESC LIMIT 1`,
    ).get(tenant, id);
    return row?.kind === "stalled" ? Number(row.occasion) : undefined;
  }

  /** Jobs that something is known of here. */
  jobs(): JobKey[] {
    const rows = this.#db.prepare(
      "SELECT DISTINCT tenant, job FROM deliveries WHERE job IS NOT NULL",
    ).all();
    return rows.flatMap((row) => {
      const [tenant, id] = [parseTenantId(String(row.tenant)), parseJobId(String(row.job))];
      return tenant && id ? [{ tenant, id }] : [];
    });
  }

  /** Removes all that is known of the job; after that `wipe` has to be called. */
  forget({ tenant, id }: JobKey): void {
    const { changes } = this.#db.prepare("DELETE FROM deliveries WHERE tenant = ? AND job = ?")
      .run(tenant, id);
    this.#unwiped ||= changes > 0;
  }

  /**
   * Leaves nothing in the WAL of what was removed: the pages that were overwritten may be in there as
   * they were.
   *
   * @returns false where somebody reads the file meanwhile (a backup), who needs what is in there
   */
  wipe(): boolean {
    this.#unwiped &&= !emptyWal(this.#db);
    return !this.#unwiped;
  }

  close(): void {
    this.#db.close();
  }

  /** Moves the times of what waits where the clock was set: one without a battery may start days behind. */
  #noteClock(): void {
    const { ms } = this.#shift;
    const setMs = Math.round(ms);
    if (Math.abs(setMs) < SET_MS) return;
    this.#db.prepare(
      `UPDATE deliveries SET created_at_ms = created_at_ms + ?
       WHERE state = 'waiting' AND pk > ?`,
    ).run(setMs, this.#before);
    this.#shift.mark(ms);
  }
}
