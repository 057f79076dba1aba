/** Decides in what order things happen that could happen in any. */
import { setImmediate, setTimeout } from "node:timers";
import type { EventLog } from "../../src/log/event_log.ts";
import type { Random } from "./seed.ts";

/** Most turns in which a run opens gates, and most in a row in which it has none: more is a hang. */
const TURNS_MAX = 20_000;

/** After so many with nothing to open each takes a millisecond: the disk may have to be waited for. */
const IDLE_TURNS = 1_000;

export class Interleaver {
  readonly #random: Random;
  #gates: (() => void)[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** Resolves when chance has it. */
  gate(): Promise<void> {
    return new Promise((resolve) => this.#gates.push(resolve));
  }

  /** The log, each call of which is begun and answered when chance has it. */
  through(log: EventLog): EventLog {
    return new Proxy(log, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        return async (...given: unknown[]) => {
          await this.gate();
          try {
            return await member.apply(target, given);
          } finally {
            await this.gate();
          }
        };
      },
    });
  }

  /**
   * Lets gates open one after another until the work is done.
   *
   * @param between called now and then, as whatever else may happen
   */
  async run<Answer>(work: Promise<Answer>, between: () => void): Promise<Answer> {
    let settled = false;
    const seen = work.finally(() => settled = true);
    seen.catch(() => {}); // it is awaited below
    let idle = 0;
    let opening = 0;
    while (!settled) {
      if (Math.max(opening, idle) > TURNS_MAX) throw new Error("The run does not come to an end");
      if (this.#gates.length === 0) idle++;
      else [idle, opening] = [0, opening + 1];
      for (let some = this.#random.below(4); some >= 0 && this.#gates.length > 0; some--) {
        this.#gates.splice(this.#random.below(this.#gates.length), 1)[0]();
      }
      if (this.#random.chance(0.05)) between();
      await new Promise<void>((resolve) =>
        idle > IDLE_TURNS ? setTimeout(resolve, 1) : setImmediate(resolve)
      );
    }
    return await seen;
  }
}
