/** The queue of deliveries and their results, in a SQLite file that outlives the server. */
import type { DatabaseSync } from "node:sqlite";
import { nodeCrypto } from "../../system/node.ts";
import { type Clock, WallShift } from "../../clock.ts";
import { openVersioned } from "../../log/migrate.ts";
import { transaction } from "../../log/transaction.ts";
import { emptyWal, waitLittle } from "../../log/wal.ts";
import type { Durability } from "../../log/sqlite_log.ts";
import type { Seq } from "../../sync/entry.ts";
import { type JobKey, parseJobId, parseTenantId, type TenantId } from "../../sync/ids.ts";
import { DeliveryOrder } from "./delivery_order.ts";
import { DELIVERY_SCHEMA } from "./delivery_schema.ts";
import { type DeliveryInfo, type DeliveryRow, deliveryRowOf, infoOf } from "./delivery_row.ts";
import { type Message, type MessageKind, packed } from "./message.ts";
import { filterText, type Target } from "./target.ts";

/** How many messages wait for one target at most. */
export const WAITING_MAX = 1_000;
/** A message that was not delivered for so long is given up, in milliseconds. */
export const AGE_MAX_MS = 24 * 3_600_000;
/** A clock that is off by so many milliseconds was set, or the machine slept. */
const SET_MS = 60_000;
/** How many finished deliveries are still listed. */
export const DONE_MAX = 1_000;
/** The largest page of a list. */
export const DELIVERIES_LIMIT_MAX = 200;

/** What identifies an occurrence, whenever it is told. */
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

/** Holds neither URLs nor secrets, which are only in the configuration. */
export class DeliveryStore {
  readonly #db: DatabaseSync;
  readonly #order: DeliveryOrder;
  readonly #clock: Clock;
  /** The last row from before this process: only the wall clock knows the age of rows up to it. */
  readonly #before: number;
  readonly #shift: WallShift;
  /** Whether something was removed that may still be in the WAL. */
  #unwiped = false;

