import assert from "node:assert/strict";
import { test } from "node:test";
import { Spool } from "../../src/client/spool.ts";
import { SpoolDelivery } from "../../src/client/spool_delivery.ts";
import { MEMORY } from "../../src/client/spool_file.ts";
import { FakeClock } from "../support/fake_clock.ts";

interface Seen {
  readonly path: string;
  readonly body: string | undefined;
  readonly number: string | undefined;
  readonly atMs: number;
}

const ID = "770e8400-e29b-41d4-a716-446655440002";
const END = '{"type":"end","status":"completed"}';
const EVENTS = `/v1/sync/job/${ID}/events`;

/** A spool in memory, and a server that answers as a test says. */
function bench(
  answers: (request: Seen, given?: AbortSignal | null) => Response | Promise<Response>,
  leaseMs?: number,
  looked: Promise<void> = Promise.resolve(),
) {
  const clock = new FakeClock();
  const job = { id: ID, producer: "p", body: `{"id":"${ID}"}`, server: "http://s", keyPrint: null };
  const spool = Spool.create(MEMORY, job);
  const requests: Seen[] = [];
  const faults: string[] = [];
  const cancels: string[] = [];
  const asked: boolean[] = [];
  const answer: typeof fetch = (input, init) => {
    const headers = init?.headers as Record<string, string>;
    const request = {
      path: String(input).replace("http://s", ""),
      body: init?.body as string | undefined,
      number: headers["Producer-Seq"],
      atMs: clock.monotonic(),
    };
    requests.push(request);
    return Promise.resolve(answers(request, init?.signal));
  };
  const leave = new AbortController();
  const delivery = new SpoolDelivery({
    spool,
    clock,
    leaseMs,
    endpoint: async (again) => {
      asked.push(again);
      await looked;
      return { server: "http://s", key: "k", fetch: answer, clock };
    },
    onFault: (message) => faults.push(message),
    onCancel: () => cancels.push("cancel"),
  });
  const run = delivery.run(leave.signal);
  return { clock, spool, delivery, requests, faults, cancels, asked, run, leave };
}

const taken = (more = {}) =>
  Response.json({ id: "j", interval_ms: 5_000, cancel_requested: false, ...more });
const problem = (status: number, code: string, more = {}) =>
  Response.json({ type: `https://synctail/problems/${code}`, detail: code, ...more }, { status });

/** Lets what can go on go on, with time passing where it waits. */
async function passes(clock: FakeClock, ms: number) {
  for (let spent = 0; spent <= ms; spent += 100) {
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (spent < ms) clock.advance(100);
  }
}

test("SpoolDelivery creates the job, gathers lines, and tells the end", async () => {
  const { clock, spool, delivery, requests, run } = bench(() => taken());
  spool.append("log", '"a"');
  await passes(clock, 0);
  spool.append("log", '"b"');
  delivery.nudge();
  await passes(clock, 500);
  spool.append("log", '"c"');
  delivery.nudge();
  await passes(clock, 1_000);
  spool.append("end", END);
  delivery.hurry();

  assert.equal(await run, "delivered");
  assert.deepEqual(requests.map(({ path, body, number }) => [path, number, body]), [
    ["/v1/sync/job", undefined, `{"id":"${ID}"}`],
    [EVENTS, "0", '["a"]'],
    [EVENTS, "1", '["b","c"]'],
    [EVENTS, "2", `[${END}]`],
  ]);
});

test("SpoolDelivery lets a great deal wait for nothing else", async () => {
  const { clock, spool, delivery, requests, run, leave } = bench(() => taken());
  spool.append("log", '"a"');
  await passes(clock, 0);
  const much = JSON.stringify("x".repeat(64 * 1024));
  spool.append("log", '"b"');
  delivery.nudge();
  await passes(clock, 0);
  const little = requests.length;

  spool.append("log", much);
  delivery.nudge();
  await passes(clock, 0);

  assert.deepEqual(requests.slice(little).map(({ body }) => body), [`["b",${much}]`]);
  leave.abort();
  assert.equal(await run, "left");
});

