import assert from "node:assert/strict";
import { test } from "node:test";
import { type JobOptions, openJob, runJob } from "../../src/client/producer.ts";
import { bench, taken, turns } from "../support/producer_bench.ts";

const nobody = () => {
  throw new TypeError("connection refused");
};
const busy = () => Response.json({}, { status: 503 });

for (
  const [what, answers, reason] of [
    ["is not there", nobody, "cannot reach http://test:80: connection refused"],
    ["takes nothing now", busy, "http://test/prefix/ answers 503"],
  ] as const
) {
  test(`a server that ${what} is told after three tries, once until it answers`, async () => {
    let up = false;
    const { clock, requests, faults, job } = bench(() => up ? taken() : answers());
    const pass = async (ms: number) => {
      for (let step = 0; step < ms / 100; step++) {
        clock.advance(100);
        await turns(3);
      }
    };

    await turns();
    while (requests.length < 2) await pass(100);
    const before = faults.length;
    await pass(60_000);
    const down = [...faults];
    up = true;
    await pass(20_000);
    up = false;
    await pass(60_000);

    const words = `Cannot tell the server of job ${job.id}: ${reason}; it is tried again until ` +
      "that works";
    assert.deepEqual([before, down], [0, [words]]);
    assert.deepEqual(faults, [words, words]);
  });
}

test("a server that keeps a request is told when end() gives up waiting", async () => {
  const { clock, faults, job } = bench(taken, { fetch: () => new Promise(() => {}) });

  const delivered = job.end();
  clock.advance(5_000);

  assert.equal(await delivered, false);
  assert.equal(faults.length, 1);
  assert.match(faults[0], /its end has not arrived in 5 s/);
});

test("a server that was told to be silent is not told again when end() gives up waiting", async () => {
  const { clock, faults, job } = bench(busy);
  await turns();
  while (faults.length === 0) {
    clock.advance(100);
    await turns(3);
  }

  const delivered = job.end();
  clock.advance(5_000);

  assert.deepEqual([await delivered, faults.length], [false, 1]);
});

test("whoever is told at once knows the job that it is of", async () => {
  const told: string[] = [];
  const job = openJob({
    server: "http://test",
    key: "",
    onFault: () => told.push(job.id),
  });

  await turns();

  assert.deepEqual(told, [job.id]);
});

// deno-lint-ignore no-explicit-any -- what nobody with types would pass
const none = undefined as any;

for (
  const [what, options, words] of [
    ["no URL", { server: "not a url" }, /address "not a url" is no http or https URL/],
    ["an address without a scheme", { server: "localhost:8017" }, /no http or https URL/],
    ["no address", { server: none }, /address "" is no http or https URL/],
    [
      "an address with a user",
      { server: "http://me:pass@test" },
      /address has a user or a password$/,
    ],
    ["no key", { key: none }, /there is no key/],
    ["a key of two lines", { key: "a\nb" }, /the key has characters that no key has/],
  ] as [string, Partial<JobOptions>, RegExp][]
) {
  test(`${what} is told at once, and nothing is sent`, async () => {
    const faults: string[] = [];
    let requests = 0;
    const sent = () => {
      requests++;
      return Promise.resolve(taken());
    };
    const at = { server: "http://test", key: "k", fetch: sent };

    const onFault = (words: string) => faults.push(words);
    const result = await runJob({ ...at, ...options, onFault }, (job) => {
      job.inserted();
      return Promise.resolve("fine");
    });

    assert.deepEqual([result, requests, faults.length], ["fine", 0, 1]);
    assert.match(faults[0], words);
  });
}

test("a key that was read with the end of its line is the key", async () => {
  let sent: string | undefined;
  const job = bench(taken, {
    key: "k\n",
    fetch: (_, init) => {
      sent = new Headers(init?.headers).get("Authorization") ?? undefined;
      return Promise.resolve(taken());
    },
  }).job;

  await job.end();

  assert.equal(sent, "Bearer k");
});

test("a listener that throws does not break the sync", async () => {
  const { job } = bench(() => Response.json({ type: "/problems/forbidden" }, { status: 403 }), {
    onFault: () => {
      throw new Error("broken");
    },
  });

  job.inserted();

  assert.equal(await job.end(), false);
});
