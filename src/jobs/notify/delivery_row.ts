/** A delivery as it is stored. */

/**
 * - `waiting`: it will be sent, or sent again
 * - `delivered`: the target took it
 * - `refused`: the target will never take it
 * - `given_up`: it waited for too long, or too many did
 */
export const DELIVERY_STATES = ["waiting", "delivered", "refused", "given_up"] as const;
export type DeliveryState = typeof DELIVERY_STATES[number];

/** What may be shown of a delivery. Times in milliseconds since 1970. */
export interface DeliveryInfo {
  /** The same for all tries; a webhook's receiver sees it as `webhook-id`. */
  readonly id: string;
  /** The target's name. */
  readonly target: string;
  readonly kind: string;
  readonly tenant: string;
  /** The sync's name; null for none. */
  readonly sync: string | null;
  readonly job: string | null;
  readonly state: DeliveryState;
  readonly tries: number;
  /** The result of the last try, in words; null before the first. */
  readonly result: string | null;
  /** When it happened, was queued, will be sent next, and was done with. */
  readonly atMs: number;
  readonly createdAtMs: number;
  readonly nextAtMs: number | null;
  readonly doneAtMs: number | null;
}

/** A delivery with all that is needed to send it. */
export interface DeliveryRow extends DeliveryInfo {
  readonly pk: number;
  /** As `packed` made it; empty once the delivery is done. */
  readonly message: string;
  readonly dueAtMs: number;
}

/** Reads a row of the table `deliveries`. @throws {TypeError} when the row is damaged */
export function deliveryRowOf(row: Readonly<Record<string, unknown>>): DeliveryRow {
  const id = String(row.id);
  const state = DELIVERY_STATES.find((known) => known === row.state);
  if (!state) throw new TypeError(`Cannot read delivery "${id}": its row is damaged`);
  const text = (value: unknown) => value === null ? null : String(value);
  return {
    pk: Number(row.pk),
    id,
    target: String(row.target),
    kind: String(row.kind),
    tenant: String(row.tenant),
    sync: text(row.sync),
    job: text(row.job),
    state,
    tries: Number(row.tries),
    result: text(row.result),
    atMs: Number(row.at_ms),
    createdAtMs: Number(row.created_at_ms),
    dueAtMs: Number(row.next_at_ms),
    nextAtMs: state === "waiting" ? Number(row.next_at_ms) : null,
    doneAtMs: row.done_at_ms === null ? null : Number(row.done_at_ms),
    message: String(row.message),
  };
}

/** The delivery without what must not be shown. */
export function infoOf(
  { pk: _pk, message: _message, dueAtMs: _due, ...info }: DeliveryRow,
): DeliveryInfo {
  return info;
}
