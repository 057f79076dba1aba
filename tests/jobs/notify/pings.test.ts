import assert from "node:assert/strict";
import { test } from "node:test";
import { bench, FAILED } from "../../support/delivery_bench.ts";
import { begun, jobOf, notifyBench, turns } from "../../support/notify_bench.ts";
import { receiver } from "../../support/receiver.ts";
import { serverLog } from "../../support/server_log.ts";

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
