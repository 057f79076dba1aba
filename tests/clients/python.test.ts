/** The Python client: its own tests, and real workers against a real server. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { freePort } from "../support/free_port.ts";
import { type TestServer, testServer } from "../support/server.ts";
import { framesOf } from "../support/stream_bench.ts";
import type { Cleanup } from "../support/program.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const WORKER = join(ROOT, "tests/clients/python_worker.py");

/** Starts python3; without one the test fails. */
function python(t: Cleanup, args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn("python3", args, {
    cwd: join(ROOT, "clients/python"),
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  t.after(() => void child.kill("SIGKILL"));
  let stdout = "";
  let stderr = "";
  let look = () => {};
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
    look();
  });
  child.stderr.on("data", (chunk) => stderr += chunk);
  const end = new Promise<{ code: number | string; stdout: string; stderr: string }>((resolve) => {
    child.on("error", ({ message }) => resolve({ code: message, stdout, stderr }));
    child.on("close", (code, signal) => resolve({ code: code ?? signal ?? "", stdout, stderr }));
  });
  return {
    end,
    said: (text: string) =>
      new Promise<void>((resolve, reject) => {
        look = () => stdout.includes(text) && resolve();
        end.then(({ code, stderr }) => reject(new Error(`It ended with ${code}: ${stderr}`)));
        look();
      }),
    tell: (line: string) => child.stdin.end(`${line}\n`),
  };
}

/** A worker of a kind that python_worker.py has. */
function worker(
  t: Cleanup,
  server: Pick<TestServer, "url" | "key">,
  args: readonly [kind: string, jobId: string, ...more: string[]],
) {
  const env = { SYNCTAIL_SERVER: server.url, SYNCTAIL_KEY: server.key(["write"]) };
  return python(t, [WORKER, ...args], env);
}

async function ask(server: TestServer, path: string, init: RequestInit = {}) {
  const answer = await server.ask(path, init);
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return await answer.json();
}

/** A job that this process creates, so that it can be watched from its start. */
async function created(server: TestServer): Promise<string> {
  const { id } = await ask(server, "/v1/sync/job", { method: "POST" });
  return id;
}

/** Every log line of a job as `level source message`. */
async function lines(server: TestServer, id: string): Promise<string[]> {
  const all: string[] = [];
  for (let after = "";;) {
    const { items, next_cursor } = await ask(server, `/v1/sync/job/${id}/logs?limit=1000${after}`);
    for (const { level, source = "-", message } of items) all.push(`${level} ${source} ${message}`);
    if (next_cursor === null) return all;
    after = `&after=${next_cursor}`;
  }
}

test("the Python client passes its own tests", async (t) => {
  const { code, stderr } = await python(t, ["-m", "unittest", "-q", "test_synctail"]).end;

  assert.equal(code, 0, stderr);
  assert.match(stderr, /^Ran [1-9]\d* tests/m);
});

test("a Python worker's job has its totals, its words, its log lines and its end", async (t) => {
  const server = await testServer(t);
  const id = crypto.randomUUID();

  const { code, stderr } = await worker(t, server, ["count", id]).end;

  assert.deepEqual([code, stderr], [0, ""]);
  const job = await ask(server, `/v1/sync/job/${id}`);
  const { status, entities_inserted, entities_updated, entities_encountered, error } = job;
  assert.deepEqual(
    { status, entities_inserted, entities_updated, entities_encountered, error },
    {
      status: "completed",
      entities_inserted: 900,
      entities_updated: 100,
      entities_encountered: { user: 900 },
      error: null,
    },
  );
  const { name, sync, tags, meta, total, bytes_done, warnings, phase } = job;
  assert.deepEqual(
    { name, sync, tags, meta, total, bytes_done, warnings, phase },
    {
      name: "count",
      sync: "users",
      tags: ["nightly"],
      meta: { rows: 1000 },
      total: 1000,
      bytes_done: 3000,
      warnings: 1,
      phase: "counting",
    },
  );
  assert.deepEqual(await lines(server, id), [
    "info - begun",
    "warning users 100 were there already",
    "debug - done",
  ]);
});

test("a Python worker's job ends whatever names it is told", async (t) => {
  const server = await testServer(t);
  const id = crypto.randomUUID();

  const { code, stderr } = await worker(t, server, ["odd", id]).end;

  assert.deepEqual([code, stderr], [0, ""]);
  const { status, sync, tags, meta, entities_encountered } = await ask(
    server,
    `/v1/sync/job/${id}`,
  );
  const renamed = { "(__proto__)": { "(__proto__)": 1 } };
  assert.deepEqual([status, sync, tags, meta, entities_encountered], [
    "completed",
    `a?b?${"Ж".repeat(95)}…`,
    [`${"Ж".repeat(99)}…`],
    renamed,
    { "(__proto__)": 1, [`${"Ж".repeat(199)}…`]: 2 },
  ]);
  assert.deepEqual(await lines(server, id), ["info - x"]);
});

test("a Python worker that raises has failed, and still raises", async (t) => {
  const server = await testServer(t);
  const id = crypto.randomUUID();

  const { code, stderr } = await worker(t, server, ["fail", id]).end;

  const job = await ask(server, `/v1/sync/job/${id}`);
  assert.deepEqual([job.status, job.entities_inserted, job.error], [
    "failed",
    3,
    { code: "ValueError", message: "row 4 has no id" },
  ]);
  assert.equal(code, 1);
  assert.match(stderr, /ValueError: row 4 has no id/);
});

