import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import {
  attachJob,
  openJob,
  type Producer,
  runJob,
  StoppedError,
} from "../../src/client/producer.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { bench, eventsOf, taken, turns } from "../support/producer_bench.ts";
import { RUN } from "../support/runtime.ts";
import { type TestServer, testServer } from "../support/server.ts";

const jobOf = async (server: TestServer, id: string) =>
  await (await server.ask(`/v1/sync/job/${id}`)).json();

test("a job is counted, told about and completed at a real server", async (t) => {
  const server = await testServer(t);
  const options = { server: server.url, key: server.key(), sync: "users", total: 3, tags: ["x"] };
  let id = "";

  const result = await runJob(options, (job) => {
    id = job.id;
    job.phase("copying");
    job.inserted(1, "user");
    job.inserted(1, "admin");
    job.skipped();
    job.bytes(500);
    job.log("warning", "no e-mail", { user: 7 });
    return Promise.resolve("fine");
  });

  assert.equal(result, "fine");
  const job = await jobOf(server, id);
  assert.deepEqual(
    [job.status, job.entities_inserted, job.entities_skipped, job.bytes_done, job.phase, job.sync],
    ["completed", 2, 1, 500, "copying", "users"],
  );
  assert.deepEqual(job.entities_encountered, { user: 1, admin: 1 });
  const { items } = await (await server.ask(`/v1/sync/job/${id}/logs`)).json();
  assert.deepEqual([items[0].message, items[0].fields], ["no e-mail", { user: 7 }]);
});

test("work that throws fails its job with the words, and is thrown on", async (t) => {
  const server = await testServer(t);
  let id = "";

  await assert.rejects(
    runJob({ server: server.url, key: server.key() }, (job) => {
      id = job.id;
      return Promise.reject(new RangeError("no such user"));
    }),
    RangeError,
  );

  const { status, error } = await jobOf(server, id);
  assert.deepEqual([status, error], ["failed", { code: "RangeError", message: "no such user" }]);
});

test("a cancel reaches the work by its signal, and the job ends as cancelled", async (t) => {
  const server = await testServer(t);
  let id = "";

  await runJob({ server: server.url, key: server.key() }, async (job) => {
    id = job.id;
    // Any request of the job may be the one that is told of it.
    const stopped = new Promise((resolve) => job.signal.addEventListener("abort", resolve));
    job.inserted();
    while ((await jobOf(server, id)).entities_inserted !== 1);
    await server.ask(`/v1/sync/job/${id}/cancel`, { method: "POST" });
    job.log("info", "one more");
    await stopped;
    assert.equal((job.signal.reason as StoppedError).why, "cancelled");
  });

  assert.equal((await jobOf(server, id)).status, "cancelled");
});

test("work that throws because of a cancel ends its job as cancelled", async () => {
  const bodies: string[] = [];
  const fetch: typeof globalThis.fetch = (_, init) => {
    bodies.push(String(init?.body));
    return Promise.resolve(taken({ cancel_requested: true }));
  };

  const run = runJob({ server: "http://test", key: "k", fetch }, async ({ signal }) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    signal.throwIfAborted();
  });

  await assert.rejects(run, StoppedError);
  const { status, error } = eventsOf(bodies.at(-1)).at(-1);
  assert.deepEqual([status, error.code], ["cancelled", "StoppedError"]);
});

test("workers that attach to a job are summed, and do not end it", async (t) => {
  const server = await testServer(t);
  const at = { server: server.url, key: server.key() };
  const job = openJob(at);
  const workers = [1, 2, 3].map(() => attachJob(job.id, at));

  for (const worker of workers) for (let n = 0; n < 10; n++) worker.kept();
  const delivered = await Promise.all(workers.map((worker) => worker.end()));
  const during = await jobOf(server, job.id);
  await job.end();

  assert.deepEqual([delivered, during.status], [[true, true, true], "in_progress"]);
  const { status, entities_kept } = await jobOf(server, job.id);
  assert.deepEqual([status, entities_kept], ["completed", 30]);
});

