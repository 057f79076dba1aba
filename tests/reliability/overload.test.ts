import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { systemClock } from "../../src/clock.ts";
import type { ServerOptions } from "../../src/cli/server.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { type Cleanup, startProgram } from "../support/program.ts";
import { RawViewer } from "../support/raw_viewer.ts";
import { rounds } from "../support/seed.ts";
import { testServer } from "../support/server.ts";
import { until } from "../support/until.ts";

const SENT_AWAY = /^retry: \d+\ndata: \{"type": "heartbeat"\}\n\n$/;

async function twoTenants(t: Cleanup, options: Partial<ServerOptions>) {
  const server = await testServer(t, options);
  const tenants = await Promise.all(["default", "other"].map(async (tenant) => {
    const key = server.key(undefined, tenant);
    const send = (path: string, body: unknown, more = {}) =>
      fetch(server.url + path, {
        method: "POST",
        headers: {
          "Authorization": `Bearer ${key}`,
          "Content-Type": "application/json",
          ...more,
        },
        body: JSON.stringify(body),
      });
    const { id } = await (await send("/v1/sync/job", {})).json();
    const watch = (job = id, by = key) =>
      watched(t, `${server.url}/v1/sync/job/${job}/subscribe`, by);
    return { key, id, send, watch };
  }));
  return { server, tenants };
}

/** The first frames of a stream that stays open, or all of one that is broken off. */
async function watched(t: Cleanup, url: string, key: string): Promise<string> {
  const viewer = await RawViewer.open(url, key);
  t.after(() => void viewer.socket.destroy());
  const drained = viewer.drain();
  for (let text = ""; !viewer.socket.closed; text = viewer.text()) {
    if (text.includes("connected")) return text;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await drained;
  assert.ok(!viewer.whole(), "it ended as if it were whole");
  return viewer.text();
}

for (
  const limit of ["viewersMax", "viewersPerTenant", "viewersPerJob", "viewersPerKey"] as const
) {
  test(`${limit} asks the viewer beyond it to come back, and nobody whom it does not count`, async (t) => {
    const { server, tenants: [one, two] } = await twoTenants(t, { [limit]: 2 });
    await one.watch();
    await one.watch();

    const third = await one.watch();
    const others = await two.watch();
    const ofKey = await one.watch(undefined, server.key());
    const { id } = await (await one.send("/v1/sync/job", {})).json();
    const ofJob = await one.watch(id);

    const connected = (text: string) => text.includes("connected");
    assert.match(third, SENT_AWAY);
    assert.equal(connected(others), limit !== "viewersMax");
    assert.equal(connected(ofKey), limit === "viewersPerKey");
    assert.equal(connected(ofJob), limit === "viewersPerJob");
  });
}

test("a limit of 0 is none, of viewers and of jobs on their way", async (t) => {
  const limits = { viewersMax: 0, viewersPerTenant: 0, viewersPerJob: 0, viewersPerKey: 0 };
  const { tenants: [{ watch }] } = await twoTenants(t, { ...limits, jobsPerTenant: 0 });

  assert.match(await watch(), /connected/);
});

test("requests beyond their rate are 429, streams are asked to come back, and another tenant feels nothing", async (t) => {
  // No time passes by which a rate could recover.
  const clock = { ...systemClock, now: () => 1e12, monotonic: () => 0 };
  const { tenants: [one, two] } = await twoTenants(t, { requestsPerS: 20, clock });
  const statuses: number[] = [];
  let last: Response | undefined;
  for (let n = 0; n < 100 && last?.status !== 429; n++) {
    last = await one.send("/v1/sync/job", {});
    statuses.push(last.status);
    await last.body?.cancel();
  }

  const stream = await one.watch();
  const other = await two.send("/v1/sync/job", {});

  assert.equal(last?.status, 429);
  assert.ok(Number(last?.headers.get("Retry-After")) >= 1);
  assert.match(stream, SENT_AWAY);
  assert.equal(other.status, 201);
});

test("jobs beyond jobsPerTenant are 429 until one of them ends, and another tenant feels nothing", async (t) => {
  const { tenants: [one, two] } = await twoTenants(t, { jobsPerTenant: 3 });
  const create = async ({ send }: typeof one) => {
    const answer = await send("/v1/sync/job", {});
    const { type } = await answer.json();
    return { status: answer.status, after: answer.headers.get("Retry-After"), type };
  };
  let last = await create(one);
  for (let n = 0; n < 10 && last.status === 201; n++) last = await create(one);

  const other = await create(two);
  await (await one.send(`/v1/sync/job/${one.id}/events`, { type: "end", status: "completed" }))
    .text();
  const after = await create(one);

  assert.equal(last.status, 429);
  assert.match(last.type, /too-many-jobs$/);
  assert.ok(Number(last.after) >= 1);
  assert.equal(other.status, 201);
  assert.equal(after.status, 201);
});

for (const limit of ["eventsPerS", "tenantEventsPerS"] as const) {
  test(`events beyond ${limit} are 429 with nothing taken, and another tenant feels nothing`, async (t) => {
    const { tenants: [one, two] } = await twoTenants(t, { [limit]: 10 });
    const post = ({ id, send }: typeof one, count: number) =>
      send(`/v1/sync/job/${id}/events`, Array(count).fill({ type: "log", message: "x" }));
    const taken = await (await post(one, 500)).json();

    const refused = await post(one, 1);
    const other = await post(two, 1);

    assert.equal(taken.last_seq, 500);
    assert.equal(refused.status, 429);
    assert.ok(Number(refused.headers.get("Retry-After")) >= 1);
    assert.equal(other.status, 200);
    assert.equal((await other.json()).last_seq, 1);
  });
}

test("a thousand connections that never send a byte do not keep a viewer out", async (t) => {
  // A process of its own, so that 10,000 have room in what a process may have open.
  const { url, firstKey } = await startProgram(t, { args: ["serve"] });
  const key = await firstKey();
  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let n = 0; n < rounds(1_000); n += 50) {
    await Promise.all(Array.from({ length: 50 }, async () => {
      const socket = connect(Number(new URL(url).port), "127.0.0.1");
      socket.on("error", () => {}); // the server may tire of it
      sockets.push(socket);
      await once(socket, "connect");
    }));
  }

  const init = { method: "POST", headers: { Authorization: `Bearer ${key}` } };
  const { id } = await (await fetch(`${url}/v1/sync/job`, init)).json();
  const seen = await watched(t, `${url}/v1/sync/job/${id}/subscribe`, key);
  const open = sockets.filter(({ closed }) => !closed).length;

  assert.match(seen, /"type": "connected"/);
  assert.ok(open > sockets.length / 2, `${open} are still open`);
});

