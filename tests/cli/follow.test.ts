import assert from "node:assert/strict";
import { test } from "node:test";
import type { Display } from "../../src/cli/display.ts";
import { follow } from "../../src/cli/follow.ts";
import { show } from "../../src/cli/show.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { testServer } from "../support/server.ts";

// Deno forgets the signal of a fetch whose body is waited for, once it has collected its garbage.
test("follow() ends when its signal fires, whatever has become of it at the connection", async (t) => {
  const server = await testServer(t);
  const key = server.key();
  const headers = { Authorization: `Bearer ${key}` };
  const created = await server.ask("/v1/sync/job", { method: "POST", headers });
  const { id } = await created.json();
  const own = globalThis.fetch;
  const fetching = (...[url, init]: Parameters<typeof fetch>) =>
    own(url, { ...init, signal: undefined });
  globalThis.fetch = Object.assign(fetching, own);
  t.after(() => void (globalThis.fetch = own));
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

test("show() does not come back to a job that was removed, and says so", async (t) => {
  const server = await testServer(t);
  const key = server.key();
  const headers = { Authorization: `Bearer ${key}` };
  const { id } = await (await server.ask("/v1/sync/job", { method: "POST", headers })).json();
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

  const status = await show({ server: server.url, key }, id, { display, clock: new FakeClock() });

  assert.equal(status, "job_deleted");
  assert.equal(said.at(-1), "job_deleted");
});
