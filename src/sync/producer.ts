/** What the log keeps of a producer, so that a repeated request doubles nothing. */
import type { Seq } from "./entry.ts";

/** A request of a producer, and what became of its events. */
export interface ProducerRequest {
  /** The number of the request in this epoch, from 0. */
  readonly number: number;
  /** Seqs of the first and the last entry that it made; first is above last when it made none. */
  readonly firstSeq: Seq;
  readonly lastSeq: Seq;
  /** How many of its events are in the log. */
  readonly events: number;
}

/** Running totals of one producer; a job's totals are the sums of its producers'. */
export interface Counters {
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  readonly kept: number;
  readonly skipped: number;
  readonly warnings: number;
  readonly bytes: number;
  /** Entities by type. */
  readonly encountered: Readonly<Record<string, number>>;
}

/** Who posts events of a job. */
export interface Producer {
  /** As the producer names itself; empty where it gives no name. */
  readonly id: string;
  readonly epoch: number;
  /** The newest requests that had a number, oldest first. */
  readonly requests: readonly ProducerRequest[];
  /** What it has counted in this epoch. */
  readonly counters: Counters;
}

const NO_COUNTERS: Counters = {
  inserted: 0,
  updated: 0,
  deleted: 0,
  kept: 0,
  skipped: 0,
  warnings: 0,
  bytes: 0,
  encountered: {},
};

/** A producer that has not posted yet. */
export function newProducer(id: string, epoch: number): Producer {
  return { id, epoch, requests: [], counters: NO_COUNTERS };
}
