import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../support/fake_clock.ts";
import { post, workersJob } from "../support/page.ts";
import { testServer } from "../support/server.ts";

interface Moment {
  readonly time: string;
  readonly percent?: number;
  readonly rate_per_s?: number;
  readonly bytes_per_s?: number;
}

const NDJSON = { "Content-Type": "application/x-ndjson" };

test("a job's history has each progress of a short one, with the rate that was known then", async (t) => {
  const clock = new FakeClock();
  const server = await testServer(t, { clock });
  const job = await workersJob(server, { sync: "users", total: 100 });
  for (const done of [20, 40, 80]) {
    clock.advance(2_000);
    await job.tell({ type: "log", message: `${done}` }, {
      type: "progress",
      entities_inserted: done,
      bytes_done: 10 * done,
    });
  }
  await job.tell({ type: "end", status: "completed" });

  const { items } = await (await server.ask(`/v1/sync/job/${job.id}/history`)).json();

  const start = Date.parse(items[0].time);
  assert.deepEqual(
    items.map(({ time, percent }: Moment) => [Date.parse(time) - start, percent]),
    [[0, 20], [2_000, 40], [4_000, 80]],
  );
  assert.ok(items.every(({ rate_per_s }: Moment) => rate_per_s !== undefined && rate_per_s > 0));
  assert.deepEqual(items.slice(0, 2).map((each: Moment) => each.bytes_per_s), [100, 100]);
});

test("a long job's history is spread over all of its log, whatever lines lie between", async (t) => {
  const server = await testServer(t, { tenantEventsPerS: 0, eventsPerS: 0 });
  const job = await workersJob(server, { sync: "users", total: 4_010 });
  const line = '{"type": "log", "message": "x"}\n';
  const events = Array.from(
    { length: 3_000 },
    (_, n) =>
      `{"type": "progress", "entities_inserted": ${n + 11}}\n${
        n === 1_500 ? line.repeat(3_000) : ""
      }`,
  );
  const body = events.join("");
  const sent = await server.ask(`/v1/sync/job/${job.id}/events`, {
    method: "POST",
    headers: { ...NDJSON, Authorization: `Bearer ${server.key()}` },
    body,
  });
  assert.equal(sent.status, 200);

  const { items } = await (await server.ask(`/v1/sync/job/${job.id}/history`)).json();

  const percents = items.map(({ percent }: Moment) => percent);
  const width = 6_001 / 300 / 4_010 * 100;
  assert.ok(items.length > 140 && items.length <= 300, `${items.length} moments`);
  assert.equal(percents.at(-1), 75);
  assert.ok(percents[0] <= 2 * width);
  for (const [at, percent] of percents.slice(1).entries()) {
    const step = percent - percents[at];
    assert.ok(step > 0 && step <= 2 * width, `${percents[at]} to ${percent}`);
  }
});

test("the history of a job that has begun nothing is empty, and of none it is 404", async (t) => {
  const server = await testServer(t);
  const { id } = await post(server, "/v1/sync/job", {});
  const other = crypto.randomUUID();

  assert.deepEqual(await (await server.ask(`/v1/sync/job/${id}/history`)).json(), { items: [] });
  assert.equal((await server.ask(`/v1/sync/job/${other}/history`)).status, 404);
});