test("SpoolDelivery sends the same again after a failure, and asks for the server anew", async () => {
  let down = 3;
  const { clock, spool, requests, asked, delivery, run } = bench(({ path }) =>
    path === EVENTS && down-- > 0 ? new Response("", { status: 503 }) : taken()
  );
  spool.append("log", '"a"');
  await passes(clock, 200);
  spool.append("log", '"b"');
  spool.append("end", END);
  delivery.hurry();
  await passes(clock, 5_000);

  assert.equal(await run, "delivered");
  const posts = requests.filter(({ path }) => path === EVENTS);
  assert.deepEqual(posts.map(({ number, body }) => [number, body]), [
    ["0", '["a"]'],
    ["0", '["a"]'],
    ["0", '["a"]'],
    ["0", '["a"]'],
    ["1", `["b",${END}]`],
  ]);
  assert.deepEqual(asked, [false, false, true, true, true, false]);
  assert.equal(delivery.reason, undefined);
});

test("SpoolDelivery gives a sign of life every 8 s, every 2 s while watched, and hears a cancel", async () => {
  let viewers = 0;
  const { clock, requests, cancels, leave, run } = bench(({ body }) =>
    taken({ viewers, cancel_requested: body === undefined && viewers > 0 })
  );
  await passes(clock, 16_500);
  viewers = 1;
  await passes(clock, 12_000);
  leave.abort();

  assert.equal(await run, "left");
  const signs = requests.filter(({ path, body }) => path === EVENTS && body === undefined);
  const gaps = signs.slice(1).map(({ atMs }, at) => atMs - signs[at].atMs);
  assert.deepEqual(gaps, [8_000, 8_000, 8_000, 2_000, 2_000]);
  assert.deepEqual(signs.map(({ number }) => number), signs.map(() => undefined));
  assert.equal(cancels.length, 3);
});

test("SpoolDelivery leaves out what the server refuses, and goes on", async () => {
  const { clock, spool, requests, faults, delivery, run } = bench(({ body }) =>
    body?.includes("odd") ? problem(400, "invalid-request") : taken()
  );
  spool.append("log", '"odd"');
  await passes(clock, 100);
  spool.append("log", '"even"');
  spool.append("end", END);
  delivery.hurry();
  await passes(clock, 2_000);

  assert.equal(await run, "delivered");
  assert.deepEqual(requests.slice(1).map(({ number, body }) => [number, body]), [
    ["0", '["odd"]'],
    ["0", `["even",${END}]`],
  ]);
  assert.equal(faults.length, 1);
});

test("SpoolDelivery tells the neighbours of what the server refuses, and all by themselves", async () => {
  const { clock, spool, requests, faults, delivery, run } = bench(({ body }) =>
    body?.includes("odd") ? problem(400, "invalid-request") : taken()
  );
  await passes(clock, 0);
  for (const text of ["one", "odd", "two", "odd too", "three"]) spool.append("log", `"${text}"`);
  delivery.nudge();
  await passes(clock, 1_000);
  assert.ok(spool.empty);
  spool.append("end", END);
  delivery.hurry();

  assert.equal(await run, "delivered");
  const told = requests.filter(({ body }) => body?.startsWith("["));
  assert.deepEqual(told.map(({ number, body }) => [number, body]), [
    ["0", '["one","odd","two","odd too","three"]'],
    ["0", '["one"]'],
    ["1", '["odd"]'],
    ["1", '["two"]'],
    ["2", '["odd too"]'],
    ["2", '["three"]'],
    ["3", `[${END}]`],
  ]);
  assert.equal(new Set(told.map(({ atMs }) => atMs)).size, 1);
  assert.equal(faults.length, 2);
});

test("SpoolDelivery keeps our word on the end of a job that had been given up", async () => {
  const { clock, spool, requests, cancels, delivery, run } = bench(({ path }) =>
    path === EVENTS ? problem(409, "job-ended", { job_status: "failed" }) : taken()
  );
  spool.append("log", '"late"');
  await passes(clock, 100);
  spool.append("end", END);
  delivery.hurry();

  assert.equal(await run, "delivered");
  assert.deepEqual(requests.slice(1).map(({ body }) => body), ['["late"]', `[${END}]`]);
  assert.deepEqual(cancels, []);
});

test("SpoolDelivery stops the program of a job that was ended as cancelled", async () => {
  const { clock, spool, cancels, leave, run } = bench(({ path }) =>
    path === EVENTS ? problem(409, "job-ended", { job_status: "cancelled" }) : taken()
  );
  spool.append("log", '"late"');
  await passes(clock, 100);
  leave.abort();
  await run;

  assert.deepEqual(cancels, ["cancel"]);
});

