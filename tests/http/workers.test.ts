import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { BODY_BYTES_MAX } from "../../src/http/body.ts";
import { configuredSyncs, SYNC_SCHEMA } from "../../src/jobs/sync_config.ts";
import { deriveSyncId, type TenantId } from "../../src/sync/ids.ts";
import { curl } from "../support/curl.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { loggedEntries } from "../support/log_file.ts";
import type { Cleanup } from "../support/program.ts";
import { RawViewer } from "../support/raw_viewer.ts";
import { type TestServer, testServer } from "../support/server.ts";
import { framesOf, StreamReader } from "../support/stream_bench.ts";
import { until } from "../support/until.ts";

type Json = Record<string, unknown>;

/** A worker with a job of its own. */
async function worker(server: TestServer, asked: Json = {}, key = server.key()) {
  const send = async (
    path: string,
    body?: Json | Json[] | string,
    headers: Record<string, string> = {},
  ) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const type = typeof body === "string" ? "application/x-ndjson" : "application/json";
    const answer = await server.ask(path, {
      method: "POST",
      body: text,
      headers: {
        Authorization: `Bearer ${key}`,
        ...(body !== undefined && { "Content-Type": type }),
        ...headers,
      },
    });
    return { headers: answer.headers, ...await answer.json() };
  };
  const created = await send("/v1/sync/job", asked);
  const path = `/v1/sync/job/${created.id}`;
  return {
    created,
    path,
    send,
    post: (body?: Json | Json[] | string, headers?: Record<string, string>) =>
      send(`${path}/events`, body, headers),
    job: async () => await (await server.ask(path)).json(),
  };
}

