import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers";
import { LogDownload, type LogDownloadOptions } from "../../src/http/log_download.ts";
import type { EventLog } from "../../src/log/event_log.ts";
import { WriteDeadline } from "../../src/stream/write_deadline.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { line, newJob } from "../support/log_contract.ts";
import { MemoryLog } from "../support/memory_log.ts";

const LINES = 1_000;
const DEADLINE_MS = 1_000;

async function bench(options: Partial<LogDownloadOptions> = {}) {
  const clock = new FakeClock();
  const log = new MemoryLog(clock);
  const { job } = await log.create(newJob());
  await log.append(job, () => ({ facts: Array.from({ length: LINES }, () => line("x")) }));
  const deadline = new WriteDeadline(clock, DEADLINE_MS);
  const body = new LogDownload({
    log,
    job,
    query: { after: 0, logs: "debug" },
    through: LINES,
    lineOf: ({ seq }) => `${seq}`,
    deadline,
    lapsed: () => false,
    onFault: assert.ifError,
    ...options,
  }).stream();
  return { clock, log, job, deadline, body };
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => `${n + 1}\n`).join("");

test("LogDownload gives a line an entry, as many as are wanted", async () => {
  const whole = await bench();
  const part = await bench({ through: 300 });
  const few = await bench({ limit: 7 });
  const none = await bench({ limit: 0 });

  assert.equal(await new Response(whole.body).text(), numbers(LINES));
  assert.equal(await new Response(part.body).text(), numbers(300));
  assert.equal(await new Response(few.body).text(), numbers(7));
  assert.equal(await new Response(none.body).text(), "");
  assert.equal(whole.clock.waiting + few.clock.waiting, 0);
});

test("LogDownload lets others work between its pages, however fast it is read", async () => {
  const { body } = await bench();
  let turns = 0;
  let counting = true;
  const count = () => {
    turns++;
    if (counting) setImmediate(count);
  };
  setImmediate(count);

  await new Response(body).text();
  counting = false;

  assert.ok(turns >= 4, `${turns} turns of the event loop`); // five pages
});

test("LogDownload gives its first page at once, so that a job that is removed then has its short log told", async () => {
  const { log, job, body } = await bench();
  const reader = body.getReader();

  const read = reader.read();
  await log.remove(job);

  assert.equal((await read).done, false);
  await reader.cancel();
});

test("LogDownload breaks off when its job is removed, also when another takes its id", async () => {
  for (const again of [false, true]) {
    const { log, job, body, clock } = await bench();
    const reader = body.getReader();
    await reader.read();
    await log.remove(job);
    if (again) {
      const { job: other } = await log.create(newJob({ id: job.id }));
      await log.append(other, () => ({ facts: Array.from({ length: LINES }, () => line("y")) }));
    }

    // Without a reason: Bun prints any, as if it were a fault.
    assert.equal(await reader.read().catch((cause) => cause), undefined);
    assert.equal(clock.waiting, 0);
  }
});

test("LogDownload breaks off without a word of why where its log cannot be read, and tells that here", async () => {
  const fault = new Error("disk I/O error");
  const faults: unknown[] = [];
  const log = { read: () => Promise.reject(fault) } as unknown as EventLog;
  const { body, clock } = await bench({ log, onFault: (cause) => void faults.push(cause) });

  const reason = await body.getReader().read().catch((cause) => cause);

  assert.deepEqual([reason, faults], [undefined, [fault]]);
  assert.equal(clock.waiting, 0);
});

test("LogDownload breaks off when the right to it ends", async () => {
  let lapsed = false;
  const { body, clock } = await bench({ lapsed: () => lapsed });
  const reader = body.getReader();
  await reader.read();

  lapsed = true;

  await assert.rejects(reader.read());
  assert.equal(clock.waiting, 0);
});

test("LogDownload of who leaves is done with, and none that was cut off", async () => {
  const { body, clock, deadline } = await bench();
  const reader = body.getReader();
  await reader.read();

  await reader.cancel();
  const { waiting } = clock;
  clock.advance(2 * DEADLINE_MS);

  assert.deepEqual([waiting, deadline.cut], [0, 0]);
});

test("LogDownload is cut off where nobody takes it, and only there", async () => {
  const { body, clock, deadline } = await bench();
  const reader = body.getReader();
  for (let n = 0; n < 3; n++) {
    await reader.read();
    clock.advance(DEADLINE_MS);
  }
  assert.equal(deadline.cut, 0);

  clock.advance(DEADLINE_MS);

  await assert.rejects(reader.read());
  assert.deepEqual([deadline.cut, clock.waiting], [1, 0]);
});