test("SpoolDelivery follows a server that has lost its last moments", async () => {
  let lost = true;
  const { clock, spool, requests, delivery, run } = bench(({ number }) => {
    if (number !== "2" || !lost) return taken();
    lost = false;
    return problem(409, "producer-out-of-order", { expected_seq: 1 });
  });
  for (const text of ['"a"', '"b"', '"c"']) {
    spool.append("log", text);
    delivery.nudge();
    await passes(clock, 2_000);
  }
  spool.append("end", END);
  delivery.hurry();
  await passes(clock, 100);

  assert.equal(await run, "delivered");
  assert.deepEqual(
    requests.filter(({ body }) => body !== undefined).slice(1).map(({ number, body }) => [
      number,
      body,
    ]),
    [["0", '["a"]'], ["1", '["b"]'], ["2", '["c"]'], ["1", '["c"]'], ["2", `[${END}]`]],
  );
});

test("SpoolDelivery whose job is gone ends as refused", async () => {
  const { clock, spool, faults, run } = bench(({ path }) =>
    path === EVENTS ? problem(404, "not-found") : taken()
  );
  spool.append("log", '"a"');
  await passes(clock, 0);

  assert.equal(await run, "refused");
  assert.match(faults[0], /it answers 404/);
});

test("SpoolDelivery at an address where jobs are not created leaves all that there is to tell", async () => {
  const { clock, spool, faults, run } = bench(() => problem(404, "not-found"));
  spool.append("log", '"a"');
  spool.append("end", END);
  await passes(clock, 0);

  assert.equal(await run, "left");
  assert.deepEqual([spool.created, spool.ended], [false, true]);
  assert.deepEqual(faults, [
    `Cannot tell the server of job ${ID}: it answers 404 at http://s/v1/sync/job: not-found`,
  ]);
});

test("SpoolDelivery is not misled by a gateway that answers in the server's place", async () => {
  let lost = true;
  const { clock, spool, faults, requests, run } = bench(() =>
    lost ? Response.json({ message: "no Route matched" }, { status: 404 }) : taken()
  );
  spool.append("log", '"a"');
  await passes(clock, 0);
  assert.deepEqual(faults, [
    `Cannot tell the server of job ${ID}: it answers 404 at http://s/v1/sync/job`,
  ]);
  lost = false;
  spool.append("end", END);
  await passes(clock, 60_000);

  assert.equal(await run, "delivered");
  assert.equal(requests.at(-1)?.body, `["a",${END}]`);
});

for (const status of [401, 403, 405, 421]) {
  test(`SpoolDelivery that is answered ${status} leaves all that there is to tell, the end too`, async () => {
    const { clock, spool, delivery, requests, faults, run } = bench(() => problem(status, "no"));
    spool.append("log", '"a"');
    await passes(clock, 59_000);
    assert.equal(requests.length, 1);
    spool.append("end", END);
    delivery.hurry();

    assert.equal(await run, "left");
    assert.deepEqual(faults, [`Cannot tell the server of job ${ID}: it answers ${status}: no`]);
    assert.equal(delivery.reason, `it answers ${status}: no`);
    assert.equal(spool.ended, true);
  });

  test(`SpoolDelivery that is answered ${status} tries again each minute`, async () => {
    let good = false;
    const { clock, spool, delivery, requests, faults, asked, run } = bench(() =>
      good ? taken() : problem(status, "no")
    );
    spool.append("log", '"a"');
    await passes(clock, 60_000);
    assert.equal(requests.length, 2);
    good = true;
    await passes(clock, 60_000);
    spool.append("end", END);
    delivery.hurry();
    await passes(clock, 100);

    assert.equal(await run, "delivered");
    assert.equal(requests.at(-1)?.body, `[${END}]`);
    assert.deepEqual([faults.length, asked.slice(0, 2)], [1, [false, true]]);
  });
}

test("who leaves does not wait for a server that does not answer", async () => {
  const { clock, spool, requests, run, leave } = bench((_, given) =>
    new Promise((_, reject) => given?.addEventListener("abort", () => reject(given.reason)))
  );
  await passes(clock, 0);
  assert.equal(requests.length, 1);

  leave.abort();

  assert.equal(await run, "left");
  assert.deepEqual([spool.created, clock.waiting], [false, 0]);
});

