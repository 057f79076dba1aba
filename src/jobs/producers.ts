/** Requests of producers: tells which are new, repeated or refused. */
import { newProducer, type Producer, type ProducerRequest } from "../sync/producer.ts";

/** How many requests of a producer are remembered. */
const REQUESTS_MAX = 5;

/** How a request names its producer. */
export interface Stamp {
  /** Empty for the nameless producer. */
  readonly id: string;
  readonly epoch: number;
  /** The number of the request, from 0; undefined when the producer does not count them. */
  readonly number: number | undefined;
}

/** The stamp of a request that names no producer. */
export const NO_STAMP: Stamp = { id: "", epoch: 0, number: undefined };

/** Another process has taken over the producer's name. */
export class ProducerFencedError extends Error {
  override readonly name = "ProducerFencedError";

  constructor({ id, epoch }: Stamp, known: number) {
    super(
      `Cannot take events of producer "${id}" in epoch ${epoch}: ` +
        `one of epoch ${known} has posted, so this one is over`,
    );
  }
}

/** A request came too early, or so late that it is no longer remembered. */
export class ProducerOrderError extends Error {
  override readonly name = "ProducerOrderError";
  readonly expected: number;

  constructor({ id, number }: Stamp, expected: number) {
    super(
      `Cannot take request ${number} of producer "${id}": the next one is number ${expected}`,
    );
    this.expected = expected;
  }
}

/** The producer as this request finds it, and the result of the same request before. */
export interface Admitted {
  readonly producer: Producer;
  /** Undefined for a request that is new or has no number. */
  readonly before: ProducerRequest | undefined;
}

/**
 * Checks a request against those of its producer.
 *
 * @param known the producer as the log has it; undefined when it has never posted
 * @throws {ProducerFencedError | ProducerOrderError}
 */
export function admit(known: Producer | undefined, stamp: Stamp): Admitted {
  if (known && stamp.epoch < known.epoch) throw new ProducerFencedError(stamp, known.epoch);
  const producer = known?.epoch === stamp.epoch ? known : newProducer(stamp.id, stamp.epoch);
  if (stamp.number === undefined) return { producer, before: undefined };
  const before = producer.requests.find(({ number }) => number === stamp.number);
  const expected = (producer.requests.at(-1)?.number ?? -1) + 1;
  if (!before && stamp.number !== expected) throw new ProducerOrderError(stamp, expected);
  return { producer, before };
}

/** The producer with this request added, or updated when it was begun before. */
export function withRequest(producer: Producer, request: ProducerRequest): Producer {
  const others = producer.requests.filter(({ number }) => number !== request.number);
  const requests = [...others, request].sort((a, b) => a.number - b.number).slice(-REQUESTS_MAX);
  return { ...producer, requests };
}
