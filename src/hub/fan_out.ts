/** Serves many followers, some in each turn of the event loop. */
import { setImmediate } from "../event_loop.ts";
import type { Clock } from "../clock.ts";
import { CHUNK_BYTES_MAX, RING_FRAMES_MAX } from "./ring.ts";

/** Turns of the event loop that a round takes: a post waits for one of them, not for the round. */
const TURNS = 8;
/** At least so many followers are served in a turn: where few follow a job, one turn is enough. */
const SERVED_MIN = 16;
/** Where more has come, all are served at once: no viewer that reads may fall behind the ring. */
const OWED_BYTES_MAX = (CHUNK_BYTES_MAX * 3) / 4;
const OWED_FRAMES_MAX = RING_FRAMES_MAX / 4;
/**
 * Where a turn takes longer, in milliseconds and beside the serving itself, the rest are served at
 * once: other work holds the event loop, and each further turn would take as long.
 */
const OTHERS_MS_MAX = 2;
/** What serving one follower takes at most, in milliseconds: four times the usual. */
const SERVE_MS = 0.04;
/** As OTHERS_MS_MAX, but from a commit, or a tail's rest, to the round: that takes two turns. */
const LATE_MS = 3;

/** A follower that is served. */
export interface Served {
  /** Frames have come that it may not have seen; called only while it waits. */
  serve(): void;
}

/** Frames that have come. */
export interface Arrival {
  readonly frames: number;
  readonly bytes: number;
  /** When the oldest of its entries was appended; undefined where there is none. */
  readonly atMs?: number;
  /** When they were committed, or a tail had rested after that, by the clock's `monotonic()`. */
  readonly grownMs?: number;
}

export interface FanOutOptions<Follower> {
  /** Called after a round with the time when its oldest entry was appended, in ms since 1970. */
  readonly onServed?: (atMs: number) => void;
  /** Called with what serving a follower threw; the others are still served. Must not throw. */
  readonly onFault: (cause: unknown, follower: Follower) => void;
  readonly clock: Clock;
  /** Calls back in the next turn of the event loop. */
  readonly nextTurn?: (callback: () => void) => void;
}

interface Round {
  /** What it serves. */
  readonly arrival: Arrival;
  /** Followers that are served in a turn. */
  readonly share: number;
  /** Followers that are still to be served. */
  left: number;
}

/**
 * Serves all who wait, in rounds, the longest waiting first. A viewer gets all that it has not seen
 * in one chunk, so what is posted during a round costs the viewers still to come no further chunk.
 */
export class FanOut<Follower extends Served> {
  readonly #options: FanOutOptions<Follower>;
  readonly #nextTurn: (callback: () => void) => void;
  readonly #waiting = new Set<Follower>();
  #round: Round | undefined;
  /** What has come during the round; another round will serve it. */
  #next: Arrival | undefined;
  /** When the last round ended, and when followers were last served, by `monotonic()`. */
  #endedMs = -Infinity;
  #servedMs = -Infinity;
  #armed = false;

  constructor(options: FanOutOptions<Follower>) {
    this.#options = options;
    this.#nextTurn = options.nextTurn ?? setImmediate;
  }

  /** Serves the follower when more comes. */
  wait(follower: Follower): void {
    this.#waiting.add(follower);
  }

  forget(follower: Follower): void {
    this.#waiting.delete(follower);
  }

  /** Begins a round, unless one is under way. Where much has come, or late, serves all at once. */
  serve(arrival: Arrival): void {
    const begun = this.#round;
    if (begun) this.#next = this.#next ? both(this.#next, arrival) : arrival;
    const round = begun ?? this.#begin(arrival);
    const { frames, bytes } = both(round.arrival, this.#next);
    const much = bytes > OWED_BYTES_MAX || frames > OWED_FRAMES_MAX;
    if (much || (!begun && this.#isLate(arrival))) this.flush();
    else if (!this.#armed) this.#turn();
  }

  /** Ends the round that is under way by serving all who wait. */
  flush(): void {
    if (!this.#round) return;
    const arrival = both(this.#round.arrival, this.#next);
    this.#next = undefined;
    this.#round = { arrival, share: Infinity, left: this.#waiting.size };
    this.#turn();
  }

  /** Whether other work has held the loop since the commit, and not a round of this fan-out. */
  #isLate({ grownMs = Infinity }: Arrival): boolean {
    return grownMs > this.#endedMs && this.#options.clock.monotonic() - grownMs > LATE_MS;
  }

  #begin(arrival: Arrival): Round {
    const left = this.#waiting.size;
    const share = Math.max(SERVED_MIN, Math.ceil(left / TURNS));
    return this.#round = { arrival, share, left };
  }

  #turn(): void {
    const round = this.#round;
    if (!round) return;
    this.#serveSome(round);
    this.#servedMs = this.#options.clock.monotonic();
    if (round.left === 0) this.#end(round);
    if (this.#round && !this.#armed) this.#arm(round.share);
  }

  #arm(share: number): void {
    const { clock } = this.#options;
    this.#armed = true;
    this.#nextTurn(() => {
      this.#armed = false;
      const tookMs = clock.monotonic() - this.#servedMs;
      if (tookMs > OTHERS_MS_MAX + share * SERVE_MS) this.flush();
      else this.#turn();
    });
  }

  #serveSome(round: Round): void {
    const end = Math.max(0, round.left - round.share);
    for (const follower of this.#waiting) {
      if (round.left === end) return;
      round.left--;
      this.#waiting.delete(follower);
      try {
        follower.serve();
      } catch (cause) {
        this.#options.onFault(cause, follower);
      }
    }
    // Nobody waits any more: the rest have left meanwhile.
    if (round.left > end) round.left = 0;
  }

  #end({ arrival: { atMs } }: Round): void {
    this.#round = undefined;
    this.#endedMs = this.#options.clock.monotonic();
    const next = this.#next;
    this.#next = undefined;
    if (next) this.#begin(next);
    if (atMs !== undefined) this.#options.onServed?.(atMs);
  }
}

function both(a: Arrival, b: Arrival | undefined): Arrival {
  if (!b) return a;
  // `a` came first, so its time is the older one.
  return { frames: a.frames + b.frames, bytes: a.bytes + b.bytes, atMs: a.atMs ?? b.atMs };
}
