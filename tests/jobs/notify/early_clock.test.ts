/** A machine that begins in 1970 until it hears what time it is, with what it was to tell before. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { DeliveryStore, DONE_MAX } from "../../../src/jobs/notify/delivery_store.ts";
import { FAILED } from "../../support/delivery_bench.ts";
import { TENANT } from "../../support/log_contract.ts";
import { begun, ended, jobOf, notifyBench, turns } from "../../support/notify_bench.ts";
import type { Cleanup } from "../../support/program.ts";
import { receiver } from "../../support/receiver.ts";
import { until } from "../../support/until.ts";

const DAY_MS = 24 * 3_600_000;

/** One target, and the jobs that it was told of; the clock is right, a year after it began. */
async function bench(t: Cleanup) {
  const to = await receiver(t);
  const written = [{ name: "ops", type: "template", url: to.url, body: '"{{job.id}}"' }];
  const { clock, memory, path, start } = notifyBench(t, written);
  clock.set(365 * DAY_MS);
  const told = () => to.taken.map(({ body }) => JSON.parse(body));
  /** A process in which a job fails, and is told. */
  async function failsOne(): Promise<string> {
    const { run, notifications, stop } = await start();
    const job = jobOf("docs");
    await run(job, FAILED);
    await turns();
    const { items: [{ job: last }] } = notifications.list({ limit: 1 });
    assert.equal(last, job.id);
    const waits = () =>
      notifications.list({ limit: 200 }).items.some(({ state }) => state === "waiting");
    await until(() => !waits());
    await stop();
    return job.id;
  }
  return { clock, memory, path, start, told, failsOne };
}

test("a target is told of nothing that was over before it came", async (t) => {
  const { clock, memory, start, told, failsOne } = await bench(t);
  const job = jobOf("docs");
  await begun(memory, job);
  await ended(memory, job, FAILED);
  clock.advance(DAY_MS);
  await (await start()).stop();

  clock.set(5_000);
  const early = await failsOne();
  clock.set(367 * DAY_MS);
  const late = await failsOne();

  assert.deepEqual(told(), [early, late]);
});

test("what was told and is no longer listed is not told again", async (t) => {
  const { clock, path, told, failsOne } = await bench(t);
  const first = await failsOne();
  clock.advance(1);
  const store = new DeliveryStore(path, clock, "normal");
  t.after(() => store.close());
  const db = new DatabaseSync(path);
  t.after(() => db.close());
  const insert = db.prepare(
    `INSERT INTO deliveries (id, target, kind, tenant, subject, occasion, job, at_ms, created_at_ms,
       message, state, tries, next_at_ms)
     VALUES (?1, ?, 'failed', ?, ?1, 0, ?, ?5, ?5, '', ?, 1, ?5)`,
  );
  insert.run("waits", "away", TENANT, null, clock.now() - 1_000, "waiting");
  for (let n = 0; n < DONE_MAX; n++) {
    // The job of one was removed meanwhile.
    insert.run(`${n}`, "ops", TENANT, n === 5 ? jobOf("docs").id : null, clock.now(), "delivered");
  }
  clock.advance(1);
  store.moveOn(clock.now());

  clock.set(5_000);
  const early = await failsOne();
  clock.set(367 * DAY_MS);
  const late = await failsOne();

  assert.deepEqual(told(), [first, early, late]);
});