test("who leaves while a server is looked for asks it nothing", async () => {
  const looked = Promise.withResolvers<void>();
  const { clock, requests, run, leave } = bench(
    () => taken(),
    undefined,
    looked.promise,
  );
  await passes(clock, 0);

  leave.abort();
  looked.resolve();

  assert.equal(await run, "left");
  assert.deepEqual([requests, clock.waiting], [[], 0]);
});

test("SpoolDelivery waits as long as a server that is busy says, whatever there is to tell", async () => {
  const { clock, spool, delivery, requests, leave, run } = bench(({ path }) =>
    path === EVENTS ? Response.json({}, { status: 429, headers: { "Retry-After": "7" } }) : taken()
  );
  spool.append("log", '"a"');
  await passes(clock, 0);

  for (let n = 0; n < 100; n++) {
    spool.append("log", JSON.stringify("x".repeat(1024)));
    delivery.nudge();
    await passes(clock, 100);
  }
  leave.abort();
  await run;

  assert.deepEqual(requests.map(({ path, atMs }) => [path, atMs]), [
    ["/v1/sync/job", 0],
    [EVENTS, 0],
    [EVENTS, 7_000],
  ]);
});

test("SpoolDelivery of a job with a short lease is heard three times in it", async () => {
  const { clock, requests, leave, run } = bench(() => taken(), 3_000);
  await passes(clock, 3_000);
  leave.abort();
  await run;

  const signs = requests.filter(({ path }) => path === EVENTS);
  assert.deepEqual(signs.map(({ atMs }) => atMs), [0, 1_000, 2_000, 3_000]);
});

for (
  const [why, refuse] of [
    ["is full", () => Response.json({}, { status: 507, headers: { "Retry-After": "30" } })],
    ["is away", () => Promise.reject(new TypeError("nobody answers"))],
  ] as const
) {
  test(`SpoolDelivery of a short lease asks a server that ${why} three times in it`, async () => {
    const { clock, requests, leave, run } = bench(
      ({ path }) => path === EVENTS ? refuse() : taken(),
      6_000,
    );
    await passes(clock, 20_000);
    leave.abort();
    await run;

    const pauses = requests.slice(1).map(({ atMs }, index) => atMs - requests[index].atMs);
    assert.ok(pauses.length >= 10, `${pauses}`);
    assert.equal(Math.max(...pauses), 2_000);
  });
}

test("SpoolDelivery of a short lease asks a server that says nothing three times in it", async () => {
  const silent = (given?: AbortSignal | null) =>
    new Promise<Response>((_, reject) =>
      given?.addEventListener("abort", () => reject(given.reason), { once: true })
    );
  const { clock, requests, leave, run } = bench(
    ({ path }, given) => path === EVENTS ? silent(given) : taken(),
    18_000,
  );
  await passes(clock, 18_000);
  leave.abort();
  await run;

  assert.equal(requests.filter(({ path }) => path === EVENTS).length, 3);
});

test("SpoolDelivery of the usual lease asks three times in it, however long it is told to wait", async () => {
  const { clock, requests, leave, run } = bench(({ path }) =>
    path === EVENTS
      ? new Response("", { status: 503, headers: { "Retry-After": "86400" } })
      : taken()
  );
  await passes(clock, 0);
  for (let minutes = 0; minutes < 15; minutes += 5) {
    clock.advance(5 * 60_000);
    await passes(clock, 0);
  }
  leave.abort();
  await run;

  const asked = requests.filter(({ path }) => path === EVENTS).map(({ atMs }) => atMs / 60_000);
  assert.deepEqual(asked, [0, 5, 10, 15]);
});

test("SpoolDelivery whose name another has taken ends as refused, at once", async () => {
  const { clock, spool, requests, faults, run } = bench(({ path }) =>
    path === EVENTS ? problem(409, "producer-fenced") : taken()
  );
  for (const text of ["one", "two"]) spool.append("log", `"${text}"`);
  await passes(clock, 0);

  assert.equal(await run, "refused");
  assert.deepEqual([requests.length, faults.length], [2, 1]);
});

test("SpoolDelivery whose end is refused is over", async () => {
  const { clock, spool, faults, run } = bench(({ body }) =>
    body?.includes(END) ? problem(400, "invalid-request") : taken()
  );
  spool.append("end", END);
  await passes(clock, 0);

  assert.equal(await run, "refused");
  assert.equal(faults.length, 1);
});