/** An upload of events that has been begun, and goes on as long as the test says. */
function upload(
  t: Cleanup,
  server: TestServer,
  path: string,
  type = "application/x-ndjson",
  key = server.key(),
) {
  const socket = connect(server.port, "127.0.0.1");
  t.after(() => void socket.destroy());
  socket.write(
    `POST ${path}/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${key}\r\n` +
      `Content-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  return {
    socket,
    chunk: (text: string) => socket.write(`${text.length.toString(16)}\r\n${text}\r\n`),
    /** The answer, head and body. */
    answered: new Promise<string>((resolve) => {
      let bytes = Buffer.alloc(0);
      socket.on("data", (more) => {
        bytes = Buffer.concat([bytes, more]);
        const head = bytes.indexOf("\r\n\r\n");
        if (head < 0) return;
        const [, length] = /content-length: *(\d+)/i.exec(bytes.toString("latin1", 0, head)) ?? [];
        if (bytes.length >= head + 4 + Number(length)) resolve(String(bytes));
      });
    }),
  };
}

test("a worker's job is created, told about, watched live, and ends", async (t) => {
  const server = await testServer(t);
  const { created, post, job, path } = await worker(server, {
    sync: "nightly",
    tags: ["eu"],
    meta: { host: "w1" },
    total: 10,
  });
  const stream = server.ask(`${path}/subscribe?logs=info`);

  await post({ type: "progress", entities_inserted: 4, entities_encountered: { user: 4 } });
  await post([
    { type: "log", level: "warning", message: "slow", time: "2026-01-02T03:04:05+01:00" },
    { type: "progress", delta: true, inserted: 6 },
  ]);
  const ended = await post({ type: "end", status: "completed" });
  const frames = framesOf(await (await stream).text());

  assert.equal(created.headers.get("Location"), path);
  assert.deepEqual([ended.first_seq, ended.last_seq], [4, 4]);
  const last = frames.at(-1)?.data;
  assert.deepEqual(
    [last.status, last.inserted, last.percent, last.entities_encountered],
    ["completed", 10, 100, { user: 4 }],
  );
  const log = frames.find(({ data }) => data.type === "log")?.data;
  assert.deepEqual([log.message, log.time], ["slow", "2026-01-02T02:04:05.000Z"]);
  const { status, sync, tags, meta, origin, lease_s, error } = await job();
  assert.deepEqual(
    [status, sync, tags, meta, origin, lease_s, error],
    ["completed", "nightly", ["eu"], { host: "w1" }, "worker", 900, null],
  );
  const { items } = await (await server.ask("/v1/sync")).json();
  const { name, source, last_job } = items.find((each: Json) => each.name === "nightly");
  assert.deepEqual([name, source, last_job.id], ["nightly", null, created.id]);
  const listed = await (await server.ask("/v1/sync/jobs?sync=nightly")).json();
  assert.deepEqual(listed.items.map(({ id }: Json) => id), [created.id]);
});

test("a configured sync that a worker has named too is listed once", async (t) => {
  const server = await testServer(t);
  const { created } = await worker(server, { sync: "docs" });

  const { items } = await (await server.ask("/v1/sync")).json();

  assert.deepEqual(items.map(({ name }: Json) => name), ["docs", "slow"]);
  assert.equal(items[0].last_job.id, created.id);
});

test("a sync that only workers have named is said to run elsewhere, by name and by id", async (t) => {
  const server = await testServer(t);
  const { created, send } = await worker(server, { sync: "nightly-users" });

  const byName = await send("/v1/sync/nightly-users/run");
  const byId = await send(`/v1/sync/${created.sync_id}/run`);
  const nobodys = await send("/v1/sync/nightly-user/run");

  for (const problem of [byName, byId]) {
    assert.deepEqual([problem.status, problem.type], [409, "/problems/not-runnable"]);
    assert.match(problem.detail, /^Cannot run sync "nightly-users": its workers do so elsewhere/);
  }
  assert.equal(nobodys.status, 404);
});

test("a sync that is configured no more keeps its id where it had one of its own", async (t) => {
  const id = "11111111-2222-4333-8444-555555555555";
  const sync = SYNC_SCHEMA.parse({ id, name: "nightly", source: { type: "outside" } });
  const server = await testServer(t, { syncs: configuredSyncs([sync], ".").syncs });
  const { created, send } = await worker(server, { sync: "nightly" });
  const ids = async (path: string) =>
    (await (await server.ask(path)).json()).items.map(({ id }: Json) => id);

  server.reload([]);
  const again = await send("/v1/sync/job", { sync: "nightly" });
  const answer = await server.ask("/v1/sync/jobs/subscribe?sync=nightly");
  const stream = new StreamReader(answer.body!);
  let shown = "";
  while (!shown.includes("snapshot_complete")) shown += await stream.chunk();
  await stream.cancel();

  assert.deepEqual([created.sync_id, again.sync_id], [id, id]);
  assert.deepEqual(await ids("/v1/sync"), [id]);
  assert.deepEqual(await ids("/v1/sync/jobs?sync=nightly"), [again.id, created.id]);
  for (const job of [created, again]) assert.ok(shown.includes(job.id));
});

test("the former name of a sync that is configured under another one is a sync of its own", async (t) => {
  const id = "11111111-2222-4333-8444-555555555555";
  const called = (name: string) => {
    const sync = SYNC_SCHEMA.parse({ id, name, source: { type: "outside" } });
    return configuredSyncs([sync], ".").syncs;
  };
  const server = await testServer(t, { syncs: called("nightly") });
  const { created, send } = await worker(server, { sync: "nightly" });

  server.reload(called("weekly"));
  const other = await send("/v1/sync/job", { sync: "nightly" });
  const { items } = await (await server.ask("/v1/sync/jobs?sync=nightly")).json();
  const again = await send("/v1/sync/job", { sync: "weekly" });

  assert.deepEqual([created.sync_id, again.sync_id], [id, id]);
  assert.deepEqual(items.map(({ id }: Json) => id), [other.id]);
  assert.equal(other.sync_id, deriveSyncId("default" as TenantId, "nightly"));
});

test("creating the same job again answers 200 and changes nothing", async (t) => {
  const server = await testServer(t);
  const { created, send } = await worker(server, { sync: "nightly" });

  const again = await send("/v1/sync/job", {
    id: String(created.id).toUpperCase(),
    sync: "nightly",
  });
  const other = await send("/v1/sync/job", { id: created.id, sync: "weekly" });

  assert.deepEqual([again.id, again.status, other.type], [
    created.id,
    "pending",
    "/problems/job-exists",
  ]);
});

test("a job's id is any UUID, also one without a version, which can be tried again and followed", async (t) => {
  const server = await testServer(t);
  const hash = "d41d8cd9-8f00-b204-e980-0998ecf8427e"; // as md5(...)::uuid makes them
  const { created, send } = await worker(server, { id: hash });

  const again = await send("/v1/sync/job", { retry_of: hash });
  const stream = await server.ask(`/v1/sync/jobs/subscribe?job=${hash}`);
  await stream.body?.cancel();
  const wrong = await send("/v1/sync/job", { id: "nightly", retry_of: "last night's" });

  assert.deepEqual([created.status, created.id], ["pending", hash]);
  assert.equal(again.retry_of, hash);
  assert.equal(stream.status, 200);
  assert.deepEqual(
    wrong.errors.map(({ pointer, detail }: Json) => [pointer, detail]),
    [["/id", "expected a UUID"], ["/retry_of", "expected a UUID"]],
  );
});

test("NDJSON is kept up to the line that is wrong, which is named", async (t) => {
  const server = await testServer(t);
  const { post, job } = await worker(server);
  const line = (inserted: number) => JSON.stringify({ type: "progress", inserted });

  const wrong = await post(`${line(1)}\n\n${line(2)}\n{"type": "progress", "inserted": -1}\n`);
  const right = await post(`${line(3)}\r\n${line(4)}`);

  assert.deepEqual(
    [wrong.status, wrong.line, wrong.accepted, wrong.first_seq, wrong.last_seq],
    [400, 4, 2, 1, 2],
  );
  assert.deepEqual([right.first_seq, right.last_seq], [3, 4]);
  assert.equal((await job()).entities_inserted, 4);
});

test("an NDJSON body is kept as it arrives, also when its sender goes away", async (t) => {
  const server = await testServer(t);
  const { path, job } = await worker(server);
  const { socket, chunk } = upload(t, server, path);
  const kept = (inserted: number) =>
    until(async () => (await job()).entities_inserted === inserted);

  chunk('{"type": "progress", "inserted": 1}\n{"type": "prog');
  await kept(1);
  chunk('ress", "inserted": 2}\n{"type": "progress", "ins');
  await kept(2);
  socket.destroy();
  const after = await job();

  assert.deepEqual([after.entities_inserted, after.seq, after.status], [2, 2, "in_progress"]);
});

test("an NDJSON body that says that it is longer than 128 MiB is kept as it arrives", async (t) => {
  const server = await testServer(t);
  const { path, job } = await worker(server);
  const socket = connect(server.port, "127.0.0.1");
  t.after(() => void socket.destroy());
  socket.write(
    `POST ${path}/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${server.key()}\r\n` +
      `Content-Type: application/x-ndjson\r\nContent-Length: ${2 ** 31}\r\n\r\n` +
      '{"type": "progress", "inserted": 1}\n',
  );
  let answer = "";
  socket.on("data", (bytes) => answer += bytes);

  await until(async () => answer !== "" || (await job()).entities_inserted === 1);

  assert.equal(answer, "");
});

test("a body that does not say how long it is is taken, refused or limited as any other", async (t) => {
  const server = await testServer(t);
  const { path, job } = await worker(server);
  // Over HTTP/2 no header tells that there is a body. Bun speaks HTTP/1.1 alone.
  const protocol = "Bun" in globalThis ? [] : ["--http2-prior-knowledge"];
  const post = async (to: string, body: string, type?: string) => {
    const asked = curl(t, [
      ...protocol,
      ...["-X", "POST", "-T", "-", "-w", "\n%{http_code}", "-H", `X-API-Key: ${server.key()}`],
      ...(type === undefined ? [] : ["-H", `Content-Type: ${type}`]),
      `${server.url}${to}`,
    ]);
    asked.send(body);
    asked.send();
    await asked.code;
    return Number(asked.text().split("\n").at(-1));
  };
  const event = JSON.stringify({ type: "progress", entities_inserted: 7 });
  const events = `${path}/events`;

  const statuses = [
    await post(events, event, "application/json"),
    await post(events, event, "application/x-ndjson"),
    await post(events, event),
    await post(events, "{", "application/json"),
  ];
  const long = await post("/v1/sync/job", "x".repeat(BODY_BYTES_MAX + 1), "application/json");

  assert.deepEqual(statuses, [200, 200, 415, 400]);
  // Over HTTP/2 the stream may be reset before its answer is sent, as not all was read: 0.
  assert.ok(long === 413 || (protocol.length > 0 && long === 0), `${long}`);
  const { seq, entities_inserted } = await job();
  assert.deepEqual([seq, entities_inserted], [2, 7]);
});

test("a body that stands still is cut, and what had arrived stands", async (t) => {
  const clock = new FakeClock();
  const server = await testServer(t, { clock, bodyIdleMs: 100 });
  const { path, job } = await worker(server);
  for (const type of ["application/x-ndjson", "application/json"]) {
    const { chunk, answered } = upload(t, server, path, type);
    chunk('{"type": "log", "message": "x"}\n{');
    await until(async () => (await job()).seq === 1);
    let answer = "";
    void answered.then((text) => answer = text);
    await until(() => {
      clock.advance(100); // again, where it is not being read yet
      return answer !== "";
    }, 20);

    assert.match(answer, /^HTTP\/1.1 408 /);
  }
  assert.equal((await job()).seq, 1);
});

test("an upload that is under way when the server stops is answered with what is kept", async (t) => {
  const server = await testServer(t);
  const { created, path } = await worker(server);
  const { chunk, answered } = upload(t, server, path);
  chunk('{"type": "log", "message": "x"}\n{"type": "log", "message": "y"}\n{');
  await until(async () => (await (await server.ask(path)).json()).seq === 2);

  await server.stop();
  const answer = await answered;

  assert.match(answer, /^HTTP\/1.1 503 /);
  assert.match(answer, /\r\nretry-after: 5\r\n/i);
  const { type, accepted, first_seq, last_seq } = JSON.parse(answer.split("\r\n\r\n")[1]);
  assert.equal(type, "/problems/stopping");
  assert.deepEqual([accepted, first_seq, last_seq], [2, 1, 2]);
  assert.equal(loggedEntries(join(server.temp, "data"), String(created.id)).length, 2);
});

test("an upload does not go on once its key is revoked", async (t) => {
  const server = await testServer(t);
  const key = server.key();
  const { path, job } = await worker(server);
  const line = '{"type": "log", "message": "x"}\n';
  const { socket, chunk, answered } = upload(t, server, path, "application/x-ndjson", key);
  chunk(line);
  await until(async () => (await job()).seq === 1);

  server.keys.revoke(key.split("_")[1]);
  chunk(line);
  socket.write("0\r\n\r\n");
  const answer = await answered;

  assert.match(answer, /^HTTP\/1.1 401 /);
  const { detail, accepted } = JSON.parse(answer.split("\r\n\r\n")[1]);
  assert.match(detail, /was revoked meanwhile/);
  assert.deepEqual([accepted, (await job()).seq], [1, 1]);
});

test("a download does not go on once its key is revoked", async (t) => {
  const server = await testServer(t);
  const { path } = await worker(server);
  const line = JSON.stringify({ type: "log", message: "x".repeat(10_000) });
  const headers = {
    Authorization: `Bearer ${server.key()}`,
    "Content-Type": "application/x-ndjson",
  };
  // More than all buffers between the two hold.
  const body = `${line}\n`.repeat(3_000);
  assert.equal((await server.ask(`${path}/events`, { method: "POST", headers, body })).status, 200);

  for (const [part, accept] of [["events", "*/*"], ["logs", "text/plain"]]) {
    const key = server.key(["read"]);
    const asked = { headers: { Authorization: `Bearer ${key}`, Accept: accept } };
    const reader = (await server.ask(`${path}/${part}`, asked)).body!.getReader();
    await reader.read();
    server.keys.revoke(key.split("_")[1]);

    await assert.rejects(async () => {
      while (!(await reader.read()).done);
    });
  }
});

test("an upload does not go on into another job that has taken the id", async (t) => {
  const server = await testServer(t);
  const { created, path, send } = await worker(server);
  const line = '{"type": "log", "message": "x"}\n';
  const { chunk, answered } = upload(t, server, path);
  chunk(line);
  await until(async () => (await (await server.ask(path)).json()).seq === 1);

  await server.ask(path, { method: "DELETE" });
  await send("/v1/sync/job", { id: created.id });
  chunk(line);
  const answer = await answered;

  assert.match(answer, /^HTTP\/1.1 404 /);
  assert.equal(JSON.parse(answer.split("\r\n\r\n")[1]).accepted, 1);
  assert.equal((await (await server.ask(path)).json()).seq, 0);
});

test("names that could not be kept apart are refused", async (t) => {
  const server = await testServer(t);
  const { post, send } = await worker(server);

  for (const text of ["p\ud800", "p\0"]) {
    const job = await send("/v1/sync/job", { sync: text });
    const posted = await post({ type: "progress", producer_id: text, producer_seq: 0 });
    for (const { status, errors } of [job, posted]) {
      assert.equal(status, 400);
      assert.match(errors[0].detail, /neither NUL nor half a surrogate pair/);
    }
  }
  const lines =
    '{"type": "progress"}\n{"type": "progress", "entities_encountered": {"__proto__": 5}}';
  const lost = await post(lines);
  assert.deepEqual([lost.status, lost.line, lost.accepted], [400, 2, 1]);
  assert.match(lost.detail, /__proto__/);
});

test("100,000 lines in one body are 100,000 entries", async (t) => {
  const server = await testServer(t, { eventsPerS: 1_000 });
  const { post, job } = await worker(server);
  const lines = Array.from({ length: 100_000 }, () => '{"type":"progress","delta":true,"kept":1}');

  const posted = await post(lines.join("\n"));

  assert.deepEqual([posted.first_seq, posted.last_seq], [1, 100_000]);
  assert.equal((await job()).entities_kept, 100_000);
  const more = await post({ type: "progress" });
  assert.equal(more.status, 429);
  assert.ok(Number(more.headers.get("Retry-After")) > 0);
});

test("a worker that is told to wait for longer than its lease keeps its job", async (t) => {
  const clock = new FakeClock();
  const server = await testServer(t, { clock, eventsPerS: 100 });
  const { post, job } = await worker(server, { lease_s: 5 });
  await post(Array.from({ length: 1_000 }, () => ({ type: "progress" })));

  const refused = await post({ type: "progress" });
  for (let second = 0; second < 9; second++) {
    clock.advance(1_000);
    await job(); // the leases have been looked at by then
  }
  const after = await post({ type: "progress" });

  assert.deepEqual([refused.status, refused.headers.get("Retry-After")], [429, "9"]);
  assert.deepEqual([after.status, after.first_seq], ["in_progress", 1_001]);
});

test("a worker that sends blank lines alone keeps its job, as it keeps its connection", async (t) => {
  const clock = new FakeClock();
  const server = await testServer(t, { clock });
  const { path, job } = await worker(server, { lease_s: 5 });
  const db = new DatabaseSync(join(server.temp, "data", "log.db"), { readOnly: true });
  t.after(() => db.close());
  const leaseUntil = () =>
    Number(db.prepare("SELECT lease_until_ms FROM jobs").get()?.lease_until_ms);
  const sent = upload(t, server, path);

  for (let second = 0; second < 12; second += 3) {
    clock.advance(3_000);
    sent.chunk(second === 0 ? "\n" : " \r\n\n");
    await until(() => leaseUntil() === clock.now() + 5_000);
    await job(); // the leases have been looked at by then
  }
  sent.socket.write("0\r\n\r\n");

  assert.match(await sent.answered, /^HTTP\/1.1 200 /);
  assert.equal((await job()).status, "pending");
});

test("a repeated request is answered as before, by headers or by fields", async (t) => {
  const server = await testServer(t);
  const { post, job } = await worker(server);
  const stamp = { "Producer-Id": "w", "Producer-Seq": "0" };
  const fields = { producer_id: "f", producer_epoch: 3, producer_seq: 0 };
  const event = { type: "progress", delta: true, updated: 5 };

  const first = [await post(event, stamp), await post({ ...event, ...fields })];
  const again = [await post(event, stamp), await post({ ...event, ...fields })];
  const stale = await post({ ...event, ...fields, producer_epoch: 2 });
  const late = await post(event, { ...stamp, "Producer-Seq": "5" });

  const seqs = (answers: Json[]) => answers.map(({ first_seq, last_seq }) => [first_seq, last_seq]);
  assert.deepEqual(seqs(first), [[1, 1], [2, 2]]);
  assert.deepEqual(seqs(again), seqs(first));
  assert.equal((await job()).entities_updated, 10);
  assert.equal(stale.type, "/problems/producer-fenced");
  assert.deepEqual([late.type, late.expected_seq], ["/problems/producer-out-of-order", 1]);
});

test("a producer is the same by its header and by its events, in any letters", async (t) => {
  const server = await testServer(t);
  const { post, job } = await worker(server);
  const header = (bytes: Uint8Array) => ({ "Producer-Id": String.fromCharCode(...bytes) });
  const name = "\u00e9\u{1f600}";

  await post({ type: "progress", inserted: 2, producer_id: name });
  await post({ type: "progress", inserted: 3 }, header(new TextEncoder().encode(name)));
  const refused = await post({ type: "progress", inserted: 9 }, header(Uint8Array.of(0xe9)));

  assert.deepEqual([(await job()).entities_inserted, refused.status], [3, 400]);
  assert.equal(refused.detail, "header Producer-Id: expected UTF-8");
});

test("a character that is two in JavaScript counts as one, in names of producers and of fields too", async (t) => {
  const server = await testServer(t);
  const { post } = await worker(server);
  const smiles = (many: number) => "\u{1f600}".repeat(many);
  const header = (many: number) => ({
    "Producer-Id": String.fromCharCode(...new TextEncoder().encode(smiles(many))),
  });
  const line = (many: number) => ({ type: "log", message: "", fields: { [smiles(many)]: 1 } });
  const event = (many: number) => ({ type: "progress", producer_id: smiles(many) });

  const taken = [await post(event(100)), await post(line(100)), await post("", header(100))];
  const long = [await post(event(101)), await post(line(101)), await post("", header(101))];

  assert.deepEqual(taken.map(({ status }) => status), Array(3).fill("in_progress"));
  assert.deepEqual(long.map(({ status }) => status), Array(3).fill(400));
});

test("an error that names no code is told as any other", async (t) => {
  const server = await testServer(t);
  const { post, job } = await worker(server);

  await post({ type: "end", status: "failed", error: { message: "no route" } });

  const { error } = await job();
  assert.equal(JSON.stringify(error), '{"code":"worker_failed","message":"no route"}');
});

test("cancelling reaches the worker by its next answer", async (t) => {
  const server = await testServer(t);
  const { post, send, path, job } = await worker(server);
  const before = await post({ type: "progress", inserted: 1 });

  await send(`${path}/cancel`);
  const after = await post();
  const ended = await post({ type: "end", status: "cancelled" });

  assert.deepEqual([before.cancel_requested, after.cancel_requested], [false, true]);
  assert.deepEqual(
    [after.status, after.first_seq, ended.status],
    ["cancelling", null, "cancelled"],
  );
  assert.equal((await job()).status, "cancelled");
});

test("a silent job is shown as stalled, and one that is lost keeps its late end", async (t) => {
  const clock = new FakeClock();
  const server = await testServer(t, { clock, stallAfterMs: 500 });
  const { post, job } = await worker(server, { lease_s: 5 });
  await post({ type: "progress", inserted: 1 });

  clock.advance(501);
  const { stalled } = await job();
  let seen = await job();
  while (seen.status !== "failed") {
    clock.advance(1_000);
    seen = await job();
  }
  const late = await post({ type: "end", status: "completed" });

  assert.ok(stalled);
  assert.equal(seen.error.code, "worker_lost");
  assert.deepEqual([late.type, late.job_status], ["/problems/job-ended", "failed"]);
  assert.equal((await job()).late_end.status, "completed");
});

for (
  const [what, body, pointer] of [
    ["an unknown type", { type: "nope" }, "/type"],
    ["no type", {}, "/type"],
    ["a negative count", { type: "progress", entities_inserted: -1 }, "/entities_inserted"],
    ["a fraction", { type: "progress", kept: 1.5 }, "/kept"],
    ["2^53", { type: "progress", kept: 2 ** 53 }, "/kept"],
    ["a count as text", { type: "progress", kept: "1" }, "/kept"],
    ["two names that differ", { type: "progress", kept: 1, entities_kept: 2 }, "/kept"],
    ["an unknown field", { type: "progress", "a/b": 1 }, "/a~1b"],
    ["a level that is none", { type: "log", level: "loud", message: "x" }, "/level"],
    ["no message", { type: "log" }, "/message"],
    ["fields that are none", { type: "log", message: "x", fields: ["x"] }, "/fields"],
    [
      "a field of a long name",
      { type: "log", message: "x", fields: { ["x".repeat(101)]: 1 } },
      "/fields",
    ],
    ["a time that is none", { type: "log", message: "x", time: "now" }, "/time"],
    ["a status that ends nothing", { type: "end", status: "pending" }, "/status"],
    [
      "an error of success",
      { type: "end", status: "completed", error: { message: "x" } },
      "/error",
    ],
    [
      "an empty code",
      { type: "end", status: "failed", error: { code: "", message: "x" } },
      "/error/code",
    ],
    ["something after the end", [{ type: "end", status: "failed" }, { type: "progress" }], "/1"],
    ["a wrong one in an array", [{ type: "progress" }, { type: "total", total: -1 }], "/1/total"],
    ["a seq without its producer", { type: "progress", producer_seq: 1 }, "/producer_id"],
    [
      "two producers at once",
      ["a", "b"].map((producer_id) => ({ type: "progress", kept: 1, producer_id })),
      "/1/producer_id",
    ],
  ] as const
) {
  test(`posting ${what} is refused with its place, and nothing is appended`, async (t) => {
    const server = await testServer(t);
    const { post, job } = await worker(server);

    const refused = await post(body as Json | Json[]);

    assert.equal(refused.status, 400);
    assert.deepEqual(refused.errors.map((error: Json) => error.pointer), [pointer]);
    assert.equal((await job()).seq, 0);
  });
}

test("bodies that are no UTF-8, no JSON or of another type are refused", async (t) => {
  const server = await testServer(t);
  const { path } = await worker(server);
  const post = async (body: Uint8Array | string, type: string, headers = {}) => {
    const answer = await server.ask(`${path}/events`, {
      method: "POST",
      body: body as BodyInit,
      headers: { Authorization: `Bearer ${server.key()}`, "Content-Type": type, ...headers },
    });
    return [answer.status, (await answer.json()).detail];
  };
  const bytes = new Uint8Array([0x22, 0xff, 0x22]);

  assert.match(String(await post(bytes, "application/json")), /^400,.*not UTF-8/);
  assert.match(String(await post(bytes, "application/x-ndjson")), /^400,.*Line 1.*not UTF-8/);
  assert.match(String(await post("{", "application/json")), /^400,.*not JSON/);
  assert.match(String(await post("[".repeat(100_000), "application/json")), /^400,/);
  assert.match(String(await post("x", "text/plain")), /^415,.*x-ndjson/);
  for (const type of ["application/json", "application/x-ndjson"]) {
    const packed = await post(gzipSync("{}"), type, { "Content-Encoding": "gzip" });
    const plain = await post('{"type": "progress"}', type, { "Content-Encoding": "Identity" });
    assert.deepEqual(packed, [415, 'The body has Content-Encoding "gzip"; send it as it is']);
    assert.equal(plain[0], 200);
  }
  assert.match(
    String(await post("x".repeat(1024 * 1024 + 1), "application/json")),
    /^413,.*x-ndjson/,
  );
  assert.match(String(await post("x".repeat(1024 * 1024 + 1), "application/x-ndjson")), /^413,/);
});

test("a body over its limit is told that NDJSON has the same limit for each line", async (t) => {
  const server = await testServer(t);
  const { path } = await worker(server);
  const ask = async (to: string) => {
    const answer = await server.ask(to, {
      method: "POST",
      body: JSON.stringify({ type: "log", message: "x".repeat(BODY_BYTES_MAX) }),
      headers: { "X-API-Key": server.key(), "Content-Type": "application/json" },
    });
    return [answer.status, (await answer.json()).detail];
  };

  const answers = [await ask(`${path}/events`), await ask("/v1/sync/job")];

  const detail = "A body may have at most 1048576 bytes";
  assert.deepEqual(answers, [
    [413, `${detail}; where it is one event a line (application/x-ndjson), each line may`],
    [413, detail],
  ]);
});

test("an array has at most 10,000 events, and is taken whole or not at all", async (t) => {
  const server = await testServer(t);
  const { post, job } = await worker(server);
  const events = Array.from({ length: 10_001 }, () => ({ type: "log", message: "x" }));

  const refused = await post(events);
  const before = await job();
  const taken = await post(events.slice(1));

  assert.equal(refused.status, 413);
  assert.match(refused.detail, /at most 10000 events, and this one has 10001; .*x-ndjson/);
  assert.deepEqual([before.seq, taken.first_seq, taken.last_seq], [0, 1, 10_000]);
});

test("of a body in which much is wrong the first hundred faults are named, and all counted", async (t) => {
  const server = await testServer(t);
  const { post } = await worker(server);
  const names = Array.from({ length: 300 }, (_, n) => [`k${n}`, 1]);

  const { errors, detail } = await post({ type: "progress", ...Object.fromEntries(names) });

  assert.deepEqual([errors.length, errors[99].pointer], [100, "/k99"]);
  assert.match(detail, /\(and 299 more\)/);
});

test("posting needs the scope write, and a job of one's own", async (t) => {
  const server = await testServer(t);
  const { created, path, send } = await worker(server);
  const ask = async (key: string, url: string, method = "POST") =>
    (await server.ask(url, { method, headers: { Authorization: `Bearer ${key}` } })).status;
  const reader = server.key(["read", "run"]);
  const stranger = server.key(["read", "run", "write"], "other");
  const run = await send("/v1/sync/slow/run");

  assert.equal(await ask(reader, "/v1/sync/job"), 403);
  assert.equal(await ask(reader, `${path}/events`), 403);
  assert.equal(await ask(reader, path, "DELETE"), 403);
  assert.equal(await ask(stranger, `${path}/events`), 404);
  assert.equal(await ask(stranger, path, "DELETE"), 404);
  assert.equal((await send(`/v1/sync/job/${run.id}/events`)).type, "/problems/not-outside");
  assert.ok(created.id);
});

test("a key with the scope tenants acts for any tenant, by header or by field", async (t) => {
  const server = await testServer(t);
  const key = server.key(["read", "write", "tenants"]);
  const { send } = await worker(server, {}, key);
  const theirs = { "Synctail-Tenant": "acme" };

  const byField = await send("/v1/sync/job", { tenant: "acme" });
  const byHeader = await send("/v1/sync/job", {}, theirs);
  const posted = await send(`/v1/sync/job/${byField.id}/events`, { type: "progress" }, theirs);
  const own = await send(`/v1/sync/job/${byField.id}/events`, { type: "progress" });
  const wrong = await send("/v1/sync/job", {}, { "Synctail-Tenant": "a/b" });
  const both = await send("/v1/sync/job", { tenant: "acme" }, theirs);
  const differing = await send("/v1/sync/job", { tenant: "default" }, theirs);
  const others = await server.ask(`/v1/sync/job/${byHeader.id}`, {
    headers: { Authorization: `Bearer ${server.key(["read"], "acme")}` },
  });
  const without = await worker(server, { tenant: "acme" });

  assert.deepEqual([posted.last_seq, own.status, wrong.status], [1, 404, 400]);
  assert.equal(others.status, 200);
  assert.deepEqual([both.status, differing.errors[0].pointer], ["pending", "/tenant"]);
  assert.equal(without.created.type, "/problems/forbidden");
});

test("NDJSON is kept up to the end, behind which nothing may follow", async (t) => {
  const server = await testServer(t);
  const { post, job } = await worker(server);
  const events = [
    { type: "progress", inserted: 3 },
    { type: "end", status: "completed" },
    { type: "log", message: "too late" },
  ];

  const refused = await post(events.map((event) => `${JSON.stringify(event)}\n`).join(""));

  assert.deepEqual([refused.status, refused.accepted, refused.last_seq], [409, 2, 2]);
  assert.equal((await job()).status, "completed");
});

test("a numbered request of several commits is taken whole, and once", async (t) => {
  const server = await testServer(t);
  const { post } = await worker(server);
  const stamp = { "Producer-Id": "w", "Producer-Seq": "0" };
  const lines = Array.from({ length: 2_500 }, (_, n) => `{"type":"log","message":"${n}"}`);

  const first = await post(lines.join("\n"), stamp);
  const again = await post(lines.join("\n"), stamp);

  assert.deepEqual([first.first_seq, first.last_seq], [1, 2_500]);
  assert.equal(again.last_seq, 2_500);
});

test("a worker is told whether somebody watches, and posts more often then", async (t) => {
  const server = await testServer(t);
  const { post, path } = await worker(server);
  const told = async () => {
    const { viewers, interval_ms } = await post({ type: "progress" });
    return [viewers, interval_ms];
  };

  const before = await told();
  const stream = await server.ask(`${path}/subscribe`);
  const during = await told();
  await stream.body?.cancel();

  assert.deepEqual([before, during], [[0, 5_000], [1, 250]]);
});

test("a worker that ends its job as cancelled is told so, also the second time", async (t) => {
  const server = await testServer(t);
  const { post } = await worker(server);
  const stamp = { "Producer-Id": "w", "Producer-Seq": "0" };
  const end = { type: "end", status: "cancelled" };

  const answers = [await post(end, stamp), await post(end, stamp)];

  assert.deepEqual(
    answers.map(({ status, cancel_requested }) => [status, cancel_requested]),
    [["cancelled", true], ["cancelled", true]],
  );
});

test("what an event lacks, and a time that names no offset, are told in the words of workers", async (t) => {
  const server = await testServer(t);
  const { post } = await worker(server);

  const silent = await post([{ type: "log", level: "info" }]);
  const local = await post({ type: "log", message: "a", time: "2026-01-15T10:00:00" });

  assert.equal(silent.detail, "/0/message: this is missing");
  assert.equal(
    local.detail,
    "/time: expected RFC 3339 with Z or an offset, such as 2026-01-15T10:00:00Z",
  );
});

test("limits of names are told to those who pass them, and by /openapi.json", async (t) => {
  const server = await testServer(t);
  const { post } = await worker(server);
  const { components } = await (await fetch(`${server.url}/openapi.json`)).json();
  const [{ properties: progress }, { properties: log }] = components.schemas.Event.oneOf;
  const told = (type: string) => post({ type: "progress", entities_encountered: { [type]: 1 } });

  const kept = await told("t".repeat(200));
  const long = await told("t".repeat(201));
  const named = await post({ type: "log", message: "", fields: { ["n".repeat(101)]: 1 } });

  assert.match(progress.entities_encountered.description, /1 to 200 characters; .* 1000 types/);
  assert.equal(kept.last_seq, 1);
  assert.match(long.detail, /^\/entities_encountered\/t+: Too big: .* <=200 characters$/);
  assert.equal(named.detail, "/fields: expected members with names of at most 100 characters");
  assert.match(log.fields.description, /100 characters, and 20 levels; .* become texts/);
});

test("/openapi.json has the bounds of counts, and the kinds of the headers of producers", async (t) => {
  const server = await testServer(t);
  const { post } = await worker(server);
  const { paths, components } = await (await fetch(`${server.url}/openapi.json`)).json();
  const { minimum, maximum } = components.schemas.Event.oneOf[0].properties.inserted;
  const kinds = paths["/v1/sync/job/{job_id}/events"].post.parameters
    .filter(({ name }: { name: string }) => name.startsWith("Producer-"))
    .map(({ schema }: Json) => schema);

  const most = await post({ type: "progress", inserted: maximum });
  const more = await post({ type: "progress", inserted: maximum + 1 });
  const word = await post("", { "Producer-Id": "a", "Producer-Seq": "first" });
  const nobody = await post("", { "Producer-Id": "" });

  assert.deepEqual([minimum, maximum], [0, Number.MAX_SAFE_INTEGER]);
  assert.deepEqual([most.status, more.status], ["in_progress", 400]);
  const [id, epoch, seq] = kinds;
  assert.deepEqual([id.minLength, id.maxLength], [1, 100]);
  assert.deepEqual([epoch.type, seq.type, seq.minimum], ["integer", "integer", 0]);
  assert.equal(word.detail, 'header Producer-Seq: got "first": expected a whole number');
  assert.equal(nobody.status, 400);
});

test("what is no event at all is refused as the value that it is", async (t) => {
  const server = await testServer(t);
  const { path, send } = await worker(server);

  const { status, detail, errors } = await send(`${path}/events`, 5 as unknown as Json);

  assert.deepEqual([status, errors[0].pointer], [400, ""]);
  assert.match(detail, /^the value: /);
});

test("log lines that are too long for one page are on the next ones", async (t) => {
  const server = await testServer(t);
  const { post, path } = await worker(server);
  await post(Array.from({ length: 12 }, () => ({ type: "log", message: "x".repeat(60_000) })));
  const seqs: number[] = [];
  let pages = 0;

  for (let after: string | null = "0"; after !== null; pages++) {
    const page: Json = await (await server.ask(`${path}/logs?after=${after}`)).json();
    seqs.push(...(page.items as Json[]).map(({ seq }) => seq as number));
    after = page.next_cursor as string | null;
  }

  assert.deepEqual(seqs, Array.from({ length: 12 }, (_, n) => n + 1));
  assert.ok(pages > 1);
});

test("log lines for people hold nothing that a terminal or a browser would act on", async (t) => {
  const server = await testServer(t);
  const { post, path } = await worker(server);
  await post({ type: "log", source: "a\u001b[2Jb", message: "<script>" });

  const headers = { Authorization: `Bearer ${server.key()}`, Accept: "text/html,*/*;q=0.8" };
  const answer = await server.ask(`${path}/logs`, { headers });

  assert.equal(answer.headers.get("Content-Type"), "text/plain; charset=utf-8");
  assert.match(await answer.text(), /Z info {4}\[a\[2Jb\] <script>\n$/);
});

test("the kind of a body is the same in capital letters and with its charset", async (t) => {
  const server = await testServer(t);
  const { post } = await worker(server);
  const type = { "Content-Type": "Application/X-NDJSON; charset=utf-8" };

  const { last_seq } = await post('{"type":"log","message":"x"}', type);

  assert.equal(last_seq, 1);
});

test("events of one request that name different epochs of their producer are refused", async (t) => {
  const server = await testServer(t);
  const { post } = await worker(server);
  const event = { type: "progress", producer_id: "w" };

  const { status, errors } = await post([event, { ...event, producer_epoch: 1 }]);

  assert.deepEqual([status, errors[0].pointer], [400, "/1/producer_id"]);
});

test("lines that name their producer too late are refused, as the ones before are kept without it", async (t) => {
  const server = await testServer(t);
  const { post } = await worker(server);
  const event = JSON.stringify({ type: "progress", delta: true, inserted: 1 });
  const named = JSON.stringify({ type: "progress", producer_id: "w", producer_seq: 0 });

  const answers = [
    await post(`${event}\n${named}\n`),
    await post(`${`${event}\n`.repeat(1_000)}${named}\n`),
    await post(`${named}\n${event}\n`),
  ];

  assert.deepEqual(
    answers.map(({ status, line, accepted }) => [status, line, accepted]),
    [[400, 2, 1], [400, 1_001, 1_000], ["in_progress", undefined, undefined]],
  );
});

test("the last 0 log lines are none, as JSON, NDJSON and text", async (t) => {
  const server = await testServer(t);
  const { post, path } = await worker(server);
  await post([{ type: "log", message: "one" }, { type: "progress" }]);
  const get = async (accept: string) => {
    const headers = { Authorization: `Bearer ${server.key()}`, Accept: accept };
    const answer = await server.ask(`${path}/logs?tail=0`, { headers });
    return [answer.status, await answer.text()];
  };

  assert.deepEqual(await get("application/json"), [200, '{"items":[],"next_cursor":null}']);
  assert.deepEqual(await get("application/x-ndjson"), [200, ""]);
  assert.deepEqual(await get("text/plain"), [200, ""]);
});

test("log lines are answered as JSON, NDJSON and text, by range and level", async (t) => {
  const server = await testServer(t);
  const { post, path } = await worker(server);
  await post([
    { type: "log", message: "one", source: "a", fields: { n: 1 } },
    { type: "progress", inserted: 1 },
    { type: "log", level: "error", message: "two\n\u001b[2Jlines" },
    { type: "log", level: "debug", message: "three" },
  ]);
  const get = async (query: string, accept = "*/*") => {
    const headers = { Authorization: `Bearer ${server.key()}`, Accept: accept };
    return await server.ask(`${path}/logs${query}`, { headers });
  };
  const seqs = async (query: string) => {
    const { items, next_cursor } = await (await get(query)).json();
    return [items.map(({ seq }: Json) => seq), next_cursor];
  };

  assert.deepEqual(await seqs(""), [[1, 3, 4], null]);
  assert.deepEqual(await seqs("?level=info"), [[1, 3], null]);
  assert.deepEqual(await seqs("?limit=1"), [[1], "1"]);
  assert.deepEqual(await seqs("?limit=1&after=1"), [[3], "3"]);
  assert.deepEqual(await seqs("?after=1&until=3"), [[3], null]);
  assert.deepEqual(await seqs("?tail=2"), [[3, 4], null]);
  assert.deepEqual(await seqs("?tail=2&after=3"), [[4], null]);
  assert.deepEqual(await seqs("?tail=1&until=3"), [[3], null]);
  assert.deepEqual(await seqs("?tail=9&until=2"), [[1], null]);
  assert.deepEqual(await seqs("?until=1&limit=1"), [[1], null]);
  assert.deepEqual((await (await get("")).json()).items[0].fields, { n: 1 });
  const ndjson = (await (await get("", "application/x-ndjson")).text()).trim().split("\n");
  assert.deepEqual(ndjson.map((line) => JSON.parse(line).message), [
    "one",
    "two\n\u001b[2Jlines",
    "three",
  ]);
  const text = await (await get("?level=error", "text/plain")).text();
  assert.match(text, /^\S+Z error {3}two\\n\[2Jlines\n$/);
  assert.equal((await get("?level=loud")).status, 400);
  const raw = (await (await server.ask(`${path}/events?after=1`)).text()).trim().split("\n");
  assert.deepEqual(raw.map((line) => JSON.parse(line).seq), [2, 3, 4]);
  assert.deepEqual(raw.map((line) => JSON.parse(line).type), ["progress", "log", "log"]);
});

test("ids of 64 bits in fields and meta keep all of their digits, as texts", async (t) => {
  const server = await testServer(t);
  const { id } = await server.ask("/v1/sync/job", {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key()}`, "Content-Type": "application/json" },
    body: '{"meta": {"id": 12345678901234567890, "n": 12}}',
  }).then((answer) => answer.json());
  const path = `/v1/sync/job/${id}`;
  const line = '{"type": "log", "message": "m", "fields": {"ids": [9007199254740993, 1e400, 1.5]}}';
  for (
    const [type, body] of [
      ["application/json", line],
      ["application/json", `[${line}]`],
      ["application/x-ndjson", `{"type": "progress"}\n${line}\n`],
    ]
  ) {
    const headers = { Authorization: `Bearer ${server.key()}`, "Content-Type": type };
    const answer = await server.ask(`${path}/events`, { method: "POST", headers, body });
    assert.equal(answer.status, 200);
  }

  const { meta } = await (await server.ask(path)).json();
  const { items } = await (await server.ask(`${path}/logs`)).json();

  assert.deepEqual(meta, { id: "12345678901234567890", n: 12 });
  const ids = ["9007199254740993", "1e400", 1.5];
  assert.deepEqual(items.map(({ fields }: Json) => fields), Array(3).fill({ ids }));
});