test("a Python worker stops when its job is cancelled", async (t) => {
  const server = await testServer(t);
  const id = await created(server);
  const watched = await server.ask(`/v1/sync/job/${id}/subscribe`);
  const running = worker(t, server, ["loop", id]);
  const reader = watched.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes('"status": "in_progress"')) text += (await reader?.read())?.value ?? "";

  await ask(server, `/v1/sync/job/${id}/cancel`, { method: "POST", headers: auth(server) });
  const { code, stderr } = await running.end;
  for (let chunk = await reader?.read(); !chunk?.done; chunk = await reader?.read()) {
    text += chunk?.value ?? "";
  }

  assert.deepEqual([code, stderr], [0, ""]);
  const last = framesOf(text).at(-1)?.data;
  assert.equal(last.status, "cancelled");
  assert.ok(Number(last.entities_kept) > 0);
});

test("a Python worker that was killed goes on with its job and counts nothing twice", async (t) => {
  const server = await testServer(t);
  const [id, second] = [crypto.randomUUID(), crypto.randomUUID()];
  const checkpoint = join(server.temp, "checkpoint");

  const killed = await worker(t, server, ["resume", id, checkpoint]).end;
  const between = await ask(server, `/v1/sync/job/${id}`);
  const resumed = await worker(t, server, ["resume", id, checkpoint]).end;
  const anew = await worker(t, server, ["again", second, id]).end;

  assert.deepEqual([killed.code, resumed.code, anew.code], ["SIGKILL", 0, 0]);
  assert.deepEqual([between.status, between.entities_inserted], ["in_progress", 400]);
  const { items } = await ask(server, "/v1/sync/jobs");
  const jobs = new Map(
    items.map(({ id, status, entities_inserted, attempt, retry_of }: Record<string, unknown>) => [
      id,
      { status, entities_inserted, attempt, retry_of },
    ]),
  );
  const done = { status: "completed", entities_inserted: 1000 };
  assert.deepEqual(
    jobs,
    new Map<unknown, unknown>([
      [second, { ...done, attempt: 2, retry_of: id }],
      [id, { ...done, attempt: 1, retry_of: null }],
    ]),
  );
});

test("a Python worker outlives a restart of the server, and nothing is lost or doubled", async (t) => {
  const server = await testServer(t, { port: await freePort() });
  const id = crypto.randomUUID();
  const running = worker(t, server, ["halves", id]);
  await running.said("half");

  await server.restart();
  running.tell("go on");
  const { code, stderr } = await running.end;

  assert.equal(code, 0, stderr);
  const job = await ask(server, `/v1/sync/job/${id}`);
  assert.deepEqual([job.status, job.entities_inserted], ["completed", 1000]);
  const expected = Array.from({ length: 1000 }, (_, n) => `info - entity ${n}`);
  assert.deepEqual(await lines(server, id), expected);
});

test("requests of a Python worker whose answers are lost are taken once", async (t) => {
  const server = await testServer(t);
  const id = crypto.randomUUID();
  const { url, lost } = await answersLost(t, server.url);

  const { code, stderr } = await worker(t, { url, key: server.key }, ["flushes", id]).end;

  assert.equal(code, 0, stderr);
  assert.ok(lost() >= 30, `${lost()} answers were lost`);
  const job = await ask(server, `/v1/sync/job/${id}`);
  assert.deepEqual([job.status, job.entities_inserted], ["completed", 30]);
  const expected = Array.from({ length: 30 }, (_, n) => `info - entity ${n}`);
  assert.deepEqual(await lines(server, id), expected);
});

test("several Python workers of one job add up", async (t) => {
  const server = await testServer(t);
  const id = await created(server);

  const ends = await Promise.all([1, 2, 3].map(() => worker(t, server, ["part", id]).end));

  assert.deepEqual(ends.map(({ code, stderr }) => [code, stderr]), Array(3).fill([0, ""]));
  const job = await ask(server, `/v1/sync/job/${id}`);
  assert.deepEqual([job.status, job.entities_updated, job.entities_encountered], [
    "in_progress",
    300,
    { row: 300 },
  ]);
});

function auth(server: TestServer): Record<string, string> {
  return { Authorization: `Bearer ${server.key()}` };
}

/** A way to the server on which every other answer is lost, after the server has given it. */
async function answersLost(t: Cleanup, to: string) {
  let requests = 0;
  let lost = 0;
  const proxy = createServer(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
    chunks.reduce((at, chunk) => (body.set(chunk, at), at + chunk.length), 0);
    const names = [
      "authorization",
      "content-type",
      "producer-id",
      "producer-epoch",
      "producer-seq",
    ];
    const headers = names.flatMap((name): [string, string][] => {
      const value = request.headers[name];
      return typeof value === "string" ? [[name, value]] : [];
    });
    const answer = await fetch(to + request.url, {
      method: "POST",
      headers,
      body: body.length > 0 ? body : undefined,
    });
    const text = await answer.text();
    if (requests++ % 2 === 0) {
      lost++;
      request.socket.destroy();
      return;
    }
    response.writeHead(answer.status, { "Content-Type": "application/json" }).end(text);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  t.after(() =>
    new Promise<void>((resolve) => {
      proxy.closeAllConnections();
      proxy.close(() => resolve());
    })
  );
  const { port } = proxy.address() as AddressInfo; // it listens on a port
  return { url: `http://127.0.0.1:${port}`, lost: () => lost };
}
