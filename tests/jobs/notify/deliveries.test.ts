import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { attempt } from "../../../src/jobs/notify/attempt.ts";
import { AGE_MAX_MS, DeliveryStore, WAITING_MAX } from "../../../src/jobs/notify/delivery_store.ts";
import { Lane } from "../../../src/jobs/notify/lane.ts";
import { loggerOf } from "../../../src/logger.ts";
import { newJobId } from "../../../src/sync/ids.ts";
import { bench, FAILED, SECRET } from "../../support/delivery_bench.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { freePort } from "../../support/free_port.ts";
import { TENANT } from "../../support/log_contract.ts";
import {
  begun,
  ended,
  jobOf,
  notifyBench,
  STALL_AFTER_MS,
  targetsOf,
  turns,
} from "../../support/notify_bench.ts";
import { receiver } from "../../support/receiver.ts";
import { serverLog } from "../../support/server_log.ts";
import { until } from "../../support/until.ts";

test("a delivery that fails is tried again after a growing wait, under the same id", async (t) => {
  const { to, clock, start } = await bench(t, [500, 503, 429]);
  const { run, tried, done, deliveries, notifications } = await start();

  await run(jobOf("docs"), FAILED);
  await tried(1);
  clock.advance(4_999);
  await turns();
  const early = to.taken.length;
  clock.advance(1);
  await tried(2);
  clock.advance(10_000);
  await tried(3);
  const waiting = deliveries();
  clock.advance(20_000);
  await done(1);

  assert.equal(early, 1);
  assert.deepEqual(waiting, ["failed waiting HTTP 429"]);
  assert.deepEqual(deliveries(), ["failed delivered HTTP 200"]);
  assert.deepEqual(new Set(to.taken.map(({ headers }) => headers["webhook-id"])).size, 1);
  assert.deepEqual(new Set(to.taken.map(({ body }) => body)).size, 1);
  assert.deepEqual(to.taken.map(({ headers }) => headers["webhook-timestamp"]), [
    "1000",
    "1005",
    "1015",
    "1035",
  ]);
  assert.equal(notifications.list({ limit: 1 }).items[0].tries, 4);
});

for (const [how, status] of [["taken", 200], ["refused", 400]] as const) {
  test(`a target that has ${how} something is asked again as soon as at first`, async (t) => {
    const { to, clock, start } = await bench(t, [500, 500, status, 500]);
    const { run, tried, done } = await start();
    await run(jobOf("docs"), FAILED);
    await tried(1);
    clock.advance(5_000);
    await tried(2);
    clock.advance(10_000);
    await done(1);
    await run(jobOf("mail"), FAILED);
    await tried(4);

    clock.advance(5_000);
    await to.until(5);
    await done(2);

    assert.equal(to.taken.length, 5);
  });
}

test("Retry-After is waited for, in seconds and as a date, by all that goes to that target", async (t) => {
  const { to, clock, start } = await bench(t);
  const asked = ["120", new Date(clock.now() + 120_000 + 300_000).toUTCString()];
  to.answer = (_, response) => {
    const after = asked.shift();
    if (after !== undefined) response.setHeader("Retry-After", after);
    response.statusCode = after === undefined ? 200 : 429;
    response.end();
  };
  const { run, tried, done } = await start();

  await run(jobOf("docs"), FAILED);
  await tried(1);
  await run(jobOf("mail"), FAILED);
  await turns();
  clock.advance(119_999);
  await turns();
  const first = to.taken.length;
  clock.advance(1);
  await tried(2);
  clock.advance(299_999);
  await turns();
  const second = to.taken.length;
  clock.advance(1);
  await done(2);

  assert.deepEqual([first, second, to.taken.length], [1, 2, 4]);
});

