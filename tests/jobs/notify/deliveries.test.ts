import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { attempt } from "../../../src/jobs/notify/attempt.ts";
import { NEXT_SQL } from "../../../src/jobs/notify/delivery_order.ts";
import {
  AGE_MAX_MS,
  DeliveryStore,
  DONE_MAX,
  WAITING_MAX,
} from "../../../src/jobs/notify/delivery_store.ts";
import { Lane } from "../../../src/jobs/notify/lane.ts";
import type { Message, MessageKind } from "../../../src/jobs/notify/message.ts";
import { DamagedJobError } from "../../../src/log/log_errors.ts";
import { loggerOf } from "../../../src/logger.ts";
import { newJobId, type TenantId } from "../../../src/sync/ids.ts";
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
import type { Cleanup } from "../../support/program.ts";
import { receiver } from "../../support/receiver.ts";
import { serverLog } from "../../support/server_log.ts";
import { tempDirectory } from "../../support/temp.ts";
import { until } from "../../support/until.ts";

const FAILED = { status: "failed", error: { code: "lost", message: "gone" } } as const;
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/** A receiver that answers with these statuses, then with 200, and one target. */
async function bench(t: Cleanup, statuses: readonly number[] = [], form: object = {}) {
  const to = await receiver(t);
  const left = [...statuses];
  to.answer = (_, response) => {
    response.statusCode = left.shift() ?? 200;
    response.end();
  };
  const targets = [{
    name: "ops",
    type: "webhook",
    secret: SECRET,
    url: `${to.url}/hook`,
    ...form,
  }];
  return { to, targets, ...notifyBench(t, targets) };
}

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

test("a ping that healthchecks.io answers with 200 and ignores is not delivered", async (t) => {
  const log = await serverLog(t, "notify");
  const to = await receiver(t);
  const answers = ["OK (rate limited)", "OK", "OK (not found)"];
  to.answer = (_, response) => void response.end(answers.shift());
  const { clock, start } = notifyBench(t, [
    { name: "check", type: "healthchecks", url: `${to.url}/check`, on: ["failed"] },
  ]);
  const { run, tried, done, deliveries } = await start();

  await run(jobOf("docs"), FAILED);
  await tried(1);
  const ignored = deliveries();
  clock.advance(5_000);
  await done(1);
  await run(jobOf("docs"), FAILED);
  await done(2);

  assert.deepEqual(ignored, ["failed waiting HTTP 200: rate limited"]);
  assert.deepEqual(deliveries(), [
    "failed delivered HTTP 200",
    "failed refused HTTP 200: no such check",
  ]);
  assert.deepEqual(log.filter((text) => text.includes("given up")), []);
});

test("above its rate a check is pinged with the last that says how it stands, and what follows", async (t) => {
  const log = await serverLog(t, "notify");
  const to = await receiver(t);
  const answers = [503, 503, 200];
  to.answer = (_, response) => {
    response.statusCode = answers.shift() ?? 200;
    response.end(response.statusCode === 200 && to.taken.length === 3 ? "OK (rate-limited)" : "OK");
  };
  const { clock, start } = notifyBench(t, [
    { name: "check", type: "healthchecks", url: `${to.url}/check` },
  ]);
  const { log: jobs, run, tried, done, deliveries } = await start();
  await run(jobOf("docs"), FAILED);
  await tried(1);
  await run(jobOf("docs"), { status: "completed" });
  await begun(jobs, jobOf("docs"));
  await turns();
  clock.advance(5_000);
  await tried(2);

  clock.advance(10_000);
  await tried(3);
  clock.advance(20_000);
  await done(5);

  const paths = to.taken.map(({ path }) => path.replace(/\?.*/, ""));
  assert.deepEqual(paths, [
    "/check/start",
    "/check/start",
    "/check/start",
    "/check",
    "/check/start",
  ]);
  assert.deepEqual(deliveries(), [
    "started given_up a later ping says how the check stands",
    "failed given_up a later ping says how the check stands",
    "started given_up a later ping says how the check stands",
    "completed delivered HTTP 200",
    "started delivered HTTP 200",
  ]);
  assert.ok(
    log.includes("warning: check: 3 pings given up: a later one says how the check stands"),
  );
});

