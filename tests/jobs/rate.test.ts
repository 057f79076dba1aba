import assert from "node:assert/strict";
import { test } from "node:test";
import { Rate } from "../../src/jobs/rate.ts";
import { FakeClock } from "../support/fake_clock.ts";

test("a job may take a second's worth at once and waits for what is beyond", () => {
  const clock = new FakeClock();
  const rate = new Rate(clock, 100);
  const job = "default/a";

  rate.charge(job, 100);
  const within = rate.waitS(job);
  rate.charge(job, 350);
  const beyond = rate.waitS(job);
  clock.advance(3_500);

  assert.deepEqual([within, beyond, rate.waitS(job), rate.waitS("default/b")], [0, 4, 0, 0]);
});

test("nobody waits longer than a minute, and without a limit nobody waits", () => {
  const clock = new FakeClock();
  const job = "default/a";
  const slow = new Rate(clock, 1);
  const free = new Rate(clock, 0);
  for (const rate of [slow, free]) rate.charge(job, 1_000_000);

  assert.deepEqual([slow.waitS(job), free.waitS(job)], [59, 0]);
});
