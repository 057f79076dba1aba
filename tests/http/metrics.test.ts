import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import type { Scope } from "../../src/auth/scopes.ts";
import { Meters } from "../../src/http/meters.ts";
import { configuredSyncs, SYNC_SCHEMA } from "../../src/jobs/sync_config.ts";
import { SqliteLog } from "../../src/log/sqlite_log.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { freePort } from "../support/free_port.ts";
import { MemoryLog } from "../support/memory_log.ts";
import { targetsOf } from "../support/notify_bench.ts";
import { rawRequest } from "../support/raw_request.ts";
import { receiver } from "../support/receiver.ts";
import { serverLog, serverRecords } from "../support/server_log.ts";
import { type TestServer, testServer } from "../support/server.ts";
import { until } from "../support/until.ts";

/** Samples by name with labels, as Prometheus reads them. */
function samplesOf(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => {
    const at = line.lastIndexOf(" ");
    return [line.slice(0, at), Number(line.slice(at + 1))];
  }));
}

async function ended(server: TestServer): Promise<string> {
  const { id } = await (await server.ask("/v1/sync/docs/run", {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key()}` },
  })).json();
  await (await server.ask(`/v1/sync/job/${id}/subscribe`)).text();
  return id;
}

const asking = (server: TestServer, scopes: Scope[]) => ({
  headers: { Authorization: `Bearer ${server.key(scopes)}` },
});

test("requests that come all the time are told at the level debug, unless they fail", async (t) => {
  const server = await testServer(t);
  const post = async (path: string, body: object) =>
    await (await server.ask(path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { Authorization: `Bearer ${server.key()}`, "Content-Type": "application/json" },
    })).json();
  const { id } = await post("/v1/sync/job", {});
  const lines = await serverLog(t, "http");

  for (const type of ["progress", "nonsense"]) await post(`/v1/sync/job/${id}/events`, { type });

  const path = `/v1/sync/job/${id}/events`;
  assert.deepEqual(lines, [`debug: POST ${path} 200`, `info: POST ${path} 400`]);
});

test("GET /metrics tells of streams, jobs, requests and the log to a key of the scope metrics", async (t) => {
  const server = await testServer(t);
  const id = await ended(server);
  const gap = await server.ask(`/v1/sync/job/${id}/subscribe?last_event_id=nonsense`);
  await gap.text();
  const { id: slow } = await (await server.ask("/v1/sync/slow/run", {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key()}` },
  })).json();
  const live = (await server.ask(`/v1/sync/job/${slow}/subscribe`)).body?.getReader();
  let seen = "";
  while (!seen.includes('"entities_inserted": 2')) {
    seen += new TextDecoder().decode((await live?.read())?.value);
  }

  const answer = await server.ask("/metrics", asking(server, ["metrics"]));
  const samples = samplesOf(await answer.text());

  assert.match(answer.headers.get("Content-Type") ?? "", /^text\/plain; version=0.0.4/);
  const named = [
    'synctail_jobs{status="completed"}',
    'synctail_jobs{status="failed"}',
    "synctail_streams_open",
    "synctail_jobs_followed",
    'synctail_streams_opened_total{resume="gap"}',
    'synctail_requests_total{route="/v1/sync/:sync/run",status="202"}',
  ].map((name) => samples.get(name));
  assert.deepEqual(named, [1, 0, 1, 1, 1, 2]);
  assert.ok((samples.get("synctail_log_bytes") ?? 0) > 0);
  assert.ok((samples.get("synctail_delivery_lag_seconds_count") ?? 0) > 0);
  const success = samples.get(
    'synctail_sync_last_success_timestamp_seconds{tenant="default",sync="docs"}',
  );
  assert.ok((success ?? 0) > 1.7e9);
  assert.ok(![...samples.keys()].some((name) => name.includes(id)), "labels hold no job");
  await live?.cancel();
});