/** Deno keeps a connection whose request it has not read to its end: a proxy has to cut it. */
const CLOSES = "Bun" in globalThis;

for (const type of ["application/json", "application/x-ndjson"]) {
  test(`a body of ${type} that never ends is given up with words, and its connection closed`, async (t) => {
    const clock = new FakeClock();
    const { server, tenants: [one] } = await twoTenants(t, { clock, bodyIdleMs: 100 });
    const socket = await unended(
      t,
      server.port,
      `POST /v1/sync/job/${one.id}/events HTTP/1.1\r\n` +
        `Host: 127.0.0.1:${server.port}\r\nAuthorization: Bearer ${one.key}\r\n` +
        `Content-Type: ${type}\r\nContent-Length: 1000\r\n\r\n{"type":`,
    );

    await until(() => {
      clock.advance(100); // again, where it is not being read yet
      return socket.said().includes("body-timeout");
    }, 20);
    if (CLOSES) await socket.closed;

    assert.match(socket.said(), /^HTTP\/1\.1 408/);
    assert.match(socket.said(), /^connection: close\r$/mi);
    assert.match(socket.said(), /body-timeout/);
    assert.equal((await one.send(`/v1/sync/job/${one.id}/events`, [])).status, 200);
  });
}

test("headers that never end are cut under Bun; under Deno they keep nobody out", async (t) => {
  const { server, tenants: [one] } = await twoTenants(t, {});
  const sockets = await Promise.all(Array.from(
    { length: 20 },
    () => unended(t, server.port, "POST /v1/sync/job HTTP/1.1\r\nHost: x\r\nX-Slow: "),
  ));

  assert.match(await one.watch(), /"type": "connected"/);
  assert.equal((await one.send("/v1/sync/job", {})).status, 201);
  // Bun's own limit, which cannot be set for one connection.
  if (CLOSES) await Promise.all(sockets.map(({ closed }) => closed));
});

/** A connection that says that much and no more. */
async function unended(t: Cleanup, port: number, request: string) {
  const socket = connect(port, "127.0.0.1");
  t.after(() => void socket.destroy());
  let said = "";
  socket.on("data", (bytes) => said += bytes);
  socket.on("error", () => {}); // it may be reset
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await once(socket, "connect");
  socket.write(request);
  return { closed, said: () => said };
}