test("DELETE removes a job, ends its streams, and all jobs of a tenant", async (t) => {
  const server = await testServer(t);
  const { path, post, send } = await worker(server);
  await post({ type: "progress", inserted: 1 });
  const { id } = await send("/v1/sync/slow/run");
  // Bun's fetch loses what arrives together with the breaking off.
  const viewer = await RawViewer.open(`${server.url}${path}/subscribe`, server.key());
  const drained = viewer.drain();
  await until(() => viewer.text().includes('"seq": 1'));

  const removed = await server.ask(path, { method: "DELETE" });
  await drained;
  const running = await server.ask(`/v1/sync/job/${id}`, { method: "DELETE" });
  await send("/v1/sync/job", { sync: "theirs" });
  const cleared = await (await server.ask("/v1/tenant", { method: "DELETE" })).json();

  assert.equal(removed.status, 204);
  assert.match(viewer.text(), /"code": "job_deleted"/);
  assert.equal((await server.ask(path)).status, 404);
  assert.equal((await post({ type: "progress" })).status, 404);
  assert.equal(running.status, 204);
  assert.equal(cleared.removed, 1);
  assert.deepEqual((await (await server.ask("/v1/sync/jobs")).json()).items, []);
  const { items } = await (await server.ask("/v1/sync")).json();
  assert.deepEqual(items.map(({ name }: Json) => name), ["docs", "slow"]);
});

