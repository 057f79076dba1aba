import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "../../src/hub/hub.ts";
import { PublishedLog } from "../../src/hub/published_log.ts";
import { MemoryLog } from "../support/memory_log.ts";
import { type JobKey, keyText, newEpoch } from "../../src/sync/ids.ts";
import { keyOf } from "../../src/sync/job.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { newJob, progress } from "../support/log_contract.ts";
import { turns } from "../support/stream_bench.ts";

test("listenToAll() is told the job of each creation, append and removal, until it is called off", async () => {
  const hub = new Hub();
  const clock = new FakeClock();
  const log = new PublishedLog(new MemoryLog(clock), hub, clock);
  const told: JobKey[] = [];
  const next = () => new Promise<void>((resolve) => resolveNext = resolve);
  let resolveNext = () => {};
  const callOff = hub.listenToAll((key) => {
    told.push(key);
    resolveNext();
  });

  let woken = next();
  const { job } = await log.create(newJob());
  await woken;
  woken = next();
  await log.append(job, () => ({ facts: [progress("in_progress", 1)] }));
  await woken;
  woken = next();
  await log.remove(job);
  await woken;
  callOff();
  hub.wake(job);

  assert.deepEqual(told, [keyOf(job), keyOf(job), keyOf(job)]);
});

test("who is called off twice takes nobody else's wake-ups", () => {
  const hub = new Hub();
  const job = newJob();
  let woken = 0;
  const callOff = hub.listen(keyText(job), () => {});
  callOff();
  const callOffOther = hub.listen(keyText(job), () => woken++);

  callOff();
  hub.wake(job);
  callOffOther();
  hub.wake(job);

  assert.deepEqual([woken, hub.size], [1, 0]);
});

test("an end is told once, whatever is asked of the job after it", async () => {
  const hub = new Hub();
  const clock = new FakeClock();
  const ends: unknown[] = [];
  const log = new PublishedLog(
    new MemoryLog(clock),
    hub,
    clock,
    (job, requestId) => ends.push([job.status, requestId]),
  );
  const { job } = await log.create(newJob());
  await log.append(job, () => ({ facts: [progress("in_progress", 1)] }), { requestId: "first" });
  await log.append(job, () => ({ facts: [progress("failed", 1)] }), { requestId: "last" });
  await turns(3);
  let woken = 0;
  hub.listen(keyText(job), () => woken++);

  await log.append(job, () => ({ facts: [] }), { requestId: "late" });
  await turns(3);

  assert.deepEqual([ends, woken], [[["failed", "last"]], 0]);
});

test("who listens to a job is told when what wakes it was committed, not when it is woken", async () => {
  const hub = new Hub();
  const clock = new FakeClock();
  const log = new PublishedLog(new MemoryLog(clock), hub, clock);
  const { job } = await log.create(newJob());
  await turns(3); // which is woken too
  const told = new Promise<number | undefined>((resolve) => hub.listen(keyText(job), resolve));

  clock.advance(100);
  await log.append(job, () => ({ facts: [progress("in_progress", 1)] }));
  clock.advance(7);

  assert.equal(await told, 100);
});

test("who appends has its answer two turns before anybody is woken", async () => {
  const hub = new Hub();
  const clock = new FakeClock();
  const log = new PublishedLog(new MemoryLog(clock), hub, clock);
  const { job } = await log.create(newJob());
  await turns(2);
  let woken = 0;
  hub.listen(keyText(job), () => woken++);

  await log.append(job, () => ({ facts: [progress("in_progress", 1)] }));
  const seen = [woken];
  for (let turn = 0; turn < 2; turn++) {
    await turns(1);
    seen.push(woken);
  }

  assert.deepEqual(seen, [0, 0, 1]);
});

test("remove() of a job of an epoch leaves another that has its id since", async () => {
  const clock = new FakeClock();
  const log = new PublishedLog(new MemoryLog(clock), new Hub(), clock);
  const { job } = await log.create(newJob());

  assert.deepEqual([await log.remove(job, newEpoch()), await log.remove(job, job.epoch)], [
    false,
    true,
  ]);
});

test("who follows a job is woken when it is gone, before its traces are", async () => {
  const hub = new Hub();
  const clock = new FakeClock();
  const store = new MemoryLog(clock);
  const traces = Promise.withResolvers<void>();
  const remove = store.remove.bind(store);
  store.remove = (...given) => remove(...given).finally(() => traces.promise);
  const log = new PublishedLog(store, hub, clock);
  const { job } = await log.create(newJob());
  await turns(3);
  const woken = new Promise<void>((resolve) => hub.listen(keyText(job), () => resolve()));

  const removed = log.remove(job);
  await woken;
  traces.resolve();

  assert.equal(await removed, true);
});

test("wake() calls only the listeners of that job", () => {
  const hub = new Hub();
  const [ours, other] = [newJob(), newJob()];
  const told: string[] = [];
  const callOff = hub.listen(keyText(ours), () => told.push("ours"));
  hub.listen(keyText(other), () => told.push("other"));

  hub.wake(ours);
  callOff();
  hub.wake(ours);

  assert.deepEqual(told, ["ours"]);
});
