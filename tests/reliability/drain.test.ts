import assert from "node:assert/strict";
import { loggedEntries } from "../support/log_file.ts";
import { mortalServer } from "../support/mortal_server.ts";
import { RawViewer } from "../support/raw_viewer.ts";
import { rounds, seeded } from "../support/seed.ts";
import { ViewerModel } from "../support/viewer_model.ts";

const SENT_AWAY = /retry: \d+\ndata: \{"type": "heartbeat"\}\n\n$/;
const JSON_TYPE = { "Content-Type": "application/json" };

seeded(
  "SIGTERM sends every viewer away to come back, ends jobs after their grace, and loses nothing",
  async (random, t) => {
    const server = await mortalServer(t, random, ["--stop-grace-ms", "1000", "--retry-ms", "100"]);
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
      return { id, model: new ViewerModel({ url, key: server.key, cursor: "0", pauseMs: 200 }) };
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
    while (await count(outside) + await count(own) < viewers.length + 4) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await post({ type: "progress", inserted: 1 }, { type: "log", message: "x" });

    const gone = server.process().stop("SIGTERM");
    while (!/stopping/.test(server.process().stderr())) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    // The running job has its grace: others are turned away meanwhile.
    const late = await RawViewer.open(`${direct}${pathOf(own)}/subscribe`, server.key);
    await late.drain();
    unread.socket.destroy(); // one that leaves while it is sent away
    assert.equal(await gone, 0);
    await Promise.all(drained);
    await server.start();
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
  },
);

seeded("a second SIGTERM ends the process at once, whatever it waits for", async (random, t) => {
  const server = await mortalServer(t, random, ["--stop-grace-ms", "600000"]);
  const { id } = await server.ask("/v1/sync/slow/run", "POST");
  const first = server.process().stop("SIGTERM");
  while (!/stopping/.test(server.process().stderr())) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }

  const second = server.process().stop("SIGTERM");

  assert.deepEqual(await Promise.all([first, second]), [130, 130]);
  await server.start();
  const job = await server.ask(`/v1/sync/job/${id}`);
  assert.deepEqual([job.status, job.error.code], ["failed", "worker_lost"]);
});
