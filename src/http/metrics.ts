/** What operators watch. A start does not wait for the meters: what is told before is told to them then. */
import type { Meters, Observed } from "./meters.ts";

/** Counts what happens often, and looks the rest up when it is asked for. */
export class Metrics {
  readonly #version: string;
  readonly #runtime: string;
  #meters: Meters | undefined;
  #loading: Promise<Meters> | undefined;
  /** Few: they are loaded together with the app. */
  #untold: ((meters: Meters) => void)[] = [];

  /** @param version of this program @param runtime what runs it: `deno 2.9.6` */
  constructor(version: string, runtime: string) {
    this.#version = version;
    this.#runtime = runtime;
  }

  /** Told how old an entry was when it was served: to a stream, and the app opens none before the meters. */
  readonly served = (lagMs: number): void => this.#meters?.served(lagMs);

  /** Told how late some heartbeats of streams were. */
  readonly beaten = (lateMs: number): void => this.#meters?.beaten(lateMs);

  /** @param route its pattern, never the path that was asked for */
  answered(route: string, status: number): void {
    if (this.#meters) this.#meters.answered(route, status);
    else this.#untold.push((meters) => meters.answered(route, status));
  }

  /** Adds what is looked up when somebody asks. */
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

/** What a scrape gets. */
export async function metricsAnswer(metrics: Metrics): Promise<Response> {
  const meters = await metrics.load();
  return new Response(await meters.text(), { headers: { "Content-Type": meters.contentType } });
}
