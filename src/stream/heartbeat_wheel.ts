/** One timer for the heartbeats of all viewers. */
import type { Clock } from "../clock.ts";

/**
 * Most slots that an interval is divided into. Few, so that many viewers are served together: of
 * 10,000 that beat every 30 s a heartbeat costs half as much in 6 slots as in 120 (Deno).
 */
const SLOTS_MAX = 6;
/** No slot is shorter than this many milliseconds. */
const SLOT_MS_MIN = 10;

/** Viewers of a slot that are served before the event loop turns: some 5 ms. */
const SERVED_MAX = 128;

/** A viewer that is given heartbeats. */
export interface Beating {
  heartbeat(): void;
}

interface BegunSlot {
  readonly viewers: Iterator<Beating>;
  readonly dueMs: number;
}

/**
 * A wheel of slots that turns once an interval. A viewer is put into a random slot when it
 * comes, so its first heartbeat is due within one interval and the later ones an interval apart.
 *
 * The timer is a chain that is only armed while somebody is on the wheel: under Deno a standing
 * setInterval about halves the fan-out.
 */
export class HeartbeatWheel {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #slots: Set<Beating>[];
  readonly #random: () => number;
  readonly #onTurn: (lateMs: number) => void;
  #size = 0;
  /** When slot 0 of the present turn is due, and the next slot to serve. */
  #turnMs = 0;
  #next = 0;
  #callOff: (() => void) | undefined;
  /** Slots served in a row, each due already when the one before was done. */
  #inRow = 0;
  /** A slot that is partly served; the rest follow in the next turn of the event loop. */
  #begun: BegunSlot | undefined;

  /**
   * @param intervalMs from one heartbeat of a viewer to its next
   * @param random 0 up to 1
   * @param onTurn told how late heartbeats were
   */
  constructor(
    clock: Clock,
    intervalMs: number,
    random: () => number = Math.random,
    onTurn: (lateMs: number) => void = () => {},
  ) {
    this.#onTurn = onTurn;
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#random = random;
    const slots = Math.max(1, Math.min(SLOTS_MAX, Math.floor(intervalMs / SLOT_MS_MIN)));
    this.#slots = Array.from({ length: slots }, () => new Set());
  }

  /** Begins the viewer's heartbeats. @returns its slot, for `remove` */
  add(viewer: Beating): number {
    if (this.#size === 0) {
      this.#turnMs = this.#clock.monotonic();
      this.#next = 1 % this.#slots.length;
      if (this.#next === 0) this.#turnMs += this.#intervalMs;
    }
    const slot = Math.floor(this.#random() * this.#slots.length);
    this.#slots[slot].add(viewer);
    this.#size++;
    if (!this.#callOff) this.#arm();
    return slot;
  }

  /** Ends the viewer's heartbeats. */
  remove(viewer: Beating, slot: number): void {
    if (!this.#slots[slot].delete(viewer)) return;
    this.#size--;
    if (this.#size > 0) return;
    this.#callOff?.();
    this.#callOff = undefined;
    this.#begun = undefined;
  }

  /** How many viewers are on the wheel. */
  get size(): number {
    return this.#size;
  }

  #dueMs(): number {
    return this.#turnMs + (this.#next * this.#intervalMs) / this.#slots.length;
  }

  #arm(): void {
    const waitMs = this.#begun ? 0 : Math.max(0, this.#dueMs() - this.#clock.monotonic());
    this.#callOff = this.#clock.after(waitMs, () => {
      this.#callOff = undefined;
      this.#turn();
      if (this.#size > 0 && !this.#callOff) this.#arm();
    });
  }

  /** Serves slots that are due, at most SERVED_MAX viewers in one turn of the event loop. */
  #turn(): void {
    const now = this.#clock.monotonic();
    for (let left = SERVED_MAX; left > 0;) {
      const slot = this.#begun ??= this.#begin(now);
      if (!slot) return;
      const before = left;
      for (; left > 0; left--) {
        const { done, value } = slot.viewers.next();
        if (done) {
          this.#begun = undefined;
          break;
        }
        value.heartbeat();
      }
      if (left < before) this.#onTurn(now - slot.dueMs);
    }
  }

  /** The next slot if it is due. After a long halt each is served once, not once a missed turn. */
  #begin(now: number): BegunSlot | undefined {
    const dueMs = this.#dueMs();
    if (dueMs > now) {
      this.#inRow = 0;
      return undefined;
    }
    const { length } = this.#slots;
    if (this.#inRow === length) {
      this.#inRow = 0;
      this.#turnMs = now + ((1 - this.#next) * this.#intervalMs) / length;
      return undefined;
    }
    this.#inRow++;
    const viewers = this.#slots[this.#next].values();
    this.#next++;
    if (this.#next === length) {
      this.#next = 0;
      this.#turnMs += this.#intervalMs;
    }
    return { viewers, dueMs };
  }
}
