import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { Display } from "../../src/cli/display.ts";
import { exitCodeOf } from "../../src/cli/exit.ts";
import { follow } from "../../src/cli/follow.ts";
import { showJob } from "../../src/cli/show_job.ts";
import { FakeClock } from "../support/fake_clock.ts";
import type { Cleanup } from "../support/program.ts";
import { testServer } from "../support/server.ts";
import { until } from "../support/until.ts";

/** A server with a worker's job. */
async function worked(t: Cleanup) {
  const server = await testServer(t);
  const key = server.key();
  const headers = { Authorization: `Bearer ${key}` };
  const created = await server.ask("/v1/sync/job", { method: "POST", headers });
  const { id } = await created.json();
  return { server, key, headers, id };
}

/** Deno forgets the signal of a fetch whose body is waited for, once it has collected its garbage. */
function withoutSignals(t: Cleanup): void {
  const own = globalThis.fetch;
  const fetching = (...[url, init]: Parameters<typeof fetch>) =>
    own(url, { ...init, signal: undefined });
  globalThis.fetch = Object.assign(fetching, own);
  t.after(() => void (globalThis.fetch = own));
}

test("follow() ends when its signal fires, whatever has become of it at the connection", async (t) => {
  const { server, key, id } = await worked(t);
  withoutSignals(t);
  const leave = new AbortController();
  const payloads: unknown[] = [];

  const following = (async () => {
    const options = { server: server.url, key, job: id, clock: new FakeClock(), onLost: () => {} };
    for await (const payload of follow({ ...options, signal: leave.signal })) {
      payloads.push(payload.type);
      if (payloads.length === 1) setTimeout(() => leave.abort(), 0); // it waits for the next by then
    }
  })();
  await following;

  assert.equal(payloads[0], "connected");
});

test("follow() leaves a silent connection, whatever has become of its signal there", async (t) => {
  const { server, key, id } = await worked(t);
  withoutSignals(t);
  const clock = new FakeClock();
  const leave = new AbortController();
  const lost: string[] = [];
  const onLost = (words: string) => {
    lost.push(words);
    leave.abort();
  };
  const options = { server: server.url, key, job: id, clock, onLost, signal: leave.signal };

  for await (const { type } of follow(options)) {
    // It waits for the next one by then.
    if (type === "connected") setTimeout(() => clock.advance(90_000), 0);
  }

  assert.deepEqual(lost, [`Connection lost: ${server.url}: nothing has come for 90 s`]);
});

test("showJob() does not come back to a job that was removed, and says so", async (t) => {
  const { server, key, headers, id } = await worked(t);
  const said: string[] = [];
  const display: Display = {
    show({ type, code }) {
      said.push(type === "error" ? String(code) : type);
      if (said.length > 1) return;
      server.ask(`/v1/sync/job/${id}`, { method: "DELETE", headers }).catch(assert.ifError);
    },
    say: (text) => assert.fail(text),
    end: () => {},
  };

  const status = await showJob({ server: server.url, key }, id, {
    display,
    clock: new FakeClock(),
  });

  assert.equal(status, "job_deleted");
  assert.equal(said.at(-1), "job_deleted");
});

