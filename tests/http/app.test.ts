import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers";
import { httpApp } from "../../src/http/app.ts";
import { Metrics } from "../../src/http/metrics.ts";
import { OPENED_A_TURN } from "../../src/http/open_in_turns.ts";
import { PublicOrigin } from "../../src/http/public_origin.ts";
import { Rates } from "../../src/http/rates.ts";
import type { Services } from "../../src/http/services.ts";
import { WriteDeadline } from "../../src/stream/write_deadline.ts";
import { authBench } from "../support/auth.ts";
import { line, newJob } from "../support/log_contract.ts";
import { MemoryLog } from "../support/memory_log.ts";
import type { Cleanup } from "../support/program.ts";

/** The app on a log in memory, without what streams and runs need, and a connection to it. */
function bench(t: Cleanup) {
  const { authenticator, key, keys, clock } = authBench(t);
  const log = new MemoryLog(clock);
  const services = {
    authenticator,
    bodyIdleMs: 30_000,
    clock,
    log,
    corsOrigins: [],
    downloads: new WriteDeadline(clock, 1_000),
    metrics: new Metrics("0", "test"),
    origin: new PublicOrigin({
      hostname: "127.0.0.1",
      publicUrl: undefined,
      allowedHosts: [],
      trustedProxies: [],
    }),
    dispatcher: { halt: () => Promise.resolve() },
    rates: new Rates(clock, { jobEvents: Infinity, tenantEvents: Infinity, requests: Infinity }),
  } as unknown as Services; // the other parts are not asked for anything here
  const app = httpApp(services, "0");
  const kept: (number | undefined)[] = [];
  const connection = { remote: "127.0.0.1", keepOpen: (ms?: number) => void kept.push(ms) };
  const ask = async (path: string, init?: RequestInit) =>
    await app.fetch(new Request(`http://127.0.0.1${path}`, init), connection);
  const get = (path: string, headers: Record<string, string> = {}) => ask(path, { headers });
  return { clock, kept, ask, get, key, keys, log };
}

test("a download asks the runtime to let its connection be quiet, and no other answer does", async (t) => {
  const { kept, get, key, log } = bench(t);
  const { job } = await log.create(newJob());
  await log.append(job, () => ({ facts: [line("x")] }));
  const path = `/v1/sync/job/${job.id}`;
  const Authorization = `Bearer ${key().key}`;
  const keptFor = async (part: string, Accept: string) => {
    kept.length = 0;
    const answer = await get(path + part, { Authorization, Accept });
    await answer.text();
    assert.equal(answer.status, 200);
    return [...kept];
  };

  const quietMs = 91_500; // more than a download that nobody takes is given
  assert.deepEqual(await keptFor("/events", "*/*"), [quietMs]);
  assert.deepEqual(await keptFor("/logs", "text/plain"), [quietMs]);
  assert.deepEqual(await keptFor("/logs", "application/x-ndjson"), [quietMs]);
  assert.deepEqual(await keptFor("/logs", "application/json"), []);
});

test("a removal asks the runtime to let its connection be quiet, as it may take minutes", async (t) => {
  const { kept, ask, key, log } = bench(t);
  const { job } = await log.create(newJob());
  const headers = { Authorization: `Bearer ${key(["write"]).key}` };

  const one = await ask(`/v1/sync/job/${job.id}`, { method: "DELETE", headers });
  const all = await ask("/v1/tenant", { method: "DELETE", headers });

  assert.deepEqual([one.status, all.status], [204, 200]);
  assert.deepEqual(kept, [undefined, undefined]);
});

test("a body that arrives when its key was revoked meanwhile does nothing", async (t) => {
  const { ask, key, keys, log } = bench(t);
  const { job } = await log.create(newJob());
  const path = `/v1/sync/job/${job.id}`;

  for (const [to, text] of [["/events", "[]"], ["/ticket", "{}"], ["/cancel", "{}"]]) {
    const asking = key(["read", "run", "write"]);
    const body = new ReadableStream({
      pull(controller) {
        keys.revoke(asking.id);
        controller.enqueue(new TextEncoder().encode(text));
        controller.close();
      },
    }, { highWaterMark: 0 }); // read only once it is known who asks
    const headers = { Authorization: `Bearer ${asking.key}`, "Content-Type": "application/json" };
    const init = { method: "POST", headers, body, duplex: "half" };

    const answer = await ask(path + to, init);

    assert.equal(answer.status, 401, to);
    const { detail } = await answer.json();
    assert.equal(detail, "The key, token or session of this request was revoked meanwhile");
  }
});

test("the app lets OPENED_A_TURN streams in with each turn of the event loop, and all else at once", async (t) => {
  const { get } = bench(t);
  let turn = 0;
  let over = false;
  t.after(() => void (over = true));
  const count = () => setImmediate(() => ++turn && !over && count());
  count();
  const turnOf = async (path: string) => {
    await get(path); // it is refused for its key, once it is let in
    return turn;
  };
  const ofPath = async (path: string) => {
    const turns = await Promise.all(Array.from({ length: OPENED_A_TURN + 1 }, () => turnOf(path)));
    return new Set(turns).size;
  };

  assert.equal(await ofPath("/v1/sync/job/770e8400-e29b-41d4-a716-446655440002/subscribe"), 2);
  assert.equal(await ofPath("/v1/sync/jobs/subscribe"), 2);
  assert.equal(await ofPath("/v1/sync/jobs"), 1);
});