test("a queue that cannot be read is told of, and looked at again after ten minutes", async (t) => {
  const clock = new FakeClock();
  const faults: unknown[] = [];
  let looks = 0;
  const next = () => {
    if (looks++ === 0) throw new Error("disk I/O error");
  };
  const [target] = targetsOf([{ name: "ops", type: "slack", url: "http://127.0.0.1:9/hook" }]);
  const lane = new Lane({
    target,
    store: { expire: () => 0, next } as unknown as DeliveryStore, // all that an empty one is asked
    clock,
    linkOf: () => undefined,
    random: () => 0,
    logger: loggerOf("notify"),
    onFault: (cause) => faults.push(cause),
    onUntold: () => {},
  });
  t.after(() => lane.stop());

  lane.wake();
  await turns();
  clock.advance(599_999);
  await turns();
  const before = looks;
  clock.advance(1);
  await turns();

  assert.deepEqual([before, looks, faults.length, clock.waiting], [1, 2, 1, 0]);
});

test("while a target rests the queue is not asked, whatever happens meanwhile", async (t) => {
  const { to, clock, start } = await bench(t, [500]);
  const { run, tried, done, notifications } = await start();
  await run(jobOf("docs"), FAILED);
  await tried(1);
  await turns();
  const { next } = DeliveryStore.prototype;
  t.after(() => void (DeliveryStore.prototype.next = next));
  let asked = 0;
  DeliveryStore.prototype.next = function (target) {
    asked++;
    return next.call(this, target);
  };

  await run(jobOf("mail"), FAILED);
  await run(jobOf("photos"), FAILED);
  await turns();
  const resting = [asked, notifications.list({ limit: 9 }).items.length, clock.waiting];
  clock.advance(5_000);
  await done(3);

  assert.deepEqual([resting, to.taken.length], [[0, 3, 1], 4]);
});

for (const status of [407, 408]) {
  test(`HTTP ${status} comes of the way to the target or of its load, and is tried again`, async (t) => {
    const { clock, start } = await bench(t, [status]);
    const { run, tried, done, deliveries } = await start();

    await run(jobOf("docs"), FAILED);
    await tried(1);
    clock.advance(5_000);
    await done(1);

    assert.deepEqual(deliveries(), ["failed delivered HTTP 200"]);
  });
}

for (const status of [400, 401, 404, 410]) {
  test(`HTTP ${status} is final, and others are sent`, async (t) => {
    const { start, untold } = await bench(t, [status]);
    const { run, done, deliveries } = await start();

    await run(jobOf("docs"), FAILED);
    await run(jobOf("mail"), FAILED);
    await done(2);

    assert.equal(untold.count, 1);

    assert.deepEqual(deliveries(), [
      `failed refused HTTP ${status}`,
      "failed delivered HTTP 200",
    ]);
  });
}

test("redirects are not followed, and told as a failure", async (t) => {
  const elsewhere = await receiver(t);
  const { to, start } = await bench(t);
  to.answer = (_, response) => void response.writeHead(307, { Location: elsewhere.url }).end();
  const { run, done, deliveries } = await start();

  await run(jobOf("docs"), FAILED);
  await done(1);

  assert.deepEqual(deliveries(), ["failed refused HTTP 307: redirects are not followed"]);
  assert.deepEqual([to.taken.length, elsewhere.taken.length], [1, 0]);
});

test("a receiver that does not answer is cut off after 10 s and asked again", async (t) => {
  const { to, clock, start } = await bench(t);
  to.answer = () => {};
  const { run, tried, done, deliveries } = await start();

  await run(jobOf("docs"), FAILED);
  await to.until(1);
  clock.advance(10_000);
  await tried(1);
  const waiting = deliveries();
  to.answer = (_, response) => void response.end();
  clock.advance(5_000);
  await done(1);

  assert.deepEqual(waiting, ["failed waiting no answer in 10 s"]);
  assert.deepEqual(deliveries(), ["failed delivered HTTP 200"]);
});

test("of an answer without end the beginning is read, and the connection is closed", async (t) => {
  const { to, start } = await bench(t);
  const closed = new Promise<void>((resolve) => {
    to.answer = (_, response) => {
      const more = () => {
        while (!response.destroyed && response.write("x".repeat(1024)));
      };
      response.on("drain", more).on("close", resolve);
      more();
    };
  });
  const { run, done, deliveries } = await start();

  await run(jobOf("docs"), FAILED);
  await done(1);
  await closed;

  assert.deepEqual(deliveries(), ["failed delivered HTTP 200"]);
});