test("what an attached worker fails with is a log line of the job, once", async (t) => {
  const server = await testServer(t);
  const at = { server: server.url, key: server.key() };
  const job = openJob(at);
  const worker = attachJob(job.id, at);

  await worker.end("failed", { code: "no_row", message: "row 7 is gone" });
  await worker.end("failed", { code: "no_row", message: "row 8 is gone" });
  await job.end();

  const { items } = await (await server.ask(`/v1/sync/job/${job.id}/logs`)).json();
  const lines = items.map(({ level, message }: Record<string, unknown>) => [level, message]);
  assert.deepEqual(lines, [["error", "no_row: row 7 is gone"]]);
  assert.equal((await jobOf(server, job.id)).status, "completed");
});

test("a worker that attaches waits half a minute for its job to be created, and no longer", async () => {
  const clock = new FakeClock();
  const faults: string[] = [];
  let asked = 0;
  const worker = attachJob("770e8400-e29b-41d4-a716-446655440002", {
    server: "http://test",
    key: "k",
    clock,
    onFault: (message) => faults.push(message),
    fetch: () => {
      asked++;
      const detail = "There is nothing here under this id or path for this key";
      const type = "/problems/not-found";
      return Promise.resolve(Response.json({ type, detail }, { status: 404 }));
    },
  });
  const passes = async (ms: number) => {
    for (let spent = 0; spent < ms; spent += 1_000) {
      clock.advance(1_000);
      await turns(5);
    }
  };

  const gaveUp = () => faults.filter((words) => words.includes("any more"));

  worker.inserted();
  await passes(29_000);
  const early = gaveUp();
  await passes(15_000);
  const before = asked;
  await passes(60_000);

  assert.deepEqual([early, gaveUp(), asked], [[], faults.slice(-1), before]);
  assert.match(faults.at(-1) ?? "", /nothing here/);
  assert.equal(await worker.end(), false);
});

test("answers that are lost double nothing", async (t) => {
  const server = await testServer(t);
  let calls = 0;
  const lossy: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (calls++ % 2 === 0) throw new TypeError("the connection broke");
    return response;
  };
  const job = openJob({ server: server.url, key: server.key(), fetch: lossy });

  job.inserted(5);
  job.log("info", "once");
  const delivered = await job.end();

  assert.equal(delivered, true);
  const { status, entities_inserted, seq } = await jobOf(server, job.id);
  assert.deepEqual([status, entities_inserted, seq], ["completed", 5, 3]);
});

test("a server that is busy is asked again, with the same number and body, after what it says", async () => {
  let busy = 2;
  const { clock, requests, job } = bench(({ body }) =>
    body?.includes("progress") && busy-- > 0
      ? Response.json({}, { status: 429, headers: { "Retry-After": "7" } })
      : taken()
  );
  await turns();

  job.inserted();
  for (let step = 0; step < 40; step++) {
    clock.advance(500);
    await turns(5);
    job.inserted();
  }

  const counted = requests.filter(({ body }) => body?.includes("progress"));
  assert.deepEqual(counted.slice(0, 3).map(({ number }) => number), ["0", "0", "0"]);
  assert.equal(counted[2].body, counted[0].body);
  assert.deepEqual([counted[1].atMs - counted[0].atMs, counted[2].atMs - counted[1].atMs], [
    7_000,
    7_000,
  ]);
  assert.equal(counted[3].number, "1");
});

test("progress is merged to the interval that the server asks for, lines wait a second at most", async () => {
  const { clock, requests, job } = bench(() => taken({ interval_ms: 5_000 }));
  await turns();
  requests.splice(0);

  for (let step = 0; step < 90; step++) {
    job.inserted();
    if (step === 60) job.log("info", "x");
    clock.advance(100);
    await turns(3);
  }

  const sent = requests.map(({ body }) => eventsOf(body));
  assert.deepEqual(sent.map((events) => events.map(({ type }: { type: string }) => type)), [
    ["progress"],
    ["progress", "log"],
  ]);
  assert.equal(requests[1].atMs - requests[0].atMs, 1_100);
});

for (const interval_ms of ["often", "5000", null, [], true, 0, -1]) {
  test(`an interval of ${JSON.stringify(interval_ms)} is none: progress goes out as before`, async () => {
    const { clock, requests, job } = bench(() => taken({ interval_ms }));
    await turns();
    requests.splice(0);

    job.inserted();
    for (let step = 0; step < 25; step++) {
      clock.advance(10);
      await turns(3);
    }

    assert.deepEqual(requests.map(({ atMs }) => atMs), [250]);
  });
}

