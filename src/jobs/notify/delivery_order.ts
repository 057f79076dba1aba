/** The order of the messages that wait for a target, and which of them others make void. */
import type { DatabaseSync } from "node:sqlite";
import { type DeliveryRow, deliveryRowOf } from "./delivery_row.ts";

/** Kinds that say that a sync is not well. */
const ALARMS_SQL = "('failed', 'stalled', 'overdue')";
/** Kinds whose pings say how a check stands, whatever came before. */
const DECIDING_SQL = "('completed', 'warning', 'failed', 'stalled', 'overdue')";

/**
 * The query of `next`, with the target and the time. It names the index, as SQLite would otherwise
 * scan all that waits for the target once for each row: 200 ms for a thousand. Held back is only a
 * recovery behind which no failure of its job waits: what is told of a failure never waits for it.
 */
export const NEXT_SQL = `WITH alarms AS MATERIALIZED (
     SELECT tenant, sync, min(pk) AS pk FROM deliveries
     WHERE state = 'waiting' AND target = ?1 AND kind IN ${ALARMS_SQL} GROUP BY tenant, sync)
   SELECT * FROM deliveries AS row WHERE state = 'waiting' AND target = ?1 AND NOT EXISTS
     (SELECT 1 FROM deliveries AS before INDEXED BY deliveries_of_job
      WHERE before.tenant = row.tenant AND before.job = row.job AND before.pk < row.pk
      AND before.target = ?1 AND before.state = 'waiting')
   AND NOT (kind = 'recovered' AND EXISTS
     (SELECT 1 FROM alarms
      WHERE alarms.tenant = row.tenant AND alarms.sync = row.sync AND alarms.pk < row.pk)
     AND NOT EXISTS
     (SELECT 1 FROM deliveries AS later INDEXED BY deliveries_of_job
      WHERE later.tenant = row.tenant AND later.job = row.job AND later.pk > row.pk
      AND later.target = ?1 AND later.state = 'waiting' AND later.kind IN ${ALARMS_SQL}))
   ORDER BY max(next_at_ms, ?2), tries, pk LIMIT 1`;

/**
 * Above the limit, the oldest that waits of the tenant of which the most do: a tenant whose jobs fail
 * by the thousand must not push out what is told of others. CASE looks at tenants above the limit
 * alone: SQLite would do so first for each message, which took ten times as long.
 */
const GIVE_UP_SQL =
  `UPDATE deliveries SET state = 'given_up', result = 'too many were waiting', done_at_ms = ?1,
     message = ''
   WHERE pk = CASE WHEN
     (SELECT count(*) FROM deliveries WHERE state = 'waiting' AND target = ?2) > ?3 THEN
     (SELECT min(pk) FROM deliveries WHERE state = 'waiting' AND target = ?2 GROUP BY tenant
      ORDER BY count(*) DESC LIMIT 1) END`;

const NEXT_IN_ORDER_SQL =
  "SELECT * FROM deliveries WHERE state = 'waiting' AND target = ? ORDER BY pk LIMIT 1";

/** Looks at the rows of a DeliveryStore, and gives some of them up. */
export class DeliveryOrder {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /**
   * What to send to the target next: of the due ones the one with the fewest tries, else the one
   * that is due first. Of one job the earlier comes before the later, and a sync's recovery comes
   * after its failures from before.
   *
   * @param inOrder what was queued first goes first, whatever it is about
   */
  next(target: string, nowMs: number, inOrder: boolean): DeliveryRow | undefined {
    const row = inOrder
      ? this.#db.prepare(NEXT_IN_ORDER_SQL).get(target)
      : this.#db.prepare(NEXT_SQL).get(target, nowMs);
    return row && deliveryRowOf(row);
  }

  /**
   * Notes that a message was delivered. A recovery that waits still is given up when a later failure
   * of its sync is: it would be the last word.
   */
  delivered(pk: number, nowMs: number): void {
    this.#db.prepare(
      `UPDATE deliveries AS row SET state = 'given_up', result = 'it is no longer so',
         done_at_ms = ?, message = ''
       FROM (SELECT * FROM deliveries WHERE pk = ?) AS told
       WHERE told.kind IN ${ALARMS_SQL} AND row.state = 'waiting' AND row.kind = 'recovered'
       AND row.target = told.target AND row.tenant = told.tenant AND row.sync = told.sync
       AND row.pk < told.pk`,
    ).run(nowMs, pk);
  }

  /**
   * Gives up the pings of a check that wait before the last one that decides how it stands.
   *
   * @returns how many were given up
   */
  overtake(target: string, nowMs: number): number {
    const { changes } = this.#db.prepare(
      `UPDATE deliveries SET state = 'given_up', result = 'a later ping says how the check stands',
         done_at_ms = ?, message = ''
       WHERE state = 'waiting' AND target = ?2 AND pk < (SELECT max(pk) FROM deliveries
         WHERE state = 'waiting' AND target = ?2 AND kind IN ${DECIDING_SQL})`,
    ).run(nowMs, target);
    return Number(changes);
  }

  /** Gives one message up where more than `most` wait for the target. @returns how many were given up */
  crowdOut(target: string, most: number, nowMs: number): number {
    return Number(this.#db.prepare(GIVE_UP_SQL).run(nowMs, target, most).changes);
  }
}