test("GET /metrics tells of viewers that are resumed, refused and far behind, and of heartbeats", async (t) => {
  const server = await testServer(t, { mergeAfter: 3, viewersPerJob: 1, heartbeatMs: 20 });
  const headers = {
    "Authorization": `Bearer ${server.key()}`,
    "Content-Type": "application/json",
  };
  const post = async (path: string, body: unknown) =>
    await (await server.ask(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
  const path = `/v1/sync/job/${(await post("/v1/sync/job", {})).id}`;
  const snapshot = (await server.ask(`${path}/subscribe`)).body?.getReader();
  await post(`${path}/events`, { type: "progress", inserted: 1 });
  const text = await readUntil(snapshot, /\nid: (.*)\n/);
  const cursor = /\nid: (.*)\n/.exec(text)?.[1];
  await snapshot?.cancel();
  await until(async () => (await (await server.ask(path)).json()).viewers === 0);
  const totals = Array.from({ length: 9 }, (_, n) => ({ type: "progress", inserted: n + 2 }));
  await post(`${path}/events`, totals);

  const resumed = (await server.ask(`${path}/subscribe?last_event_id=${cursor}`)).body?.getReader();
  await readUntil(resumed, /"inserted": 10,/);
  const refused = await server.ask(`${path}/subscribe`);
  await refused.text().catch(() => {});
  await readUntil(resumed, /"heartbeat"/);
  const samples = samplesOf(
    await (await server.ask("/metrics", asking(server, ["metrics"]))).text(),
  );

  const named = [
    'synctail_streams_opened_total{resume="resumed"}',
    'synctail_streams_refused_total{limit="job"}',
    "synctail_merged_reads_total",
    "synctail_streams_cut_total",
    "synctail_draining",
  ].map((name) => samples.get(name));
  assert.deepEqual(named, [1, 1, 1, 0, 0]);
  assert.ok((samples.get("synctail_heartbeat_late_seconds_count") ?? 0) > 0);
  await resumed?.cancel();
});

async function readUntil(
  reader: ReadableStreamDefaultReader<Uint8Array> | undefined,
  pattern: RegExp,
): Promise<string> {
  let text = "";
  while (!pattern.test(text)) text += new TextDecoder().decode((await reader?.read())?.value);
  return text;
}

test("an answer of 500 or more is a fault, as is what no answer tells of, unless the server stops", async () => {
  const dispatcher = { stopping: false };
  const totals = { opened: {}, refused: {}, cut: 0, merged: 0 };
  const meters = new Meters("1.0", "test");
  meters.observe({
    dispatcher,
    log: new MemoryLog(new FakeClock()),
    viewers: { size: 0, followed: 0, draining: false, totals },
    scheduler: { standings: () => [] },
  });
  const faults = async () => samplesOf(await meters.text()).get("synctail_faults_total");

  const before = await faults();
  for (const status of [200, 499, 500, 507]) meters.answered("/v1/sync/job", status);
  meters.faulted();
  dispatcher.stopping = true;
  meters.answered("/readyz", 503);
  meters.faulted();

  assert.deepEqual([before, await faults()], [0, 3]);
});

test("metrics on a port of their own are told to no name that somebody points there", async (t) => {
  const port = await freePort();
  await testServer(t, { metricsListen: `127.0.0.1:${port}`, allowedHosts: "metrics.example" });
  const ask = async (Host: string) =>
    (await rawRequest(`http://127.0.0.1:${port}/metrics`, { headers: { Host } })).status;

  const hosts = ["evil.example", "localhost", "127.0.0.1:1", "metrics.example"];
  const statuses = [];
  for (const host of hosts) statuses.push(await ask(host));

  assert.deepEqual(statuses, [421, 200, 200, 200]);
});

test("a message that its target refuses is a fault, of which nobody else is told", async (t) => {
  const to = await receiver(t);
  to.answer = (_, response) => void response.writeHead(404).end();
  const targets = targetsOf([{ name: "ops", type: "slack", url: to.url, on: ["completed"] }]);
  const server = await testServer(t, { notify: () => targets });
  const faults = async () => {
    const answer = await server.ask("/metrics", asking(server, ["metrics"]));
    return samplesOf(await answer.text()).get("synctail_faults_total");
  };
  const before = await faults();

  await ended(server);
  await until(async () => await faults() !== before);

  assert.deepEqual([before, await faults()], [0, 1]);
});

test("a stream that cannot be opened, a download that breaks off and a scheduled run that cannot begin are faults", async (t) => {
  const lines = await serverLog(t, "server");
  const { get, list, read } = SqliteLog.prototype;
  const restore = () => void Object.assign(SqliteLog.prototype, { get, list, read });
  t.after(restore);
  const broken = () => Promise.reject(new Error("disk on fire"));
  const hourly = {
    name: "hourly",
    source: { type: "command", command: ["true"] },
    schedule: { every: "1h" },
  };
  SqliteLog.prototype.list = broken;
  const { syncs } = configuredSyncs([SYNC_SCHEMA.parse(hourly)], "/");
  const server = await testServer(t, { syncs, resident: true });
  const faults = async () => {
    const answer = await server.ask("/metrics", asking(server, ["metrics"]));
    return samplesOf(await answer.text()).get("synctail_faults_total");
  };
  SqliteLog.prototype.list = list;
  const before = await faults();
  const { id } = await (await server.ask("/v1/sync/job", { method: "POST" })).json();

  SqliteLog.prototype.get = broken;
  const { status, body } = await server.ask(`/v1/sync/job/${id}/subscribe`);
  await body?.cancel();
  SqliteLog.prototype.get = get;
  const opened = await faults();
  SqliteLog.prototype.read = broken;
  const headers = { Authorization: `Bearer ${server.key(["read"])}` };
  await assert.rejects(rawRequest(`${server.url}/v1/sync/job/${id}/events`, { headers }));
  restore();

  assert.deepEqual([before, status, opened, await faults()], [1, 200, 2, 3]);
  assert.equal(lines.filter((line) => /^error: fault: .*disk on fire/.test(line)).length, 1);
});

test("GET /metrics is 403 for other keys, and 404 where metrics have a port of their own", async (t) => {
  const server = await testServer(t);
  const elsewhere = await testServer(t, { metricsListen: "127.0.0.1:0" });

  const statuses = await Promise.all([
    server.ask("/metrics", asking(server, ["read", "run", "write"])),
    fetch(`${server.url}/metrics`),
    elsewhere.ask("/metrics", asking(elsewhere, ["metrics"])),
  ].map(async (answer) => (await answer).status));

  assert.deepEqual(statuses, [403, 401, 404]);
});

test("each request is one line with the id that its answer carries, and without its query", async (t) => {
  const records = await serverRecords(t, "http");
  const server = await testServer(t);

  const answer = await server.ask("/v1/sync/jobs?status=failed");
  await answer.body?.cancel();

  const line = records.find(({ path }) => path === "/v1/sync/jobs");
  assert.equal(line?.request_id, answer.headers.get("X-Request-Id"));
  assert.deepEqual([line?.method, line?.status, line?.tenant, line?.remote], [
    "GET",
    200,
    "default",
    "127.0.0.1",
  ]);
});

test("the line of a request whose client has left carries its address", async (t) => {
  const records = await serverRecords(t, "http");
  const server = await testServer(t);
  const { id } = await (await server.ask("/v1/sync/job", { method: "POST" })).json();
  const path = `/v1/sync/job/${id}/events`;
  const socket = connect(server.port, "127.0.0.1");
  t.after(() => void socket.destroy());
  const line = '{"type": "log", "level": "info", "message": "m"}\n';
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${server.key()}\r\n` +
      "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n" +
      `${line.length.toString(16)}\r\n${line}\r\n`,
  );
  await until(async () => (await (await server.ask(`/v1/sync/job/${id}`)).json()).seq === 1);

  socket.destroy();
  await until(() => records.some((record) => record.path === path));

  assert.equal(records.find((record) => record.path === path)?.remote, "127.0.0.1");
});