test("a job is said to be under way before anything is counted", async () => {
  const { requests } = bench(() => taken());

  await turns();

  assert.deepEqual(eventsOf(requests[1].body), [{ type: "progress" }]);
});

test("a silent producer gives signs of life without a number", async () => {
  const { clock, requests, job } = bench(() => taken());
  await turns();
  requests.splice(0);

  for (let step = 0; step < 20; step++) {
    clock.advance(1_000);
    await turns(3);
  }
  job.inserted();
  await turns();

  assert.deepEqual(requests.map(({ body, number, atMs }) => [eventsOf(body), number, atMs]), [
    [[], undefined, 8_000],
    [[], undefined, 16_000],
    [[{ type: "progress", inserted: 1 }], "1", 20_000],
  ]);
});

test("a line waits a second for others, and what was counted goes with it", async () => {
  const { clock, requests, job } = bench(() => taken({ interval_ms: 5_000 }));
  await turns();
  requests.splice(0);

  job.inserted();
  job.log("info", "x");
  clock.advance(999);
  await turns();
  const early = requests.length;
  clock.advance(1);
  await turns();

  const types = requests.map(({ body }) =>
    eventsOf(body).map(({ type }: { type: string }) => type)
  );
  assert.deepEqual([early, types], [0, [["progress", "log"]]]);
});

for (
  const [doing, work] of [["silent", () => {}], [
    "busy",
    (job: Producer) => job.inserted(),
  ]] as const
) {
  test(`a ${doing} producer of a short lease is heard three times in it`, async () => {
    const { clock, requests, job } = bench(() => taken({ interval_ms: 5_000 }), { leaseS: 3 });
    await turns();
    requests.splice(0);

    for (let step = 0; step < 40; step++) {
      work(job);
      clock.advance(100);
      await turns(3);
    }

    assert.deepEqual(requests.map(({ atMs }) => atMs), [1_000, 2_000, 3_000, 4_000]);
  });
}

for (
  const [why, refuse] of [
    ["is full", () => Response.json({}, { status: 507, headers: { "Retry-After": "30" } })],
    ["is away", () => {
      throw new TypeError("nobody answers");
    }],
  ] as const
) {
  test(`a producer of a short lease asks a server that ${why} three times in it`, async () => {
    const { clock, requests } = bench(
      ({ path }) => path.endsWith("/events") ? refuse() : taken(),
      { leaseS: 6 },
    );
    await turns();

    for (let step = 0; step < 200; step++) {
      clock.advance(100);
      await turns(3);
    }

    const pauses = requests.slice(1).map(({ atMs }, index) => atMs - requests[index].atMs);
    assert.ok(pauses.length >= 10, `${pauses}`);
    assert.equal(Math.max(...pauses), 2_000);
  });
}

test("a refusal ends the delivery, is told once, and never thrown", async () => {
  const problem = { type: "/problems/unauthenticated", detail: "The API key is not known here" };
  const { requests, faults, job } = bench(() => Response.json(problem, { status: 401 }));
  await turns();

  job.inserted();
  job.log("info", "x");
  const delivered = await job.end();

  assert.deepEqual([delivered, requests.length, faults.length], [false, 1, 1]);
  assert.match(faults[0], /not known here/);
});

for (
  const [who, status, body, words] of [
    ["a gateway's JSON", 404, { message: "no Route matched" }, "404"],
    ["a gateway that lets nobody in", 403, { error: "forbidden" }, "403"],
    [
      "a server under another path",
      404,
      { type: "/problems/not-found", detail: "No." },
      "404: No.",
    ],
    ["a server of another name", 421, { type: "/problems/misdirected" }, "421"],
  ] as const
) {
  test(`a job is kept where ${who} answers instead`, async () => {
    let lost = true;
    const { clock, requests, faults, job } = bench(() =>
      lost ? Response.json(body, { status }) : taken()
    );
    const passes = async (seconds: number) => {
      for (let spent = 0; spent < seconds; spent++) {
        clock.advance(1_000);
        await turns();
      }
    };

    job.inserted(3);
    await passes(5);
    const said = [...faults];
    lost = false;
    const ended = job.end();
    await passes(20);

    assert.equal(said.length, 1);
    assert.ok(said[0].endsWith(`answers ${words}; it is tried again until that works`), said[0]);
    assert.equal(await ended, true);
    assert.match(requests.at(-1)?.body ?? "", /"inserted":3.*"completed"/);
  });
}

