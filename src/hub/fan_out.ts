/** Serves many followers, some in each turn of the event loop. */
import { setImmediate } from "node:timers";
import { CHUNK_BYTES_MAX } from "./ring.ts";

/** A round takes so many turns: who posts meanwhile waits for an eighth of it, not for all. */
const TURNS = 8;
/** So many are served in one turn. */
const SERVED_MIN = 8;
/** When more has come since a round began, it is ended in one turn: else its last would fall behind. */
const AHEAD_BYTES_MAX = CHUNK_BYTES_MAX / 4;

/** One who is served. */
export interface Served {
  /** Frames have come that it may not have seen; called only while it waits. */
  serve(): void;
}

export interface FanOutOptions {
  /** Told at the end of a round when the oldest of the entries that it was for was appended. */
  readonly onServed?: (atMs: number) => void;
  /** Told what serving has thrown; the round is over by then. */
  readonly onFault: (cause: unknown) => void;
  /** Calls back in the next turn of the event loop. */
  readonly nextTurn?: (callback: () => void) => void;
}

interface Round {
  readonly atMs: number | undefined;
  /** Followers that are served in a turn, and those that are still to be. */
  readonly share: number;
  left: number;
  /** Bytes that have come since it began. */
  ahead: number;
}

/**
 * Serves all who wait, in rounds, those first that wait longest. A viewer gets all that it has
 * not seen in one chunk, so what is posted during a round costs its later viewers no chunk more.
 */
export class FanOut<Follower extends Served> {
  readonly #onServed: (atMs: number) => void;
  readonly #onFault: (cause: unknown) => void;
  readonly #nextTurn: (callback: () => void) => void;
  readonly #waiting = new Set<Follower>();
  #round: Round | undefined;
  /** What has come during the round has another one after it. */
  #next: { readonly atMs: number | undefined } | undefined;

  constructor({ onServed = () => {}, onFault, nextTurn = setImmediate }: FanOutOptions) {
    this.#onServed = onServed;
    this.#onFault = onFault;
    this.#nextTurn = nextTurn;
  }

  /** Has the follower served when there is more. */
  wait(follower: Follower): void {
    this.#waiting.add(follower);
  }

  forget(follower: Follower): void {
    this.#waiting.delete(follower);
  }

  /**
   * Serves all who wait, the first of them at once.
   *
   * @param bytes that have come
   * @param atMs when the oldest entry in them was appended; undefined when there is none
   */
  serve(bytes: number, atMs?: number): void {
    if (this.#round) {
      this.#round.ahead += bytes;
      this.#next ??= { atMs };
      return;
    }
    this.#begin(atMs);
    this.#turn();
  }

  #begin(atMs: number | undefined): void {
    const left = this.#waiting.size;
    this.#round = { atMs, left, share: Math.max(SERVED_MIN, Math.ceil(left / TURNS)), ahead: 0 };
  }

  #turn(): void {
    const round = this.#round;
    if (!round) return;
    const share = round.ahead > AHEAD_BYTES_MAX ? Infinity : round.share;
    try {
      this.#serveSome(round, share);
    } catch (cause) {
      this.#round = this.#next = undefined;
      return this.#onFault(cause);
    }
    if (round.left === 0) {
      this.#round = undefined;
      if (round.atMs !== undefined) this.#onServed(round.atMs);
      if (!this.#next) return;
      this.#begin(this.#next.atMs);
      this.#next = undefined;
    }
    this.#nextTurn(() => this.#turn());
  }

  #serveSome(round: Round, share: number): void {
    const end = Math.max(0, round.left - share);
    for (const follower of this.#waiting) {
      if (round.left === end) return;
      round.left--;
      this.#waiting.delete(follower);
      follower.serve();
    }
    // Those who are missing have left meanwhile.
    if (round.left > end) round.left = 0;
  }
}
