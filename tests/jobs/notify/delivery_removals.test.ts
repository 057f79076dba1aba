import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { DamagedJobError } from "../../../src/log/log_errors.ts";
import { bench, FAILED } from "../../support/delivery_bench.ts";
import { begun, ended, jobOf, STALL_AFTER_MS, turns } from "../../support/notify_bench.ts";

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

test("a queue whose WAL a reader keeps is tried again once a minute for all its removals, and no more once it is closed", async (t) => {
  const { start, path, clock } = await bench(t);
  const { log, run, done, stop } = await start();
  const jobs = [await run(jobOf("docs"), FAILED), await run(jobOf("mail"), FAILED)];
  await done(2);
  const before = clock.waiting;
  const reader = new DatabaseSync(path);
  t.after(() => reader.close());
  reader.exec("BEGIN");
  reader.prepare("SELECT * FROM deliveries").all();

  for (const job of jobs) await log.remove(job);
  await turns();
  const waiting = clock.waiting;
  await stop();

  assert.deepEqual([waiting, clock.waiting], [before + 1, 0]);
});
