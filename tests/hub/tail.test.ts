import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "../../src/hub/hub.ts";
import { PublishedLog } from "../../src/hub/published_log.ts";
import { Tail } from "../../src/hub/tail.ts";
import { entryEncoder } from "../../src/stream/frames.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { newJob, progress } from "../support/log_contract.ts";
import { MemoryLog } from "../support/memory_log.ts";
import { turns } from "../support/stream_bench.ts";

test("a follower that cannot be served is told of it, and so is the server", async () => {
  const [clock, hub] = [new FakeClock(), new Hub()];
  const log = new PublishedLog(new MemoryLog(clock), hub, clock);
  const { job } = await log.create(newJob());
  const faults: unknown[] = [];
  const told: unknown[] = [];
  const tail = new Tail({
    log,
    hub,
    clock,
    job,
    encoder: entryEncoder(job),
    onIdle: () => {},
    onFault: (cause) => faults.push(cause),
  });
  const cause = new Error("it broke");
  const follower = {
    serve() {
      throw cause;
    },
    fail: (why: unknown) => told.push(why),
  };
  tail.join(follower);
  tail.want(follower);

  await log.append(job, () => ({ facts: [progress("in_progress", 1)] }));
  await turns(10);
  tail.leave(follower);

  assert.deepEqual([faults, told, hub.size], [[cause], [cause], 0]);
});
