import assert from "node:assert/strict";
import { test } from "node:test";
import { type Clock, systemClock } from "../../src/clock.ts";
import { loggedEntries } from "../support/log_file.ts";
import { testServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { ViewerModel } from "../support/viewer_model.ts";

const HOUR_MS = 3_600_000;

for (const [what, jumpMs] of [["back an hour", -HOUR_MS], ["ahead an hour", HOUR_MS]] as const) {
  test(`a clock that jumps ${what} costs no job its life, and no viewer an entry`, async (t) => {
    let setMs = 0;
    const clock: Clock = { ...systemClock, now: () => Date.now() + setMs };
    const server = await testServer(t, { clock, heartbeatMs: 100 });
    const key = server.key();
    const headers = { "Authorization": `Bearer ${key}`, "Content-Type": "application/json" };
    const send = async (path: string, body: unknown) =>
      await (await server.ask(path, { method: "POST", headers, body: JSON.stringify(body) }))
        .json();
    const outside = await send("/v1/sync/job", { lease_s: 900 });
    const own = await send("/v1/sync/slow/run", {});
    const viewers = [outside, own].map(({ id }) =>
      new ViewerModel({
        url: `${server.url}/v1/sync/job/${id}/subscribe`,
        key,
        logs: "debug",
        cursor: "0",
      })
    );
    const over = new AbortController();
    t.after(() => over.abort());
    const watching = viewers.map((viewer) => viewer.watch(over.signal));
    const seen = (place: number, passes: (seq: number) => boolean) =>
      until(() => passes(viewers[place].stretches.at(-1)?.held.at(-1)?.seq ?? 0), 10);
    const post = (...events: object[]) => send(`/v1/sync/job/${outside.id}/events`, events);

    await post({ type: "progress", inserted: 1, total: 10 }, { type: "log", message: "before" });
    await seen(1, (seq) => seq >= 2);
    setMs = jumpMs;
    // Leases are looked at every second, and the own job tells of a file a second.
    const { last_seq } = await post({ type: "progress", inserted: 2 }, {
      type: "log",
      message: "behind",
    });
    const before = viewers[1].stretches.at(-1)?.held.at(-1)?.seq ?? 0;
    await seen(1, (seq) => seq > before + 2);
    const standing = await Promise.all(
      [outside, own].map(async ({ id }) => await (await server.ask(`/v1/sync/job/${id}`)).json()),
    );
    await post({ type: "end", status: "completed" });
    await send(`/v1/sync/job/${own.id}/cancel`, {});
    await Promise.all(watching);

    assert.equal(last_seq, 4);
    assert.deepEqual(standing.map(({ status }) => status), ["in_progress", "in_progress"]);
    for (const [place, { id }] of [outside, own].entries()) {
      viewers[place].assertHolds(loggedEntries(server.directory.path, id), true);
      for (const { data } of viewers[place].stretches.flatMap(({ held }) => held)) {
        for (const name of ["rate_per_s", "bytes_per_s", "eta_s"]) {
          assert.ok(data[name] === undefined || data[name] >= 0, `${name} is ${data[name]}`);
        }
      }
    }
  });
}
