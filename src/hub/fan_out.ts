/** Serves many followers, some in each turn of the event loop. */
import { setImmediate } from "node:timers";
import type { Clock } from "../clock.ts";
import { CHUNK_BYTES_MAX, RING_FRAMES_MAX } from "./ring.ts";

/** A round takes so many turns: who posts meanwhile waits for an eighth of it, not for all. */
const TURNS = 8;
/** So many are served in one turn. */
const SERVED_MIN = 8;
/** Where more is owed to somebody, all are served at once: nobody who reads is to fall behind the ring. */
const OWED_BYTES_MAX = (CHUNK_BYTES_MAX * 3) / 4;
const OWED_FRAMES_MAX = RING_FRAMES_MAX / 4;
/**
 * Milliseconds from one turn to the next, beside what serving takes, above which the others are
 * served at once: other work has the loop then, and each further turn would be as long.
 */
const OTHERS_MS_MAX = 2;
/** As for OTHERS_MS_MAX: what begins a round so long after its append, two turns, is late. */
const LATE_MS = 4;
/** What serving one takes at most, in milliseconds: four times the usual. */
const SERVE_MS = 0.04;

/** One who is served. */
export interface Served {
  /** Frames have come that it may not have seen; called only while it waits. */
  serve(): void;
}

/** What has come. */
export interface Arrival {
  readonly frames: number;
  readonly bytes: number;
  /** When the oldest of its entries was appended; undefined where there is none. */
  readonly atMs?: number;
}

export interface FanOutOptions {
  /** Told at the end of a round when the oldest of the entries that it was for was appended. */
  readonly onServed?: (atMs: number) => void;
  /** Told what serving has thrown; the round is over by then. Must not throw. */
  readonly onFault: (cause: unknown) => void;
  readonly clock: Clock;
  /** Calls back in the next turn of the event loop. */
  readonly nextTurn?: (callback: () => void) => void;
}

interface Round {
  /** Followers that are served in a turn. */
  readonly share: number;
  /** Those that are still to be. */
  left: number;
}

/**
 * Serves all who wait, in rounds, those first that wait longest. A viewer gets all that it has
 * not seen in one chunk, so what is posted during a round costs its later viewers no chunk more.
 */
export class FanOut<Follower extends Served> {
  readonly #onServed: (atMs: number) => void;
  readonly #onFault: (cause: unknown) => void;
  readonly #clock: Clock;
  readonly #nextTurn: (callback: () => void) => void;
  readonly #waiting = new Set<Follower>();
  #round: Round | undefined;
  /** What the round is for, and what has come during it and has another one after it. */
  #present: Arrival | undefined;
  #next: Arrival | undefined;
  /** When the last round ended. */
  #endedMs = 0;
  #armed = false;

  constructor({ onServed = () => {}, onFault, clock, nextTurn = setImmediate }: FanOutOptions) {
    this.#onServed = onServed;
    this.#onFault = onFault;
    this.#clock = clock;
    this.#nextTurn = nextTurn;
  }

  /** Has the follower served when there is more. */
  wait(follower: Follower): void {
    this.#waiting.add(follower);
  }

  forget(follower: Follower): void {
    this.#waiting.delete(follower);
  }

  /** Serves all who wait: the first of them at once, and all where it is much. */
  serve(arrival: Arrival): void {
    if (this.#round) this.#next = both(this.#next, arrival);
    else this.#begin(arrival);
    const owed = both(this.#present, this.#next) as Arrival; // there is a round by now
    const late = !this.#next && this.#isLate(arrival);
    const much = owed.bytes > OWED_BYTES_MAX || owed.frames > OWED_FRAMES_MAX;
    if (late || much) this.flush();
    else if (!this.#armed) this.#turn();
  }

  /** Ends a round that is under way, with all who wait. */
  flush(): void {
    if (!this.#round) return;
    this.#round = { share: Infinity, left: this.#waiting.size };
    this.#present = both(this.#present, this.#next);
    this.#next = undefined;
    this.#turn();
  }

  /** Turns that a round of ours has taken since the append are no sign of other work. */
  #isLate({ atMs = Infinity }: Arrival): boolean {
    return atMs > this.#endedMs && this.#clock.now() - atMs > LATE_MS;
  }

  #begin(arrival: Arrival): void {
    const left = this.#waiting.size;
    this.#round = { share: Math.max(SERVED_MIN, Math.ceil(left / TURNS)), left };
    this.#present = arrival;
  }

  #turn(): void {
    const round = this.#round;
    if (!round) return;
    try {
      this.#serveSome(round);
      if (round.left === 0) this.#end();
    } catch (cause) {
      this.#round = this.#present = this.#next = undefined;
      return this.#onFault(cause);
    }
    if (!this.#round || this.#armed) return;
    this.#armed = true;
    const servedMs = this.#clock.monotonic();
    this.#nextTurn(() => {
      this.#armed = false;
      const mayTakeMs = OTHERS_MS_MAX + round.share * SERVE_MS;
      if (this.#clock.monotonic() - servedMs > mayTakeMs) this.flush();
      else this.#turn();
    });
  }

  #serveSome(round: Round): void {
    const end = Math.max(0, round.left - round.share);
    for (const follower of this.#waiting) {
      if (round.left === end) return;
      round.left--;
      this.#waiting.delete(follower);
      follower.serve();
    }
    // Those who are missing have left meanwhile.
    if (round.left > end) round.left = 0;
  }

  #end(): void {
    const { atMs } = this.#present as Arrival; // as long as there is a round
    this.#round = this.#present = undefined;
    this.#endedMs = this.#clock.now();
    const next = this.#next;
    this.#next = undefined;
    if (next) this.#begin(next);
    if (atMs !== undefined) this.#onServed(atMs);
  }
}

function both(a: Arrival | undefined, b: Arrival | undefined): Arrival | undefined {
  if (!a || !b) return a ?? b;
  // The first of them that has a time is the older one.
  return { frames: a.frames + b.frames, bytes: a.bytes + b.bytes, atMs: a.atMs ?? b.atMs };
}
