import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { bench, FAILED } from "../../support/delivery_bench.ts";
import { jobOf, targetsOf, turns } from "../../support/notify_bench.ts";
import { serverLog } from "../../support/server_log.ts";

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
