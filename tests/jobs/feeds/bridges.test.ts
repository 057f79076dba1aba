import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Bridges } from "../../../src/jobs/feeds/bridges.ts";
import { OutsideJobs } from "../../../src/jobs/outside_jobs.ts";
import { configuredSyncs, SYNC_SCHEMA } from "../../../src/jobs/sync_config.ts";
import { Syncs } from "../../../src/jobs/syncs.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { TENANT } from "../../support/log_contract.ts";
import { MemoryLog } from "../../support/memory_log.ts";
import type { Cleanup } from "../../support/program.ts";
import { freePort } from "../../support/free_port.ts";
import { redis } from "../../support/redis.ts";
import { until } from "../../support/until.ts";

/** Bridges of a feed over a log in memory, and the log's own look at what is on its way. */
function bench(t: Cleanup, url: string) {
  const clock = new FakeClock();
  const log = new MemoryLog(clock);
  /** Each bridge looks once, when it begins. */
  let begun = 0;
  const list = log.list.bind(log);
  log.list = (query) => {
    begun++;
    return list(query);
  };
  const source = { type: "redis_pubsub", url, pattern: "p:*" };
  const named = (name: string) =>
    configuredSyncs([SYNC_SCHEMA.parse({ name, source })], "/").syncs[0];
  const outside = new OutsideJobs({ log, syncs: new Syncs([named("a")], []), clock });
  const unheard = () => () => {};
  const bridges = new Bridges({ outside, log, clock, onFault: assert.ifError, unheard });
  t.after(() => bridges.stop());
  return { log, list, named, bridges, begun: () => begun };
}

test("replace() leaves a bridge alone whose sync is as it was, and begins what is new", async (t) => {
  const { bridges, named, begun } = bench(t, `redis://127.0.0.1:${await freePort()}`);
  const counts: number[] = [];

  for (const names of [["a"], ["a"], ["a", "b"], ["b"], []]) {
    await bridges.replace(names.map(named));
    await setImmediate();
    counts.push(begun());
  }

  assert.deepEqual(counts, [1, 1, 2, 2, 2]);
});

test("replace() begins what is new when what is gone has stored the last that it heard", async (t) => {
  const feed = await redis(t);
  const { bridges, named, log, begun } = bench(t, feed.url);
  const held = Promise.withResolvers<void>();
  let appending = false;
  const append = log.append.bind(log);
  log.append = async (key, decide) => {
    appending = true;
    await held.promise;
    return append(key, decide);
  };
  await bridges.replace([named("a")]);
  await feed.publish("p:users", { inserted: 5, status: "done" });
  await until(() => appending);

  const replaced = bridges.replace([named("b")]); // it listens to the same feed
  for (let turn = 0; turn < 20; turn++) await setImmediate();
  const before = begun();
  held.resolve();
  await replaced;

  assert.deepEqual([before, begun()], [1, 2]);
});

test("stop() waits until what was heard is stored, also of a bridge that was gone before", async (t) => {
  const feed = await redis(t);
  const { bridges, named, log, list } = bench(t, feed.url);
  const held = Promise.withResolvers<void>();
  let appending = false;
  const append = log.append.bind(log);
  log.append = async (key, decide) => {
    appending = true;
    await held.promise;
    return append(key, decide);
  };
  bridges.replace([named("a")]);
  await feed.publish("p:users", { inserted: 5, status: "done" });
  await until(() => appending);

  bridges.replace([]);
  let stopped = false;
  const stopping = bridges.stop().then(() => stopped = true);
  for (let turn = 0; turn < 20; turn++) await setImmediate();
  const before = stopped;
  held.resolve();
  await stopping;

  const { items: [job] } = await list({ tenant: TENANT, limit: 10 });
  assert.equal(before, false);
  assert.deepEqual([job.status, job.progress.inserted], ["completed", 5]);
});
