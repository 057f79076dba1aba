/** A worker that posts what chance says, counts its requests, and repeats what was not answered. */
import assert from "node:assert/strict";
import type { Random } from "./seed.ts";

export interface PublisherOptions {
  /** Of the job, without `/events`. */
  readonly url: string;
  readonly key: string;
  readonly name: string;
  readonly random: Random;
  /** Characters of a log line at most. */
  readonly lineMax?: number;
}

/** Totals and log lines, each line with words of its own. */
export class Publisher {
  /** The words of each log line that was acknowledged, in their order. */
  readonly acknowledged: string[] = [];
  /** Its own running total, as acknowledged. */
  inserted = 0;
  requests = 0;
  readonly #options: PublisherOptions;
  #lines = 0;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Posts a few events, again and again until they are answered. @throws on any answer but 200 */
  async post(signal: AbortSignal): Promise<void> {
    const { random } = this.#options;
    let inserted = this.inserted;
    const lines: string[] = [];
    const events = random.many(1 + random.below(4), () => {
      if (random.chance(0.4)) return { type: "progress", inserted: inserted += random.below(5) };
      return this.#line(lines);
    });
    await this.send(events, signal);
    this.inserted = inserted;
    this.acknowledged.push(...lines);
  }

  /** Sends those events as the next request. */
  async send(events: readonly object[], signal: AbortSignal): Promise<void> {
    const { url, key, name } = this.#options;
    const headers = {
      "Authorization": `Bearer ${key}`,
      "Content-Type": "application/json",
      "Producer-Id": name,
      "Producer-Seq": `${this.requests}`,
    };
    const body = JSON.stringify(events);
    for (let answered = false; !answered;) {
      signal.throwIfAborted();
      try {
        const answer = await fetch(`${url}/events`, { method: "POST", headers, body, signal });
        const text = await answer.text();
        answered = true;
        assert.equal(answer.status, 200, text);
      } catch (cause) {
        if (answered) throw cause;
        await new Promise((resolve) => setTimeout(resolve, 20)); // the server may be away
      }
    }
    this.requests++;
  }

  #line(lines: string[]): object {
    const { name, random, lineMax = 200 } = this.#options;
    const message = `${name} ${this.#lines++} ${"é".repeat(random.below(lineMax))}`;
    lines.push(message);
    return { type: "log", level: random.pick(["debug", "info", "warning", "error"]), message };
  }
}
