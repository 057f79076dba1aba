import assert from "node:assert/strict";
import { loggedEntries } from "../support/log_file.ts";
import { mortalServer } from "../support/mortal_server.ts";
import { RawViewer } from "../support/raw_viewer.ts";
import { rounds, seeded } from "../support/seed.ts";
import { until } from "../support/until.ts";
import { ViewerModel } from "../support/viewer_model.ts";

const SENT_AWAY = /retry: \d+\ndata: \{"type": "heartbeat"\}\n\n$/;
const JSON_TYPE = { "Content-Type": "application/json" };

seeded(
  "SIGTERM sends every viewer away to come back apart, ends jobs after their grace, and loses nothing",
  async (random, t) => {
    const flags = ["--stop-grace-ms", `${GRACE_MS}`, "--retry-ms", `${RETRY_MS}`];
    const server = await mortalServer(t, random, flags);
    const headers = { Authorization: `Bearer ${server.key}`, ...JSON_TYPE };
    const over = new AbortController();
    t.after(() => over.abort());
    const { id: outside } = await server.ask("/v1/sync/job", "POST");
    const { id: own } = await server.ask("/v1/sync/slow/run", "POST");
    const pathOf = (id: string) => `/v1/sync/job/${id}`;
    const post = async (...events: object[]) => {
      const body = JSON.stringify(events);
      const init = { method: "POST", headers, body };
      assert.equal((await fetch(`${server.url}${pathOf(outside)}/events`, init)).status, 200);
    };
    const viewers = Array.from({ length: rounds(200) }, (_, n) => {
      const id = n % 4 === 0 ? own : outside;
      const url = `${server.url}${pathOf(id)}/subscribe`;
      const options = { url, key: server.key, cursor: "0", pauseMs: 200, bareSocket: true };
      return { id, model: new ViewerModel(options) };
    });
    const watching = viewers.map(({ model }) => model.watch(over.signal));
    const direct = server.process().url;
    const raw = await Promise.all(
      [outside, outside, own].map((id) =>
        RawViewer.open(`${direct}${pathOf(id)}/subscribe`, server.key)
      ),
    );
    const drained = raw.map((viewer) => viewer.drain());
    const unread = await RawViewer.open(`${direct}${pathOf(outside)}/subscribe`, server.key);
    const count = async (id: string) => (await server.ask(pathOf(id))).viewers;
    const all = viewers.length + 4;
    await until(async () => await count(outside) + await count(own) === all, 20);
    await post({ type: "progress", inserted: 1 }, { type: "log", message: "x" });

    const gone = server.process().stop("SIGTERM");
    await until(() => server.process().stderr().includes("stopping"));
    // The running job has its grace: others are turned away meanwhile.
    const late = await RawViewer.open(`${direct}${pathOf(own)}/subscribe`, server.key);
    await late.drain();
    unread.socket.destroy(); // one that leaves while it is sent away
    assert.equal(await gone, 0);
    await Promise.all(drained);
    await server.start();
    const returning = viewers.filter(({ id }) => id === outside).map(({ model }) => model);
    await until(async () => await count(outside) === returning.length, 20);
    await post({ type: "end", status: "completed" });
    await Promise.all(watching);

    assert.match(late.text(), SENT_AWAY);
    for (const [place, viewer] of raw.entries()) {
      if (place < 2) assert.match(viewer.text(), SENT_AWAY);
      assert.equal(viewer.whole(), place === 2, "only the end of a job ends a stream cleanly");
    }
    assert.match(raw[2].text(), /"status": "cancelled".*\n/);
    const logs = {
      [own]: loggedEntries(server.data, own),
      [outside]: loggedEntries(server.data, outside),
    };
    const last = logs[own].at(-1);
    assert.equal(last?.kind === "progress" && last.error?.code, "server_stopped");
    for (const { id, model } of viewers) model.assertHolds(logs[id], true);
    assertApart(returning);
  },
);

/** Of the running job: one that comes within it is turned away. */
const GRACE_MS = 5_000;

/** Who is sent away is told to come back after so long at least, and at most as long again. */
const RETRY_MS = 2_000;
const SECOND_MS = 1_000;

/** By when each was told to come back; the clients of the test do so. */
function assertApart(viewers: readonly ViewerModel[]): void {
  const told = viewers.map(({ sentAway }) => sentAway[0]);
  const retries = told.map(({ retryMs }) => retryMs);
  const windowMs = Math.max(...retries) - Math.min(...retries);
  const mean = viewers.length * SECOND_MS / windowMs;
  const largest = largestIn(told.map(({ atMs, retryMs }) => atMs + retryMs), SECOND_MS);
  const back = viewers.map(({ sentAway, connectedAtMs }) =>
    connectedAtMs.find((atMs) => atMs > sentAway[0].atMs) ?? Infinity
  );
  console.error(
    `${viewers.length} viewers are told to come back within ${windowMs} ms, ` +
      `${Math.round(mean)} a second and ${largest} in the largest; ` +
      `${largestIn(back, SECOND_MS)} did in the largest`,
  );
  assert.ok(Math.min(...retries) >= RETRY_MS, "nobody is told to come back earlier");
  assert.ok(largest <= 2 * mean, `${largest} in one second, ${mean} in the mean`);
}

/** The most of these moments that lie in any stretch of that length. */
function largestIn(momentsMs: readonly number[], lengthMs: number): number {
  const sorted = [...momentsMs].sort((a, b) => a - b);
  let from = 0;
  let most = 0;
  for (const [to, atMs] of sorted.entries()) {
    while (sorted[from] <= atMs - lengthMs) from++;
    most = Math.max(most, to - from + 1);
  }
  return most;
}

seeded("a second SIGTERM ends the process at once, whatever it waits for", async (random, t) => {
  const server = await mortalServer(t, random, ["--stop-grace-ms", "600000"]);
  const { id } = await server.ask("/v1/sync/slow/run", "POST");
  const first = server.process().stop("SIGTERM");
  await until(() => server.process().stderr().includes("stopping"));

  const second = server.process().stop("SIGTERM");

  assert.deepEqual(await Promise.all([first, second]), [130, 130]);
  await server.start();
  const job = await server.ask(`/v1/sync/job/${id}`);
  assert.deepEqual([job.status, job.error.code], ["failed", "worker_lost"]);
});
