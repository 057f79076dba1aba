import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { descriptors } from "../support/processes.ts";
import { OWN, startProgram } from "../support/program.ts";
import { RawViewer } from "../support/raw_viewer.ts";
import { until } from "../support/until.ts";

const FULL = "no connection can be taken";

/** A connection that sends nothing; it may be refused, or wait. */
function crowding(url: string): Socket {
  const { hostname, port } = new URL(url);
  return connect(Number(port), hostname).on("error", () => {});
}

test("a server that may open no more files serves those who are there, and takes others when there is room", async (t) => {
  const files = 100;
  const command = ["/bin/sh", "-c", `ulimit -n ${files}; exec "$0" "$@"`, ...OWN];
  const server = await startProgram(t, { command, args: ["serve"] });
  const key = await server.firstKey();
  const post = async (path: string, body: unknown) => {
    const headers = { "Authorization": `Bearer ${key}`, "Content-Type": "application/json" };
    const init = { method: "POST", headers, body: JSON.stringify(body) };
    return await (await fetch(server.url + path, init)).json();
  };
  const { id } = await post("/v1/sync/job", {});
  const viewer = await RawViewer.open(`${server.url}/v1/sync/job/${id}/subscribe`, key);
  t.after(() => void viewer.socket.destroy());
  void viewer.drain();
  await until(() => viewer.text().includes("connected"));

  const crowd = Array.from({ length: 2 * files }, () => crowding(server.url));
  t.after(() => crowd.forEach((socket) => void socket.destroy()));
  // Bun leaves the others waiting and says nothing of it.
  await until(
    () => "Bun" in globalThis ? descriptors(server.pid) === files : server.stderr().includes(FULL),
    5,
  );
  for (const socket of crowd) socket.destroy();
  await until(() => fetch(`${server.url}/healthz`).then(({ ok }) => ok, () => false), 5);
  await post(`/v1/sync/job/${id}/events`, { type: "progress", entities_inserted: 7 });
  await until(() => viewer.text().includes('"entities_inserted": 7'));

  assert.ok(server.stderr().split(FULL).length <= 2, "it is told once");
  assert.equal(await server.stop("SIGTERM"), 0);
});