test("a target that nobody answers for is told of in words, and asked less and less", async (t) => {
  const { clock, start } = await bench(t, [], { url: `http://127.0.0.1:${await freePort()}/` });
  const { run, tried, deliveries } = await start();

  await run(jobOf("docs"), FAILED);
  for (let tries = 1; tries <= 12; tries++) {
    await tried(tries);
    clock.advance(600_000);
  }

  assert.deepEqual(deliveries(), ["failed waiting connection refused"]);
});

test("nothing is sent for a signal that has fired before", async (t) => {
  const { to } = await bench(t);
  const request = { url: to.url, method: "POST", headers: {}, body: "" };

  const { kind } = await attempt(request, new FakeClock(), AbortSignal.abort());

  assert.equal(kind, "called-off");
});

test("a port that Deno does not ask is told of in words too", async () => {
  const request = { url: "http://127.0.0.1:1/s3cr3t", method: "POST", headers: {}, body: "" };

  const { kind, result } = await attempt(request, new FakeClock(), new AbortController().signal);

  const words = "Deno" in globalThis
    ? "Deno asks nothing of this port, as browsers do not"
    : "connection refused";
  assert.deepEqual([kind, result], ["failed", words]);
});

test("a message over which the target fails stands in no other's way, but for its own job's", async (t) => {
  const { to, clock, start } = await bench(t, [], { on: ["started", "failed"] });
  const poison = newJobId();
  to.answer = ({ body }, response) => {
    response.statusCode = body.includes(poison) ? 500 : 200;
    response.end();
  };
  const { run, tried, deliveries } = await start();

  await run(jobOf("docs", { id: poison }), FAILED);
  await tried(1);
  await run(jobOf("mail"), FAILED);
  await turns();
  clock.advance(5_000); // the target has rested: what was not tried yet goes first
  await tried(4);

  assert.deepEqual(deliveries(), [
    "started waiting HTTP 500",
    "failed waiting null",
    "started delivered HTTP 200",
    "failed delivered HTTP 200",
  ]);
});

test("a message over which the target fails is tried less and less, though others are taken", async (t) => {
  const { to, clock, start } = await bench(t);
  const poison = newJobId();
  to.answer = ({ body }, response) => {
    response.statusCode = body.includes(poison) ? 500 : 200;
    response.end();
  };
  const { run, tried, done } = await start();
  await run(jobOf("docs", { id: poison }), FAILED);
  await tried(1);
  clock.advance(5_000);
  await tried(2);
  await run(jobOf("mail"), FAILED);
  await turns(); // it is queued
  clock.advance(10_000);
  await done(1);
  await tried(4);

  clock.advance(19_999);
  await turns();
  const early = to.taken.length;
  clock.advance(1);
  await tried(5);

  assert.deepEqual([early, to.taken.length], [4, 5]);
});

test("a stop leaves no timer behind of a target that rests", async (t) => {
  const { clock, start } = await bench(t, [500]);
  const { run, tried, stop } = await start();
  await run(jobOf("docs"), FAILED);
  await tried(1);

  await stop();

  assert.equal(clock.waiting, 0);
});

/** The kinds in the order in which a webhook took them. */
function kindsOf(taken: readonly { readonly body: string }[]): string[] {
  return taken.map(({ body }) => String(JSON.parse(body).type).replace("sync.job.", ""));
}

test("a sync is not called well again before its failure is told", async (t) => {
  const { to, clock, start } = await bench(t, [500]);
  const { run, tried, done } = await start();
  await run(jobOf("docs"), FAILED);
  await tried(1);
  await run(jobOf("docs"), { status: "completed" });
  await turns(); // it is queued

  clock.advance(5_000);
  await done(2);

  assert.deepEqual(kindsOf(to.taken), ["failed", "failed", "recovered"]);
});