test("follow() leaves a connection on which nothing comes any more, and goes on where it was", async (t) => {
  const answers: ServerResponse[] = [];
  const asked: unknown[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers["last-event-id"]);
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    answers.push(response);
    const over = answers.length === 3 ? ', "is_complete": true' : "";
    // The second one does not even begin.
    if (answers.length === 2) return;
    response.write(`data: {"type": "progress"${over}}\nid: a-${answers.length}\n\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const answer of answers) answer.destroy();
    server.close();
  });
  const clock = new FakeClock();
  const lost: string[] = [];
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const options = { server: url, key: "k", job: "j", clock };
  const onLost = (words: string) => void lost.push(words);
  let frames = 0;

  const following = (async () => {
    for await (const _ of follow({ ...options, onLost })) frames++;
  })();
  await until(() => frames === 1);
  clock.advance(60_000);
  answers[0].write('data: {"type": "heartbeat"}\n\n');
  await until(() => frames === 2);
  clock.advance(89_999);
  answers[0].write('data: {"type": "heartbeat"}\n\n');
  await until(() => frames === 3);
  clock.advance(90_000);
  for (const n of [1, 2]) {
    await until(() => lost.length === n);
    clock.advance(15_000);
    await until(() => asked.length === n + 1);
    if (n === 1) clock.advance(90_000);
  }
  await following;

  const words = `Connection lost: ${url}: nothing has come for 90 s`;
  assert.deepEqual([lost, frames], [[words, words], 4]);
  assert.deepEqual(asked, [undefined, "a-1", "a-1"]);
  assert.equal(clock.waiting, 0);
});

test("follow() takes nothing for the job that another server answers in its place, and comes back", async (t) => {
  const stream = { "Content-Type": "text/event-stream" };
  const frame = (n: number, more = "") => `data: {"type": "progress"${more}}\nid: a-${n}\n\n`;
  const answers: readonly [status: number, headers: Record<string, string>, body?: string][] = [
    [204, {}],
    [200, { "Content-Type": "text/html" }, "<p>Maintenance</p>"],
    [200, stream, "data: null\n\n"],
    [200, stream, "data: hello\n\n"],
    [200, stream, frame(1)],
    [404, { "Content-Type": "text/html" }, "<p>default backend</p>"],
    [403, { "Content-Type": "application/json" }, '{"detail": "\\u001b[31mblocked"}'],
    [204, {}],
    [200, stream, frame(2, ', "is_complete": true')],
  ];
  const asked: unknown[] = [];
  const server = createServer((request, response) => {
    const [status, headers, body] = answers[asked.length] ?? [500, {}];
    asked.push(request.headers["last-event-id"]);
    response.writeHead(status, headers).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const clock = new FakeClock();
  const lost: string[] = [];
  const onLost = (words: string, waitMs: number) => {
    lost.push(words.replace(`${url}: `, ""));
    setImmediate(() => clock.advance(waitMs)); // it sleeps by then
  };

  const frames: unknown[] = [];
  for await (const { type } of follow({ server: url, key: "k", job: "j", clock, onLost })) {
    frames.push(type);
  }

  const stranger = "what answers there is no synctail server";
  assert.deepEqual(frames, ["progress", "progress"]);
  assert.deepEqual(asked, [...Array(5).fill(undefined), ...Array(4).fill("a-1")]);
  assert.deepEqual(lost, [
    `No connection yet: ${stranger}`,
    `No connection yet: ${stranger}`,
    `Connection lost: ${stranger}`,
    `Connection lost: ${stranger}`,
    "Connection lost: the stream ended before the job did",
    "Connection lost: the server answered 404",
    "Connection lost: [31mblocked (403)",
    `Connection lost: ${stranger}`,
  ]);
});

test("follow() does not wait for a server that was not there from the start", async (t) => {
  const server = createServer((_request, response) => void response.writeHead(404).end("no"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const onLost = (words: string) => assert.fail(words);

  const first = follow({ server: url, key: "k", job: "j", clock: new FakeClock(), onLost }).next();

  await assert.rejects(first, {
    message: `Cannot watch job "j" at ${url}: the server answered 404`,
  });
});

test("show() ends with the server's words where the job went while the connection was away", async (t) => {
  const detail = "There is nothing here";
  const problem = JSON.stringify({ type: "/problems/not-found", detail });
  const answers: readonly [status: number, type: string, body: string][] = [
    [200, "text/event-stream", 'data: {"type": "progress"}\nid: a-1\n\n'],
    [404, "application/problem+json", problem],
  ];
  let asked = 0;
  const server = createServer((_request, response) => {
    const [status, type, body] = answers[asked++] ?? [500, "text/plain", ""];
    response.writeHead(status, { "Content-Type": type }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const clock = new FakeClock();
  const said: string[] = [];
  const say = (text: string) => {
    said.push(text);
    setImmediate(() => clock.advance(1_000)); // it sleeps by then
  };
  const display: Display = { show: () => {}, say, end: () => {} };

  const status = await showJob({ server: url, key: "k" }, "j", { display, clock });

  assert.equal(exitCodeOf(status), 1);
  assert.deepEqual(said, [
    `Connection lost: ${url}: the stream ended before the job did; trying again in 1 s`,
    `Cannot watch job "j" at ${url}: ${detail} (404)`,
  ]);
});
