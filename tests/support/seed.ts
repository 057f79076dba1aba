/** Chance that can be had again: a seed for every run, printed when it fails. */
import { test } from "node:test";
import process from "node:process";
import type { Cleanup } from "./program.ts";

/** SYNCTAIL_TEST_SEED fixes the seed of every test; drawn anew for each run without it. */
const SEED = Number(process.env.SYNCTAIL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** SYNCTAIL_TEST_ROUNDS makes tests so many times as long. */
const TIMES = Number(process.env.SYNCTAIL_TEST_ROUNDS ?? 1);

/** How many rounds a test makes, by how many it makes in CI. */
export function rounds(inCi: number): number {
  return Math.max(1, Math.round(inCi * TIMES));
}

/** A test that leaves things to chance. */
export function seeded(
  name: string,
  run: (random: Random, t: Cleanup) => void | Promise<void>,
): void {
  test(name, async (t) => {
    try {
      await run(new Random(SEED), t);
    } catch (cause) {
      console.error(`SYNCTAIL_TEST_SEED=${SEED} brings this back: ${name}`);
      throw cause;
    }
  });
}

/** Numbers that follow from a seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 up to 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 up to `end`, that one left out. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)];
  }

  /** So many of what `make` gives. */
  many<Item>(count: number, make: () => Item): Item[] {
    return Array.from({ length: count }, make);
  }

  /** Another source of chance, which goes its own way. */
  fork(): Random {
    return new Random(this.below(2 ** 31));
  }
}