test("a sync whose overdue run has begun is not told as overdue after that, and its failure waits for neither", async (t) => {
  const { to, clock, start } = await bench(t, [500]);
  const { log, notifications, tried, done } = await start();
  const job = jobOf("docs");
  const { tenant, sync } = job;
  const atMs = clock.now();
  notifications.occurred({ kind: "overdue", tenant, sync, job: undefined, atMs });
  await tried(1);
  const running = await begun(log, job);
  notifications.occurred({ kind: "recovered", tenant, sync, job: running, atMs });

  clock.advance(5_000);
  await done(2);

  assert.deepEqual(kindsOf(to.taken), ["sync.overdue", "sync.overdue", "recovered"]);

  to.answer = ({ body }, response) => {
    response.statusCode = body.includes("sync.overdue") ? 500 : 200;
    response.end();
  };
  const next = jobOf("docs");
  notifications.occurred({ kind: "overdue", tenant, sync, job: undefined, atMs, occasion: 2 });
  await tried(4);
  const again = await begun(log, next);
  notifications.occurred({ kind: "recovered", tenant, sync, job: again, atMs });
  await ended(log, next, FAILED);
  await turns(); // it is queued

  clock.advance(5_000);
  await done(4);

  assert.deepEqual(kindsOf(to.taken).slice(3), ["sync.overdue", "recovered", "failed"]);
});

test("a sync whose next failure was told first is not called well again after that", async (t) => {
  const { to, clock, start } = await bench(t, [200, 500]);
  const { run, tried, done, deliveries } = await start();
  await run(jobOf("docs"), FAILED);
  await done(1);
  clock.advance(1);
  await run(jobOf("docs"), { status: "completed" });
  await tried(2);
  clock.advance(1);
  await run(jobOf("docs"), FAILED);
  await turns(); // it is queued

  clock.advance(5_000);
  await done(3);

  assert.deepEqual(kindsOf(to.taken), ["failed", "recovered", "failed"]);
  assert.deepEqual(deliveries(), [
    "failed delivered HTTP 200",
    "recovered given_up it is no longer so",
    "failed delivered HTTP 200",
  ]);
});

test("another sync's failure, and another target's, holds no recovery up and ends none", async (t) => {
  const to = await receiver(t);
  to.answer = ({ path, body }, response) => {
    response.statusCode = path === "/other" || /"sync":"mail"/.test(body) ? 500 : 200;
    response.end();
  };
  const on = { type: "webhook", secret: SECRET };
  const { clock, start } = notifyBench(t, [
    { name: "ops", ...on, url: `${to.url}/ops` },
    { name: "other", ...on, url: `${to.url}/other` },
  ]);
  const { run, tried, done, deliveries } = await start();
  await run(jobOf("mail"), FAILED);
  await tried(2);
  await run(jobOf("docs"), FAILED);
  await turns();
  clock.advance(1);
  await run(jobOf("docs"), { status: "completed" });
  await turns();

  clock.advance(5_000);
  await done(2);

  assert.deepEqual(deliveries().filter((line) => /delivered/.test(line)), [
    "failed delivered HTTP 200",
    "recovered delivered HTTP 200",
  ]);
});

test("what was not sent is sent by the next process, under the id it had", async (t) => {
  const { to, clock, start } = await bench(t, [500]);
  const first = await start();
  await first.run(jobOf("docs"), FAILED);
  await first.tried(1);
  await first.stop();

  const second = await start();
  clock.advance(5_000);
  await second.done(1);

  assert.deepEqual(second.deliveries(), ["failed delivered HTTP 200"]);
  assert.deepEqual(new Set(to.taken.map(({ headers }) => headers["webhook-id"])).size, 1);
});

test("what grew too old while no server ran is given up at the start, and said so", async (t) => {
  const lines = await serverLog(t, "notify");
  const { clock, start, untold } = await bench(t, [500]);
  const first = await start();
  await first.run(jobOf("docs"), FAILED);
  await first.tried(1);
  await first.stop();
  assert.equal(untold.count, 0);
  clock.advance(AGE_MAX_MS + 1);

  const second = await start([]); // so that nothing else looks

  assert.deepEqual(second.deliveries(), [
    "failed given_up it waited for too long; at last: HTTP 500",
  ]);
  const given = lines.filter((text) => text.includes("given up"));
  assert.deepEqual(given, ["error: 1 notification waited for too long: given up"]);
  assert.equal(untold.count, 1);
});