test("a log line whose time RFC 3339 cannot tell has that of its append", async (t) => {
  const server = await testServer(t);
  const { post, path } = await worker(server);
  const line = { type: "log", message: "x" };

  await post([
    { ...line, time: "9999-12-31T23:59:59-14:00" },
    { ...line, time: "0000-01-01T00:00:00+14:00" },
    { ...line, time: "0000-01-01T00:00:00Z" },
  ]);

  const { items } = await (await server.ask(`${path}/logs`)).json();
  const times = items.map(({ time }: { time: string }) => time);
  const year = String(new Date().getUTCFullYear());
  assert.deepEqual(times.map((time: string) => time.slice(0, 4)), [year, year, "0000"]);
});

test("two DELETEs of a tenant at once count each job once", async (t) => {
  const server = await testServer(t);
  for (let n = 0; n < 50; n++) await worker(server);

  const removed = await Promise.all([1, 2].map(async () => {
    return (await (await server.ask("/v1/tenant", { method: "DELETE" })).json()).removed;
  }));

  assert.equal(removed[0] + removed[1], 50);
});

test("DELETE of a tenant removes all of its jobs, however many there are", async (t) => {
  const server = await testServer(t);
  const { send } = await worker(server);
  for (let hundred = 0; hundred < 2; hundred++) {
    await Promise.all(Array.from({ length: 100 }, () => send("/v1/sync/job", {})));
  }

  const { removed } = await (await server.ask("/v1/tenant", { method: "DELETE" })).json();

  assert.equal(removed, 201);
  assert.deepEqual((await (await server.ask("/v1/sync/jobs")).json()).items, []);
});

