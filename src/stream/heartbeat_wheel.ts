/** One timer for the heartbeats of all viewers. */
import type { Clock } from "../clock.ts";

/** Most slots that an interval is divided into. */
const SLOTS_MAX = 120;
/** No slot is shorter than this many milliseconds. */
const SLOT_MS_MIN = 10;

/** One that is given heartbeats. */
export interface Beating {
  heartbeat(): void;
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

  /** Begins the viewer's heartbeats; the answer is its slot, for `remove`. */
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
  }

  /** How many viewers are on the wheel. */
  get size(): number {
    return this.#size;
  }

  #dueMs(): number {
    return this.#turnMs + (this.#next * this.#intervalMs) / this.#slots.length;
  }

  #arm(): void {
    const waitMs = Math.max(0, this.#dueMs() - this.#clock.monotonic());
    this.#callOff = this.#clock.after(waitMs, () => {
      this.#callOff = undefined;
      this.#turn();
      if (this.#size > 0 && !this.#callOff) this.#arm();
    });
  }

  /** Serves every slot that is due; after a long halt each slot once, not once a missed turn. */
  #turn(): void {
    const now = this.#clock.monotonic();
    for (let served = 0; served < this.#slots.length && this.#dueMs() <= now; served++) {
      const slot = this.#slots[this.#next];
      if (slot.size > 0) this.#onTurn(now - this.#dueMs());
      this.#next++;
      if (this.#next === this.#slots.length) {
        this.#next = 0;
        this.#turnMs += this.#intervalMs;
      }
      for (const viewer of slot) viewer.heartbeat();
    }
    if (this.#dueMs() <= now) {
      this.#turnMs = now - (this.#next * this.#intervalMs) / this.#slots.length;
    }
  }
}