  /** @throws {StoreVersionError | StoreForeignError} when the file is not this version's to open */
  constructor(path: string, clock: Clock, durability: Durability) {
    this.#clock = clock;
    this.#db = openVersioned(path, DELIVERY_SCHEMA);
    this.#db.exec(`PRAGMA synchronous = ${durability === "full" ? "FULL" : "NORMAL"}`);
    waitLittle(this.#db);
    // What is deleted is overwritten with zeros.
    this.#db.exec("PRAGMA secure_delete = ON");
    this.#order = new DeliveryOrder(this.#db);
    this.#before = Number(this.#db.prepare("SELECT max(pk) AS pk FROM deliveries").get()?.pk ?? 0);
    this.#shift = new WallShift(clock);
  }

  /**
   * All that happened before that moment has been queued; undefined when nothing ever was. Never
   * ahead of the clock, which may have been put back: what happens from now on is not queued yet.
   */
  get position(): number | undefined {
    const row = this.#db.prepare("SELECT at_ms FROM position").get();
    return row && Math.min(Number(row.at_ms), this.#clock.now());
  }

  /** What happened before it may have no row any more; -Infinity where all rows are kept still. */
  get keptSinceMs(): number {
    // Not the oldest row: others have gone with their jobs, and what waited is older than they were.
    const row = this.#db.prepare(
      "SELECT at_ms FROM deliveries WHERE state <> 'waiting' ORDER BY pk DESC LIMIT 1 OFFSET ?",
    ).get(DONE_MAX / 2);
    return Number(row?.at_ms ?? -Infinity);
  }

  /** Moves the position, and removes finished deliveries that are too old to be listed. */
  moveOn(atMs: number): void {
    this.#db.prepare(
      `INSERT INTO position (id, at_ms) VALUES (1, ?)
       ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms`,
    ).run(atMs);
    // What happened after the position may be told again after a crash: its rows show that it was
    // told. So does the row of a silence that goes on, however old it is.
    this.#db.prepare(
      `DELETE FROM deliveries AS row WHERE state <> 'waiting' AND at_ms < ?1 AND pk <=
         (SELECT pk FROM deliveries WHERE state <> 'waiting' ORDER BY pk DESC LIMIT 1 OFFSET ?2)
       AND NOT (kind = 'stalled' AND NOT EXISTS
         (SELECT 1 FROM deliveries AS later INDEXED BY deliveries_of_job
          WHERE later.tenant = row.tenant AND later.job = row.job AND later.pk > row.pk))`,
    ).run(atMs, DONE_MAX);
  }

  /**
   * Notes the targets that are told from now on. A target that is new or has changed is told of
   * nothing that is over.
   *
   * What waits for a target that is gone is given up, unless no target is left at all: that may be
   * a command started without its configuration.
   *
   * @returns how many were given up
   */
  setTargets(targets: readonly Target[]): number {
    const now = this.#clock.now();
    let givenUp = 0;
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
      const { changes } = this.#db.prepare(
        `UPDATE deliveries SET state = 'given_up', result = 'there is no such target any more',
           done_at_ms = ?, message = ''
         WHERE state = 'waiting' AND target NOT IN (SELECT value FROM json_each(?))`,
      ).run(now, names);
      givenUp = Number(changes);
    });
    return givenUp;
  }

  /**
   * Queues the message, once, for each target that was there when it happened, or that was added
   * before a clock was put back after which it happened. Above WAITING_MAX one that waits for the
   * target is given up for it.
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
           FROM targets WHERE name = ?2 AND (since_ms <= ?9 OR (since_ms > ?10 AND ?9 <= ?10))`,
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
        givenUp += this.#order.crowdOut(name, WAITING_MAX, now);
      }
    });
    return givenUp;
  }

  /** As DeliveryOrder.next. */
  next(target: string, inOrder = false): DeliveryRow | undefined {
    return this.#order.next(target, this.#clock.now(), inOrder);
  }

  /** Notes a try that will be followed by another. */
  tried(pk: number, result: string, nextAtMs: number): void {
    this.#noteClock(); // the next time is by the clock as it is now
    this.#db.prepare(
      "UPDATE deliveries SET tries = tries + 1, result = ?, next_at_ms = ? WHERE pk = ?",
    ).run(result, nextAtMs, pk);
  }

  /** Notes the last try, and gives up what it makes void. */
  done(pk: number, state: "delivered" | "refused", result: string): void {
    const now = this.#clock.now();
    transaction(this.#db, () => {
      this.#db.prepare(
        `UPDATE deliveries SET tries = tries + 1, state = ?, result = ?, done_at_ms = ?, message = ''
         WHERE pk = ? AND state = 'waiting'`,
      ).run(state, result, now, pk);
      if (state === "delivered") this.#order.delivered(pk, now);
    });
  }

  /** As DeliveryOrder.overtake. */
  overtake(target: string): number {
    return this.#order.overtake(target, this.#clock.now());
  }

  /** Gives up what has waited for too long, for any target. @returns how many were given up */
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

  /** The seq after which the job fell silent, if that was told and no recovery since. */
  silenceOf({ tenant, id }: JobKey): Seq | undefined {
    const row = this.#db.prepare(
      `SELECT kind, occasion FROM deliveries WHERE tenant = ? AND job = ?
       AND kind IN ('stalled', 'recovered') ORDER BY pk DESC LIMIT 1`,
    ).get(tenant, id);
    return row?.kind === "stalled" ? Number(row.occasion) : undefined;
  }

  /** Jobs that have deliveries here. */
  jobs(): JobKey[] {
    const rows = this.#db.prepare(
      "SELECT DISTINCT tenant, job FROM deliveries WHERE job IS NOT NULL",
    ).all();
    return rows.flatMap((row) => {
      const [tenant, id] = [parseTenantId(String(row.tenant)), parseJobId(String(row.job))];
      return tenant && id ? [{ tenant, id }] : [];
    });
  }

  /** Removes a job's deliveries; `wipe` has to be called after that. */
  forget({ tenant, id }: JobKey): void {
    const { changes } = this.#db.prepare("DELETE FROM deliveries WHERE tenant = ? AND job = ?")
      .run(tenant, id);
    this.#unwiped ||= changes > 0;
  }

  /**
   * Empties the WAL of what was removed: it may still hold the pages as they were.
   *
   * @returns false when a reader of the file (a backup) still needs the WAL
   */
  wipe(): boolean {
    this.#unwiped &&= !emptyWal(this.#db);
    return !this.#unwiped;
  }

  close(): void {
    this.#db.close();
  }

  /** Moves the times of waiting rows when the clock was set: it may start days behind. */
  #noteClock(): void {
    const { ms } = this.#shift;
    const setMs = Math.round(ms);
    if (Math.abs(setMs) < SET_MS) return;
    this.#db.prepare(
      `UPDATE deliveries SET created_at_ms = created_at_ms + ?1, next_at_ms = next_at_ms + ?1
       WHERE state = 'waiting' AND pk > ?2`,
    ).run(setMs, this.#before);
    this.#shift.mark(ms);
  }
}