test("what is too much for the queue, or too old for a target that is there, is nobody told", async (t) => {
  const lines = await serverLog(t, "notify");
  const { clock, start, untold } = await bench(t, [500, 500]);
  const { run, notifications, deliveries } = await start();
  const { sync } = jobOf("docs");
  const overdue = { kind: "overdue", tenant: TENANT, sync, job: undefined } as const;
  for (let atMs = 0; atMs <= WAITING_MAX; atMs++) {
    notifications.occurred({ ...overdue, atMs: clock.now(), occasion: atMs });
  }
  const tooMany = untold.count;
  await run(jobOf("mail"), FAILED);
  await until(() => untold.count === 2);

  clock.advance(AGE_MAX_MS + 1);
  await until(() => untold.count > 2);

  assert.equal(tooMany, 1);
  assert.ok(lines.includes("error: 1 notification given up: too many wait"));
  assert.equal(untold.count, 3, "the run that failed was one more, and all that waited");
  assert.ok(deliveries().every((line) => line.includes("given_up")));
});

test("a try that is under way at a stop is called off, and made by the next process", async (t) => {
  const { to, start } = await bench(t);
  to.answer = () => {};
  const first = await start();
  await first.run(jobOf("docs"), FAILED);
  await to.until(1);
  await first.stop();
  to.answer = (_, response) => void response.end();

  const second = await start();
  await second.done(1);

  assert.equal(to.taken.length, 2);
  assert.equal(to.taken[0].headers["webhook-id"], to.taken[1].headers["webhook-id"]);
});

test("a stop gives what is under way its time, and waits no longer than that takes", async (t) => {
  const { to, clock, start } = await bench(t);
  const answer = Promise.withResolvers<void>();
  to.answer = (_, response) => void answer.promise.then(() => response.end());
  const first = await start();
  await first.run(jobOf("docs"), FAILED);
  await to.until(1);

  const stopped = first.stop(2_000);
  await turns();
  answer.resolve();
  await stopped;
  const { waiting } = clock;
  to.answer = () => {};
  const second = await start();
  await second.run(jobOf("mail"), FAILED);
  await to.until(2);
  const late = second.stop(2_000);
  await turns();
  clock.advance(2_000);
  await late;

  assert.deepEqual((await start([])).deliveries(), [
    "failed delivered HTTP 200",
    "failed waiting null",
  ]);
  assert.deepEqual([waiting, clock.waiting], [0, 0]);
});

test("a stop gives also what it still finds to tell its time", async (t) => {
  const { memory, start } = await bench(t);
  const first = await start();
  const get = memory.get.bind(memory);
  const held = Promise.withResolvers<void>();
  let asked = false;
  memory.get = async (key) => {
    asked = true;
    await held.promise;
    return await get(key);
  };
  await first.run(jobOf("docs"), FAILED);
  while (!asked) await turns();

  const stopped = first.stop(2_000);
  await turns();
  held.resolve();
  await stopped;

  assert.deepEqual((await start([])).deliveries(), ["failed delivered HTTP 200"]);
});

test("an end that nobody queued before a crash is told after it, once", async (t) => {
  const { to, clock, memory, start } = await bench(t);
  const first = await start();
  await first.run(jobOf("docs"), FAILED);
  await first.done(1);
  clock.advance(200_000);
  await first.run(jobOf("mail"), FAILED);
  await first.done(2);
  // Committed, and the process died before it looked.
  const lost = await begun(memory, jobOf("lost"));
  await ended(memory, lost, FAILED);
  await first.stop();
  clock.advance(1_000);

  for (let starts = 0; starts < 3; starts++) {
    const next = await start();
    await next.done(3);
    await next.stop();
    clock.advance(1_000);
  }

  const syncs = to.taken.map(({ body }) => JSON.parse(body).data.sync);
  assert.deepEqual(syncs, ["docs", "mail", "lost"]);
});