test("the words of a ping's answer mean nothing in another's", async (t) => {
  const { to, start } = await bench(t);
  to.answer = (_, response) => void response.end("OK (not found)");
  const { run, done, deliveries } = await start();

  await run(jobOf("docs"), FAILED);
  await done(1);

  assert.deepEqual(deliveries(), ["failed delivered HTTP 200"]);
});

test("a check is pinged in the order in which things happened, also after it was down", async (t) => {
  const to = await receiver(t);
  to.answer = (_, response) => {
    response.statusCode = to.taken.length === 1 ? 500 : 200;
    response.end();
  };
  const check = { name: "check", type: "healthchecks", url: `${to.url}/check` };
  const { clock, start } = notifyBench(t, [check]);
  const { run, tried, done } = await start();
  await run(jobOf("docs"), FAILED);
  await tried(1);
  await run(jobOf("docs"), { status: "completed" });
  await turns();

  clock.advance(5_000);
  await done(4);

  const paths = to.taken.map(({ path }) => path.replace(/\?.*/, ""));
  assert.deepEqual(paths, [
    "/check/start",
    "/check/start",
    "/check/fail",
    "/check/start",
    "/check",
  ]);
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

test("replace() takes other targets while it runs, also the first ones", async (t) => {
  const { to, targets, clock, start } = await bench(t);
  const { run, notifications, done, deliveries } = await start([]);
  await run(jobOf("before"), FAILED);
  await turns();
  clock.advance(1);

  await notifications.replace(targetsOf(targets));
  await run(jobOf("docs"), FAILED);
  await done(1);
  await notifications.replace(
    targetsOf([{ ...targets[0], name: "other", url: `${to.url}/other` }]),
  );
  await run(jobOf("docs"), FAILED);
  await done(2);

  assert.deepEqual(to.taken.map(({ path }) => path), ["/hook", "/other"]);
  assert.equal(deliveries().length, 2);
});

test("replace() leaves alone what is under way to a target that stays as it is", async (t) => {
  const { to, targets, start } = await bench(t);
  const answer = Promise.withResolvers<void>();
  to.answer = (_, response) => void answer.promise.then(() => response.end());
  const { run, notifications, done, deliveries } = await start();
  await run(jobOf("docs"), FAILED);
  await to.until(1);

  for (let times = 0; times < 3; times++) {
    await notifications.replace(
      targetsOf([...targets, { ...targets[0], name: "other", on: ["started"] }]),
    );
    await turns();
  }
  answer.resolve();
  await done(1);

  assert.equal(to.taken.length, 1);
  assert.deepEqual(deliveries(), ["failed delivered HTTP 200"]);
});

test("replace() lets a target rest that stays as it is, and asks at once what has changed", async (t) => {
  const { to, targets, clock, start } = await bench(t);
  to.answer = (_, response) => void response.writeHead(429, { "Retry-After": "300" }).end();
  const { run, tried, notifications, done } = await start();
  await run(jobOf("docs"), FAILED);
  await tried(1);

  await notifications.replace(targetsOf(targets));
  await run(jobOf("mail"), FAILED);
  clock.advance(299_999);
  await turns();
  const resting = to.taken.length;
  to.answer = (_, response) => void response.end();
  await notifications.replace(targetsOf([{ ...targets[0], url: `${to.url}/other` }]));
  await done(1);

  assert.equal(resting, 1);
  assert.deepEqual(to.taken.map(({ path }) => path), ["/hook", "/other"]);
});

test("replace() that the queue refuses changes nothing, and the next one takes", async (t) => {
  const { to, targets, path, start } = await bench(t);
  const { run, notifications, done } = await start();
  const other = targetsOf([{ ...targets[0], name: "other", url: `${to.url}/other` }]);
  const db = new DatabaseSync(path);
  db.exec(
    "CREATE TRIGGER refuse BEFORE INSERT ON targets BEGIN SELECT raise(ABORT, 'no room'); END",
  );

  await assert.rejects(notifications.replace(other), {
    message: "Cannot take other targets, so the present ones stay: no room",
  });
  await run(jobOf("docs"), FAILED);
  await done(1);
  db.exec("DROP TRIGGER refuse");
  db.close();
  await notifications.replace(other);
  await run(jobOf("mail"), FAILED);
  await done(2);

  assert.deepEqual(to.taken.map(({ path }) => path), ["/hook", "/other"]);
});

test("what waits for a target that is gone is given up, and said so", async (t) => {
  const log = await serverLog(t, "notify");
  const { targets, start } = await bench(t, [500]);
  const { run, tried, notifications, deliveries } = await start();
  await run(jobOf("docs"), FAILED);
  await tried(1);

  await notifications.replace([]);
  const none = deliveries();
  await notifications.replace(targetsOf([{ ...targets[0], name: "other" }]));

  assert.deepEqual(none, ["failed waiting HTTP 500"]);
  assert.deepEqual(deliveries(), ["failed given_up there is no such target any more"]);
  assert.deepEqual(log.filter((line) => line.startsWith("error")), [
    "error: 1 notification given up: there is no such target any more",
  ]);
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

test("nothing is left of a job that is removed, nor of one removed while nobody looked", async (t) => {
  const { memory, start, path, to } = await bench(t);
  to.answer = (_, response) => void response.writeHead(500).end();
  const first = await start();
  const canary = "canary-7f3e";
  const jobs = [];
  for (const name of ["docs", "mail"]) {
    jobs.push(await first.run(jobOf(name, { meta: { canary } }), FAILED));
  }
  await first.tried(1);
  await first.log.remove(jobs[0]);
  await turns();
  const one = first.deliveries().length;
  await first.stop();
  await memory.remove(jobs[1]);

  const second = await start();
  const none = second.deliveries();
  await second.stop();

  assert.deepEqual([one, none], [1, []]);
  assert.equal(readFileSync(path).includes(canary), false);
});

test("nothing is left of a job that is removed while there is no target", async (t) => {
  const { start, path, to } = await bench(t);
  to.answer = (_, response) => void response.writeHead(500).end();
  const first = await start();
  const canary = "canary-51c0";
  const job = await first.run(jobOf("docs", { meta: { canary } }), FAILED);
  await first.tried(1);
  await first.stop();

  const second = await start([]);
  await second.log.remove(job);
  await turns();
  const left = second.deliveries();
  await second.stop();

  assert.deepEqual(left, []);
  assert.equal(readFileSync(path).includes(canary), false);
});

test("without a target only jobs that have messages are looked at, and keep them while they are there", async (t) => {
  const { memory, start, clock, to } = await bench(t, [500], { on: ["stalled"] });
  const first = await start();
  const job = jobOf("docs");
  await begun(first.log, job);
  await turns();
  clock.advance(STALL_AFTER_MS);
  await first.tried(1);
  await first.stop();
  const looks: string[] = [];
  const get = memory.get.bind(memory);
  memory.get = (key) => (looks.push(key.id), get(key));

  const second = await start([]);
  await second.notifications.replace([]);
  await ended(second.log, job, { status: "completed" });
  await second.run(jobOf("mail"), FAILED);
  await turns();
  const kept = second.deliveries();
  const looked = [...looks];
  await second.stop();
  await second.log.remove(job);
  await turns();

  assert.deepEqual(kept, ["stalled waiting HTTP 500"]);
  const { id } = job;
  assert.deepEqual([looked, looks], [[id, id, id], looked]); // at both beginnings, and at its end
  assert.equal(to.taken.length, 1);
});

test("a job whose row is damaged keeps no server from starting, and its messages", async (t) => {
  const { memory, start, to } = await bench(t);
  const first = await start();
  await first.run(jobOf("docs"), FAILED);
  await first.done(1);
  await first.stop();
  const { get } = memory;
  t.after(() => memory.get = get);
  memory.get = (key) => Promise.reject(new DamagedJobError(key));

  const second = await start();
  const left = second.deliveries();
  await second.stop();

  assert.deepEqual([left, to.taken.length], [["failed delivered HTTP 200"], 1]);
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

test("a start forgets all jobs that were removed meanwhile, and empties the WAL once for them", async (t) => {
  const { memory, start } = await bench(t);
  const first = await start();
  const jobs = [];
  for (const name of ["docs", "mail", "users"]) jobs.push(await first.run(jobOf(name), FAILED));
  await first.done(3);
  await first.stop();
  for (const job of jobs) await memory.remove(job);
  const emptied: string[] = [];
  const { prepare } = DatabaseSync.prototype;
  t.after(() => void (DatabaseSync.prototype.prepare = prepare));
  DatabaseSync.prototype.prepare = function (text) {
    if (text.includes("wal_checkpoint")) emptied.push(text);
    return prepare.call(this, text);
  };

  const second = await start();
  const left = second.deliveries();
  await second.stop();

  assert.deepEqual([left, emptied.length], [[], 1]);
});

test("what a reader of the queue's file kept in its WAL is gone a minute after he is", async (t) => {
  const { start, path, to, clock } = await bench(t);
  to.answer = (_, response) => void response.writeHead(500).end();
  const { log, run, tried } = await start();
  const canary = "canary-7f3e";
  const job = await run(jobOf("docs", { meta: { canary } }), FAILED);
  await tried(1);
  const reader = new DatabaseSync(path);
  reader.exec("BEGIN");
  reader.prepare("SELECT * FROM deliveries").all();
  const holds = () => [path, `${path}-wal`].some((file) => readFileSync(file).includes(canary));

  await log.remove(job);
  await turns();
  clock.advance(60_000);
  const kept = holds();
  reader.close();
  clock.advance(60_000);
  await turns();

  assert.deepEqual([kept, holds(), clock.waiting], [true, false, 0]);
});

/** A store with targets of those names, and messages for them. */
function storeBench(t: Cleanup, names: readonly string[] = ["ops"]) {
  const { path, remove } = tempDirectory();
  const clock = new FakeClock();
  const file = `${path}/notify.db`;
  const store = new DeliveryStore(file, clock, "normal");
  t.after(() => {
    store.close();
    remove();
  });
  const targets = targetsOf(
    names.map((name) => ({ name, type: "slack", url: "http://127.0.0.1:1" })),
  );
  store.setTargets(targets);
  let told = 0;
  const tell = (kind: MessageKind, id = newJobId(), tenant = TENANT, sync?: string) => {
    const occasion = { kind, tenant, subject: id, occasion: told++ };
    const message: Message = {
      kind,
      atMs: clock.now(),
      tenant,
      sync: sync === undefined ? null : { id: sync, name: sync },
      job: { id },
      detail: "",
    };
    return { id, givenUp: store.add(occasion, message, targets) };
  };
  return { clock, store, add: () => tell("failed"), tell, path: file };
}

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

test("a queue that refuses a message takes the next one", (t) => {
  const { store, add, path } = storeBench(t);
  const other = new DatabaseSync(path);
  other.exec(
    "CREATE TRIGGER refuse BEFORE INSERT ON deliveries BEGIN SELECT raise(ABORT, 'no room'); END",
  );

  assert.throws(add, /no room/);
  other.exec("DROP TRIGGER refuse");
  other.close();
  add();

  assert.equal(store.list({ limit: 9 }).items.length, 1);
});

test("nothing is kept of a message that is done with, however that came", (t) => {
  const { store, add, tell, clock, path } = storeBench(t);
  for (const state of ["delivered", "refused"] as const) {
    add();
    store.done(store.next("ops")?.pk ?? 0, state, "HTTP");
  }
  add();
  clock.advance(AGE_MAX_MS + 1);
  store.expire();
  tell("recovered", newJobId(), TENANT, "docs");
  tell("failed", newJobId(), TENANT, "docs");
  store.done(5, "delivered", "HTTP");
  for (let count = 0; count <= WAITING_MAX; count++) add();
  store.overtake("ops");
  store.setTargets(targetsOf([{ name: "other", type: "slack", url: "http://127.0.0.1:1" }]));
  const db = new DatabaseSync(path);
  const states = db.prepare(
    "SELECT state, result, message, count(*) AS count FROM deliveries GROUP BY 1, 2, 3 ORDER BY min(pk)",
  ).all().map(({ state, result, message, count }) => [state, result, message, count]);
  db.close();

  assert.deepEqual(states, [
    ["delivered", "HTTP", "", 2],
    ["refused", "HTTP", "", 1],
    ["given_up", "it waited for too long", "", 1],
    ["given_up", "it is no longer so", "", 1],
    ["given_up", "too many were waiting", "", 1],
    ["given_up", "a later ping says how the check stands", "", WAITING_MAX - 1],
    ["given_up", "there is no such target any more", "", 1],
  ]);
});

test("next() looks at the messages of a message's job, not at all that wait for the target", (t) => {
  const { path } = storeBench(t);
  const db = new DatabaseSync(path);

  const plan = db.prepare(`EXPLAIN QUERY PLAN ${NEXT_SQL}`).all("ops", 0);
  db.close();

  assert.deepEqual(plan.map(({ detail }) => detail).filter((text) => /before/.test(String(text))), [
    "SEARCH before USING INDEX deliveries_of_job (tenant=? AND job=? AND pk<?)",
  ]);
});

test("what waits for one target holds nothing up for another, also of the same job", (t) => {
  const { store, tell } = storeBench(t, ["ops", "down"]);
  const { id } = tell("started");
  store.done(store.next("ops")?.pk ?? 0, "delivered", "HTTP 200");
  tell("failed", id);

  assert.deepEqual([store.next("ops")?.kind, store.next("down")?.kind], ["failed", "started"]);
});

test("what is due goes before what is not, however often it was tried", (t) => {
  const { clock, store, add } = storeBench(t);
  const [often, once] = [add(), add()];
  const pks = store.list({ limit: 2 }).items.map(({ job }) => job);
  assert.deepEqual(pks, [once.id, often.id]);
  for (let tries = 1; tries <= 3; tries++) store.tried(1, "HTTP 500", clock.now());
  store.tried(2, "HTTP 500", clock.now() + 1);

  const first = store.next("ops")?.job;
  clock.advance(1);

  assert.deepEqual([first, store.next("ops")?.job], [often.id, once.id]);
});

for (const alarm of ["failed", "stalled", "overdue"] as const) {
  test(`a recovery waits for what was ${alarm} of its sync before, of its tenant and target alone`, (t) => {
    const { clock, store, tell } = storeBench(t, ["ops", "well"]);
    const other = "other" as TenantId;
    const waits = (pk: number) => store.tried(pk, "HTTP 500", clock.now() + 60_000);
    const first = () => store.next("ops")?.pk;
    tell(alarm, newJobId(), TENANT, "docs"); // 1, and 2 for the other target
    store.done(2, "delivered", "HTTP 200");
    waits(1);

    tell("recovered", newJobId(), TENANT, "docs"); // 3 and 4
    const held = [first(), store.next("well")?.pk];
    tell("recovered", newJobId(), other, "docs"); // 5 and 6
    const ofOther = first();
    waits(5);
    tell("recovered", newJobId(), TENANT, "mail"); // 7 and 8
    const ofMail = first();
    waits(7);
    tell("completed", newJobId(), TENANT, "docs"); // 9 and 10
    const completed = first();
    waits(9);
    tell(alarm, newJobId(), TENANT, "mail"); // 11 and 12
    store.tried(7, "HTTP 500", clock.now());

    assert.deepEqual(held, [1, 4]);
    assert.deepEqual([ofOther, ofMail, completed], [5, 7, 9]);
    assert.equal(first(), 11, "the untried one goes first");
    waits(11);
    assert.equal(first(), 7, "a later alarm holds no recovery up");
  });

  test(`a recovery waits for what was ${alarm} before it, whatever else waits`, (t) => {
    const { clock, store, tell } = storeBench(t, ["ops", "down"]);
    const waits = (pk: number) => store.tried(pk, "HTTP 500", clock.now() + 60_000);
    const first = () => store.next("ops")?.pk;
    tell(alarm, newJobId(), "other" as TenantId, "docs"); // 1, and 2 for the other target
    waits(1);
    tell(alarm, newJobId(), TENANT, "docs"); // 3 and 4
    waits(3);
    const { id } = tell("recovered", newJobId(), TENANT, "docs"); // 5 and 6
    const held = [first()];

    tell("completed", id, TENANT, "docs"); // 7 and 8
    held.push(first());
    tell(alarm, newJobId(), TENANT, "docs"); // 9 and 10
    waits(9);
    held.push(first());
    tell(alarm, id, TENANT, "docs"); // 11 and 12
    const ofItsJob = first();
    store.done(11, "refused", "HTTP 400");
    held.push(first());

    assert.deepEqual(held, [1, 1, 1, 1]);
    assert.equal(ofItsJob, 5, "what is told of a job's failure waits for no recovery");
  });

  test(`a recovery that waits is void once what was ${alarm} of its sync after it is told`, (t) => {
    const { store, tell } = storeBench(t, ["ops", "down"]);
    const other = "other" as TenantId;
    const state = (pk: number) => store.list({ limit: 99 }).items.at(-pk)?.state;
    const told = ["recovered", "recovered", "completed", "recovered", "recovered"] as const;
    const [done] = told.map((kind, n) =>
      tell(kind, newJobId(), n === 3 ? other : TENANT, n === 4 ? "mail" : "docs")
    ); // 1 to 10
    store.done(1, "delivered", "HTTP 200");
    tell(alarm, newJobId(), TENANT, "docs"); // 11 and 12
    tell("recovered", newJobId(), TENANT, "docs"); // 13 and 14

    store.done(11, "refused", "HTTP 400");
    const refused = state(3);
    tell("completed", done.id, TENANT, "docs"); // 15 and 16
    store.done(15, "delivered", "HTTP 200");
    const completed = state(3);
    tell(alarm, newJobId(), TENANT, "docs"); // 17 and 18
    store.done(17, "delivered", "HTTP 200");

    const states = Array.from({ length: 18 }, (_, n) => state(n + 1));
    assert.deepEqual([refused, completed], ["waiting", "waiting"]);
    assert.deepEqual(states.flatMap((one, n) => one === "given_up" ? n + 1 : []), [3, 13]);
    assert.equal(states[0], "delivered");
  });
}

test("overtake() gives up what waits before the last ping that decides, for that target alone", (t) => {
  const { store, tell } = storeBench(t, ["check", "other"]);
  const deciding = ["completed", "warning", "failed", "stalled", "overdue"] as const;
  tell("started"); // 1 and 2
  store.done(1, "delivered", "HTTP 200");
  const counts = deciding.map((kind) => {
    tell(kind);
    return store.overtake("check");
  });
  tell("started");
  tell("recovered");
  counts.push(store.overtake("check"));
  store.done(store.next("check", true)?.pk ?? 0, "delivered", "HTTP 200");
  counts.push(store.overtake("check"));
  tell("failed");
  store.done(17, "refused", "HTTP 400");
  counts.push(store.overtake("check"));

  const left = store.list({ limit: 99 }).items.filter(({ state }) => state === "waiting");
  assert.deepEqual(counts, [0, 1, 1, 1, 1, 0, 0, 0]);
  assert.equal(store.list({ limit: 99 }).items.at(-1)?.state, "delivered");
  assert.deepEqual(
    left.filter(({ target }) => target === "check").map(({ kind }) => kind),
    ["recovered", "started"],
  );
  assert.equal(left.filter(({ target }) => target === "other").length, 9);
});

test("a job is silent as far as what was told of it last", (t) => {
  const { store, tell } = storeBench(t);
  const { id } = tell("started");
  const silent: unknown[] = [store.silenceOf({ tenant: TENANT, id })];

  for (const kind of ["stalled", "recovered", "stalled", "failed"] as const) {
    tell(kind, id);
    silent.push(store.silenceOf({ tenant: TENANT, id }));
  }

  assert.deepEqual(silent, [undefined, 1, undefined, 3, 3]);
});

test("wipe() leaves nothing of a job, though another was forgotten of which nothing was known", (t) => {
  const { store, add, path } = storeBench(t);
  const { id } = add();
  const holds = () => [path, `${path}-wal`].some((file) => readFileSync(file).includes(id));
  const before = holds();

  store.forget({ tenant: TENANT, id });
  store.forget({ tenant: TENANT, id: newJobId() });
  const wiped = store.wipe();

  assert.deepEqual([before, wiped, holds()], [true, true, false]);
});

test("no more than a thousand wait for a target: the oldest are given up", (t) => {
  const { store, add } = storeBench(t);
  const added = Array.from({ length: WAITING_MAX + 2 }, add);

  const { items } = store.list({ limit: 2_000 });

  const givenUp = items.filter(({ state }) => state === "given_up").reverse();
  assert.deepEqual(givenUp.map(({ job, result }) => `${job} ${result}`), [
    `${added[0].id} too many were waiting`,
    `${added[1].id} too many were waiting`,
  ]);
  assert.equal(items.filter(({ state }) => state === "waiting").length, WAITING_MAX);
  assert.equal(added.reduce((sum, { givenUp }) => sum + givenUp, 0), 2);
});

test("what one tenant has too many of pushes out nothing of another's", (t) => {
  const { store, add, tell } = storeBench(t);
  const other = tell("failed", newJobId(), "other" as TenantId);
  const added = Array.from({ length: WAITING_MAX + 2 }, () => add());

  const { items } = store.list({ limit: 2_000 });

  const first = items.slice(-5).reverse().map(({ job, state }) => [job, state]);
  assert.deepEqual(first, [
    [other.id, "waiting"],
    ...added.slice(0, 3).map(({ id }) => [id, "given_up"]),
    [added[3].id, "waiting"],
  ]);
});

test("what waits for one target pushes out nothing that waits for another", (t) => {
  const { store, tell, path } = storeBench(t, ["ops", "down"]);
  const other = "other" as TenantId;
  tell("failed"); // 1, and 2 for the other target
  store.done(1, "delivered", "HTTP 200");
  const counts = Array.from({ length: WAITING_MAX }, (_, n) => {
    const { givenUp } = tell("failed");
    store.done(4 + 2 * n, "delivered", "HTTP 200");
    return givenUp;
  });
  tell("failed", newJobId(), other);
  const db = new DatabaseSync(path, { readOnly: true });
  const rows = db.prepare("SELECT pk FROM deliveries WHERE state = 'given_up'").all();
  db.close();

  assert.ok(counts.every((count) => count === 0));
  assert.deepEqual(rows.map(({ pk }) => pk), [3]);
});

test("what waited for a day is given up, and said so", (t) => {
  const { store, clock, add } = storeBench(t);
  add();
  const row = store.next("ops");
  assert.ok(row);
  store.tried(row.pk, "HTTP 500", clock.now());
  clock.advance(AGE_MAX_MS);
  add();
  const early = store.expire();
  clock.advance(1);

  const late = store.expire();

  assert.deepEqual([early, late], [0, 1]);
  assert.equal(
    store.list({ limit: 2 }).items[1].result,
    "it waited for too long; at last: HTTP 500",
  );
});

test("what is done with stays listed, a thousand of them and all since the position", (t) => {
  const { store, clock, add } = storeBench(t);
  const finish = (count: number) => {
    for (let left = count; left > 0; left--) {
      add();
      store.done(store.next("ops")?.pk ?? 0, "delivered", "HTTP 200");
    }
  };
  finish(DONE_MAX + 5);
  clock.advance(1);
  store.moveOn(clock.now() - 1);
  const before = store.list({ limit: 5_000 }).items.length;
  store.moveOn(clock.now());
  const after = store.list({ limit: 5_000 }).items.length;

  assert.deepEqual([before, after, store.position], [DONE_MAX + 5, DONE_MAX, 1_000_001]);
});

test("a silence that goes on is known, however much was told since", (t) => {
  const { store, clock, tell, add } = storeBench(t);
  const finish = () => store.done(store.next("ops")?.pk ?? 0, "delivered", "HTTP 200");
  const [silent, over] = [tell("stalled"), tell("stalled")];
  tell("recovered", over.id);
  tell("failed", silent.id, "other" as TenantId);
  for (let count = 0; count < DONE_MAX + 4; count++) {
    if (count >= 4) add();
    finish();
  }
  clock.advance(1);

  store.moveOn(clock.now());

  const { items } = store.list({ limit: 5_000 });
  assert.equal(items.length, DONE_MAX + 1);
  assert.deepEqual([items.at(-1)?.job, items.at(-1)?.kind], [silent.id, "stalled"]);
  assert.equal(store.silenceOf({ tenant: TENANT, id: silent.id }), 0);
});

test("list() goes on where a page ended, and shows a tenant its own alone", (t) => {
  const { store, add } = storeBench(t);
  const ids = Array.from({ length: 3 }, add).map(({ id }) => id);

  const first = store.list({ tenant: TENANT, limit: 2 });
  const second = store.list({ tenant: TENANT, limit: 2, cursor: first.nextCursor ?? 0 });
  const other = store.list({ tenant: "acme" as typeof TENANT, limit: 2 });

  assert.deepEqual(first.items.map(({ job }) => job), [ids[2], ids[1]]);
  assert.deepEqual(second.items.map(({ job }) => job), [ids[0]]);
  assert.deepEqual([second.nextCursor, other.items], [null, []]);
});

const DAY_MS = 24 * 3_600_000;

test("a clock that is put back keeps no target waiting for the day that it was ahead", async (t) => {
  const { to, clock, start } = await bench(t, [500]);
  const { run, tried, done } = await start();
  await run(jobOf("docs"), FAILED);
  await tried(1);

  clock.set(clock.now() - DAY_MS);
  clock.advance(5_000);
  await done(1);
  await run(jobOf("mail"), FAILED);
  await done(2);

  assert.equal(to.taken.length, 3);
});

test("a clock that is put back keeps no message waiting for longer than it was to wait", async (t) => {
  const { clock, start } = await bench(t, [500]);
  const { run, tried, done, deliveries } = await start();
  await run(jobOf("docs"), FAILED);
  await tried(1);

  clock.set(clock.now() - 50 * 60_000);
  clock.advance(4_999);
  await turns();
  const early = deliveries();
  clock.advance(1);
  await done(1);

  assert.deepEqual([early, deliveries()], [
    ["failed waiting HTTP 500"],
    ["failed delivered HTTP 200"],
  ]);
});

test("a try that fails by a clock that was set meanwhile is followed by the next in its time", async (t) => {
  const { to, clock, start } = await bench(t);
  to.answer = (_, response) => {
    if (to.taken.length === 1) clock.set(clock.now() + 30 * 60_000);
    response.statusCode = to.taken.length === 1 ? 500 : 200;
    response.end();
  };
  const { run, tried, done, deliveries } = await start();
  await run(jobOf("docs"), FAILED);
  await tried(1);

  clock.advance(5_000);
  await done(1);

  assert.deepEqual(deliveries(), ["failed delivered HTTP 200"]);
});

test("a target that came by a clock that was ahead is told as soon as that is put back", async (t) => {
  const { clock, start } = await bench(t);
  clock.set(clock.now() + DAY_MS);
  const { run, done, deliveries } = await start();

  clock.set(clock.now() - DAY_MS);
  await run(jobOf("docs"), FAILED);
  await done(1);

  assert.deepEqual(deliveries(), ["failed delivered HTTP 200"]);
});

test("a clock that is set ahead makes nothing that waits too old to be sent", async (t) => {
  const { clock, start } = await bench(t, [503]);
  const { run, tried, done, deliveries } = await start();
  await run(jobOf("docs"), FAILED);
  await tried(1);

  clock.set(clock.now() + 3 * DAY_MS);
  await run(jobOf("mail"), FAILED);
  clock.advance(5_000);
  await done(2);

  assert.deepEqual(deliveries(), ["failed delivered HTTP 200", "failed delivered HTTP 200"]);
});

for (const setMs of [3 * DAY_MS, -DAY_MS]) {
  test(`what waits is a day old after a day, also where the clock was set by ${setMs} ms`, (t) => {
    const { clock, store, add } = storeBench(t);
    add();
    clock.set(clock.now() + setMs);
    add();
    store.expire();

    clock.advance(AGE_MAX_MS);
    const early = store.expire();
    clock.advance(1);

    assert.deepEqual([early, store.expire()], [0, 2]);
  });
}

test("a clock that is set leaves alone when something was queued that is done with", (t) => {
  const { clock, store, add } = storeBench(t);
  const queuedAtMs = clock.now();
  add();
  store.done(store.next("ops")?.pk ?? 0, "delivered", "HTTP 200");

  clock.set(clock.now() + DAY_MS);
  store.expire();

  assert.equal(store.list({ limit: 1 }).items[0].createdAtMs, queuedAtMs);
});

test("what an earlier process has queued is as old as the clock says", (t) => {
  const { clock, store, add, path } = storeBench(t);
  add();
  add();
  const next = new DeliveryStore(path, clock, "normal");
  t.after(() => next.close());
  add();

  clock.set(clock.now() + AGE_MAX_MS + 1);

  assert.deepEqual([next.expire(), store.list({ limit: 9 }).items.map(({ state }) => state)], [
    2,
    ["waiting", "given_up", "given_up"],
  ]);
});

test("what ended while no server ran is told, also where the clock was put back meanwhile", async (t) => {
  const { clock, memory, start } = await bench(t);
  clock.set(clock.now() + DAY_MS);
  const before = await start();
  const job = jobOf("docs");
  await begun(before.log, job);
  await before.stop();

  clock.set(clock.now() - DAY_MS);
  await ended(memory, job, FAILED);
  const { done, deliveries } = await start();
  await done(1);

  assert.deepEqual(deliveries(), ["failed delivered HTTP 200"]);
});

test("what ended after a kill is told, also where the clock was put back before it", async (t) => {
  const { clock, memory, start } = await bench(t);
  clock.set(clock.now() + DAY_MS);
  const before = await start();
  clock.set(clock.now() - DAY_MS);
  const job = jobOf("docs");
  await begun(before.log, job);
  await turns();
  await before.stop();

  await ended(memory, job, FAILED);
  clock.advance(5_000);
  const { done, deliveries } = await start();
  await done(1);

  assert.deepEqual(deliveries(), ["failed delivered HTTP 200"]);
});
