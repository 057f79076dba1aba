import assert from "node:assert/strict";
import { loggedEntries } from "../support/log_file.ts";
import { residentBytes } from "../support/processes.ts";
import { mortalServer } from "../support/mortal_server.ts";
import { RawViewer } from "../support/raw_viewer.ts";
import { rounds, seeded } from "../support/seed.ts";
import { until } from "../support/until.ts";
import { ViewerModel } from "../support/viewer_model.ts";

const STUCK = 100;
const READING = 5;
/** Bytes of a log line, and lines in all: more than a connection's own buffers hold. */
const LINE = 60_000;
const LINES = 150;
/** What a viewer that does not read may cost at most, in bytes: docs/reliability.md. */
const BOUND = 2 * 1024 * 1024;

seeded(
  "viewers that do not read cost a bounded room, hold up nobody, are cut, and come back to all of it",
  async (random, t) => {
    const server = await mortalServer(t, random, ["--write-timeout-ms", "3000"]);
    const { key } = server;
    const { pid, url: direct } = server.process();
    const { id } = await server.ask("/v1/sync/job", "POST");
    const path = `/v1/sync/job/${id}`;
    const stream = `${direct}${path}/subscribe?logs=debug`;
    const over = new AbortController();
    t.after(() => over.abort());
    const post = async (events: readonly object[]) => {
      const headers = { "Authorization": `Bearer ${key}`, "Content-Type": "application/json" };
      const init = { method: "POST", headers, body: JSON.stringify(events) };
      assert.equal((await fetch(`${direct}${path}/events`, init)).status, 200);
    };
    const viewers = (passes: (count: number) => boolean) =>
      until(async () => passes((await server.ask(path)).viewers), 20);
    const reading = Array.from(
      { length: READING },
      () => new ViewerModel({ url: `${direct}${path}/subscribe`, key, logs: "debug", cursor: "0" }),
    );
    const watching = reading.map((viewer) => viewer.watch(over.signal));
    let most = 0;
    const postLines = async () => {
      for (let n = 0; n < LINES; n += 10) {
        await post(Array.from({ length: 10 }, (_, line) => ({
          type: "log",
          message: `${n + line}`.padEnd(LINE, "x"),
        })));
        most = Math.max(most, residentBytes(pid));
      }
    };
    await viewers((count) => count === READING);
    await postLines(); // what the lines themselves cost: the log, the tail, the runtime's heap
    const before = most;

    const stuck = await Promise.all(
      Array.from({ length: rounds(STUCK) }, () => RawViewer.open(stream, key, reading[0].cursor)),
    );
    await viewers((count) => count === stuck.length + READING);
    await postLines();
    await viewers((count) => count === READING);
    most = Math.max(most, residentBytes(pid));
    await post([{ type: "end", status: "completed" }]);
    await Promise.all(watching);

    const entries = loggedEntries(server.data, id);
    for (const viewer of reading) {
      viewer.assertHolds(entries, true);
      assert.equal(viewer.connections, 2);
    }
    const perViewer = Math.round((most - before) / stuck.length);
    console.error(`a viewer that does not read: ${Math.round(perViewer / 1024)} KiB`);
    assert.ok(perViewer < BOUND, `${perViewer} bytes a viewer`);
    for (const viewer of stuck.slice(0, 5)) {
      await viewer.drain();
      const ids = viewer.ids();
      const seqs = ids.map((each) => Number(each.split("-")[1]));
      assert.deepEqual(seqs, seqs.map((_, n) => seqs[0] + n));
      const back = new ViewerModel({
        url: `${direct}${path}/subscribe`,
        key,
        logs: "debug",
        cursor: ids.at(-1) ?? "0",
      });
      await back.watch(over.signal);
      back.assertHolds(entries, true);
    }
    for (const { socket } of stuck) socket.destroy();
  },
);