test("a job that ended while it was no target's business is never told", async (t) => {
  const { to, clock, targets, memory, start } = await bench(t);
  await ended(memory, await begun(memory, jobOf("before")), FAILED);
  clock.advance(1);
  const first = await start();
  await first.stop();
  clock.advance(1);
  const without = await start([]);
  await without.run(jobOf("meanwhile"), FAILED);
  await turns();
  await without.stop();
  clock.advance(1);
  const second = await start();
  await turns();
  await second.run(jobOf("after"), FAILED);
  await second.done(1);
  // The same name asks for more: what it did not ask for before stays untold.
  await second.run(jobOf("completed"), { status: "completed" });
  await turns();
  await second.stop();
  clock.advance(1);
  const third = await start(targetsOf([{ ...targets[0], on: ["failed", "completed"] }]));

  assert.deepEqual(third.deliveries(), ["failed delivered HTTP 200"]);
  assert.deepEqual(to.taken.map(({ body }) => JSON.parse(body).data.sync), ["after"]);
});

test("a silence is told once, also over a restart, and its end", async (t) => {
  const { to, clock, start } = await bench(t, [], { on: ["stalled", "recovered"] });
  const first = await start();
  const job = await begun(first.log, jobOf("docs"));
  await turns();
  clock.advance(STALL_AFTER_MS);
  await to.until(1);
  await first.done(1);
  await first.stop();

  const second = await start();
  clock.advance(2 * STALL_AFTER_MS);
  await turns();
  const before = to.taken.length;
  await ended(second.log, job, { status: "completed" });
  await second.done(2);
  await to.until(2);

  assert.equal(before, 1);
  assert.deepEqual(to.taken.map(({ body }) => JSON.parse(body).type), [
    "sync.job.stalled",
    "sync.job.recovered",
  ]);
});

test("what is not the log's to tell is told too: a run that did not come", async (t) => {
  const { to, start, clock } = await bench(t);
  const { notifications, done } = await start();
  const { sync } = jobOf("nightly");
  const overdue = {
    kind: "overdue",
    tenant: TENANT,
    sync,
    job: undefined,
    atMs: clock.now(),
    occasion: 7_200_000,
    detail: "expected by 02:00",
  } as const;

  notifications.occurred(overdue);
  clock.advance(1);
  notifications.occurred({ ...overdue, atMs: clock.now() });
  await to.until(1);
  await done(1);

  assert.equal(to.taken.length, 1);
  assert.deepEqual(JSON.parse(to.taken[0].body), {
    type: "sync.overdue",
    timestamp: "1970-01-01T00:16:40.000Z",
    data: { sync_id: sync?.id, sync: "nightly" },
    tenant: "default",
    detail: "expected by 02:00",
    link: `http://sync.test/sync/${sync?.id}`,
  });
});

test("a queue of a newer version is refused as such", async (t) => {
  const { path, targets, start } = await bench(t);
  await (await start()).stop();
  const db = new DatabaseSync(path);
  db.exec("PRAGMA user_version = 99");
  db.close();

  await assert.rejects(start(targetsOf(targets)), { name: "StoreVersionError" });
});

test("a damaged queue is named", async (t) => {
  const { path, targets, start } = await bench(t, [500]);
  const first = await start();
  await first.run(jobOf("docs"), FAILED);
  await first.tried(1);
  await first.stop();
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.fill(0x55, 4_096)); // the first page says what the file is

  await assert.rejects(start(targetsOf(targets)), {
    message: `Cannot use the queue of notifications "${path}": database disk image is malformed`,
  });
});

test("occurred() throws what the queue says, so that it is told again", async (t) => {
  const { path, clock, start } = await bench(t);
  const { notifications } = await start();
  const { sync } = jobOf("nightly");
  const db = new DatabaseSync(path);
  db.exec(
    "CREATE TRIGGER refuse BEFORE INSERT ON deliveries BEGIN SELECT raise(ABORT, 'no room'); END",
  );
  db.close();

  assert.throws(
    () =>
      notifications.occurred({
        kind: "overdue",
        tenant: TENANT,
        sync,
        job: undefined,
        atMs: clock.now(),
      }),
    /no room/,
  );
});