test("a producer whose name another has taken stops its work", async () => {
  const fenced = { type: "/problems/producer-fenced", detail: "Another has posted" };
  const { clock, job, faults } = bench(({ path }) =>
    path.endsWith("/events") ? Response.json(fenced, { status: 409 }) : taken()
  );
  clock.advance(10_000);
  await turns();

  assert.equal((job.signal.reason as StoppedError).why, "fenced");
  assert.deepEqual([job.cancelled, faults.length], [false, 1]);
});

test("a job that was ended elsewhere stops the work", async () => {
  const ended = { type: "/problems/job-ended", detail: "It is over" };
  const { clock, job } = bench(({ path }) =>
    path.endsWith("/events") ? Response.json(ended, { status: 409 }) : taken()
  );
  clock.advance(10_000);
  await turns();

  assert.ok(job.signal.aborted);
  assert.equal((job.signal.reason as StoppedError).why, "ended");
  assert.equal(job.cancelled, false);
});

test("more lines than there is room for are dropped oldest first, and told; the end never is", async () => {
  let up = false;
  const { clock, requests, job } = bench(() => up ? taken() : Response.json({}, { status: 503 }));
  for (let n = 0; n < 10_500; n++) job.log("info", `line ${n}`);
  job.inserted(3);

  up = true;
  let delivered: boolean | undefined;
  job.end("failed", { code: "x", message: "y" }).then((done) => delivered = done);
  for (; delivered === undefined; await turns(1)) clock.advance(100);

  const events = requests.filter(({ number }) => number !== undefined)
    .flatMap(({ body }) => eventsOf(body));
  const [progress, told, first] = events;
  assert.equal(progress.inserted, 3);
  assert.match(told.message, /^500 lines left out/);
  assert.equal(first.message, "line 500");
  assert.deepEqual(events.at(-1), {
    type: "end",
    status: "failed",
    error: { code: "x", message: "y" },
  });
  assert.equal(delivered, true);
});

test("an end that arrived leaves nothing behind to be said or waited for", async () => {
  const { clock, faults, job } = bench(() => taken());

  const delivered = await job.end();

  assert.deepEqual([delivered, clock.waiting, faults], [true, 0, []]);
});

test("end() gives up waiting after five seconds, and delivers later all the same", async () => {
  let up = false;
  const { clock, requests, job } = bench(() => up ? taken() : Response.json({}, { status: 503 }));
  let delivered: boolean | undefined;
  job.end().then((done) => delivered = done);
  for (; delivered === undefined; await turns(1)) clock.advance(100);

  up = true;
  for (let step = 0; step < 30; step++) {
    clock.advance(1_000);
    await turns(3);
  }

  assert.equal(delivered, false);
  assert.equal(eventsOf(requests.at(-1)?.body).at(-1).type, "end");
  assert.equal(clock.waiting, 0);
});

test("what has no JSON, and counts that are none, do no harm", async () => {
  const { requests, job } = bench(() => taken());
  await turns();
  const circle: Record<string, unknown> = {};
  circle.self = circle;

  job.log("info", "circle", circle);
  for (const n of [-1, 0.5, NaN, Infinity, 2 ** 53]) job.inserted(n);
  job.progress({ kept: 5 });
  job.progress({ kept: 4 });
  await job.end();

  const events = eventsOf(requests.at(-1)?.body);
  assert.deepEqual(events.map(({ type }: { type: string }) => type), ["progress", "log", "end"]);
  assert.deepEqual([events[0].kept, events[0].inserted], [5, undefined]);
});

/** How a worker of its own process ends, and what it says. */
function worker(mode: "left" | "ended") {
  const script = new URL("../support/worker_child.ts", import.meta.url).pathname;
  const [command, ...args] = [...RUN, script, mode];

  const { status, stdout } = spawnSync(command, args, {
    encoding: "utf8",
    timeout: 20_000, // one that stays would do so without end
  });

  return [status, stdout];
}

test("a worker that never ends its job can end all the same", () => {
  assert.deepEqual(worker("left"), [0, "2 requests\n"]);
});

test("a worker that waits for the end of its job goes on until that is answered", () => {
  assert.deepEqual(worker("ended"), [0, "2 requests, true\n"]);
});
