/** What operators watch. The meters are loaded after the start, and get then what came before. */
import type { Meters, Observed } from "./meters.ts";

/** Passes numbers on to the meters, and keeps them until these are loaded. */
export class Metrics {
  readonly #version: string;
  readonly #runtime: string;
  #meters: Meters | undefined;
  #loading: Promise<Meters> | undefined;
  /** What came before the meters were loaded; little, as that is together with the app. */
  #untold: ((meters: Meters) => void)[] = [];

  /** @param version of this program @param runtime what runs it: `deno 2.9.6` */
  constructor(version: string, runtime: string) {
    this.#version = version;
    this.#runtime = runtime;
  }

  /** How old an entry was when it was served. Nothing is kept: without meters no stream is open. */
  readonly served = (lagMs: number): void => this.#meters?.served(lagMs);

  /** How late some heartbeats were; nothing is kept, as with `served`. */
  readonly beaten = (lateMs: number): void => this.#meters?.beaten(lateMs);

  /** @param route its pattern, never the path that was asked for */
  answered(route: string, status: number): void {
    if (this.#meters) this.#meters.answered(route, status);
    else this.#untold.push((meters) => meters.answered(route, status));
  }

  /** A fault of which no answer's status tells. */
  faulted(): void {
    if (this.#meters) this.#meters.faulted();
    else this.#untold.push((meters) => meters.faulted());
  }

  /** Adds the meters that are looked up at a scrape. */
  observe(observed: Observed): void {
    if (this.#meters) this.#meters.observe(observed);
    else this.#untold.push((meters) => meters.observe(observed));
  }

  load(): Promise<Meters> {
    return this.#loading ??= import("./meters.ts").then(({ Meters }) => {
      const meters = new Meters(this.#version, this.#runtime);
      for (const tell of this.#untold.splice(0)) tell(meters);
      return this.#meters = meters;
    });
  }
}

/** The answer to a scrape. */
export async function metricsAnswer(metrics: Metrics): Promise<Response> {
  const meters = await metrics.load();
  return new Response(await meters.text(), { headers: { "Content-Type": meters.contentType } });
}
