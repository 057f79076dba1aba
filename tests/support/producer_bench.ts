/** A producer whose requests the test answers, and whose time it passes. */
import { type JobOptions, openJob } from "../../src/client/producer.ts";
import { FakeClock } from "./fake_clock.ts";

/** A request as a server sees it. */
export interface Asked {
  readonly path: string;
  readonly body?: string;
  /** Its Producer-Seq. */
  readonly number?: string;
}

/** Lets what has been set off come to rest. */
export async function turns(count = 20) {
  for (let turn = 0; turn < count; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A producer whose requests the test answers. */
export function bench(answers: (request: Asked) => Response, options: Partial<JobOptions> = {}) {
  const clock = new FakeClock();
  const requests: (Asked & { readonly atMs: number })[] = [];
  const faults: string[] = [];
  const job = openJob({
    server: "http://test/prefix/",
    key: "k",
    clock,
    onFault: (message) => faults.push(message),
    fetch: (input, init) => {
      const headers = init?.headers as Record<string, string>;
      const request = {
        path: String(input).replace("http://test/prefix", ""),
        body: init?.body as string | undefined,
        number: headers["Producer-Seq"],
      };
      requests.push({ ...request, atMs: clock.monotonic() });
      return new Promise((resolve) => resolve(answers(request)));
    },
    ...options,
  });
  return { clock, requests, faults, job };
}

/** What a server answers that has taken the events. */
export const taken = (more = {}) =>
  Response.json({ id: "j", interval_ms: 250, cancel_requested: false, ...more });
/** The events of a request. */
export const eventsOf = (body: string | undefined) => JSON.parse(body ?? "[]");