test("without room an append is answered 507, nothing is lost, and streams go on", async (t) => {
  const server = await testServer(t, { pagesMax: 60, heartbeatMs: 50 });
  const { path, post, job } = await worker(server);
  const stream = await server.ask(`${path}/subscribe`);
  const reader = stream.body?.getReader();
  const event = { type: "log", message: "x".repeat(20_000) };

  let answer = await post(event);
  let kept = 0;
  for (; answer.status !== 507; answer = await post(event)) kept = Number(answer.last_seq);
  const heartbeat = async () => {
    for (;;) {
      const { value } = await reader?.read() ?? {};
      if (new TextDecoder().decode(value).includes("heartbeat")) return true;
    }
  };

  const seq = (await job()).seq;
  assert.ok(await heartbeat());
  const ended = await post({ type: "end", status: "failed" });
  assert.equal(ended.status, "failed", "the end has room that is kept for it");
  assert.equal(seq, kept);
  assert.ok(kept > 0);
  assert.equal(answer.type, "/problems/storage-full");
  assert.equal(answer.headers.get("Retry-After"), "5", "sooner than most leases are over");
  await reader?.cancel();
});

test("NDJSON that finds no room any more says how many of its events were kept", async (t) => {
  const server = await testServer(t, { pagesMax: 60 });
  const { post, job } = await worker(server);
  const line = `${JSON.stringify({ type: "log", message: "x".repeat(20_000) })}\n`;

  const answer = await post(line.repeat(100));

  assert.equal(answer.status, 507);
  assert.equal(answer.accepted, (await job()).seq);
});

test("a key that asks more often than allowed gets 429, and its streams are asked to come back", async (t) => {
  const server = await testServer(t, { requestsPerS: 5, clock: new FakeClock() });
  const ask = (path: string, key: string, method = "GET") =>
    fetch(server.url + path, { method, headers: { Authorization: `Bearer ${key}` } });
  const { id } = await (await server.ask("/v1/sync/job", {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key()}` },
  })).json();
  const busy = server.key();

  let refused: Response | undefined;
  while (!refused) {
    const answer = await ask("/v1/sync", busy);
    if (answer.status === 429) refused = answer;
    else await answer.body?.cancel();
  }
  const stream = await RawViewer.open(`${server.url}/v1/sync/job/${id}/subscribe`, busy);
  await stream.drain();
  const post = await ask(`/v1/sync/job/${id}/subscribe`, busy, "POST");
  const other = await ask("/v1/sync", server.key());

  assert.equal((await refused.json()).type, "/problems/too-many-requests");
  assert.ok(Number(refused.headers.get("Retry-After")) >= 1);
  assert.match(stream.text(), /^retry: \d+\ndata: \{"type": "heartbeat"\}/);
  assert.deepEqual([post.status, other.status], [429, 200]);
});
