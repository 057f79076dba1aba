import assert from "node:assert/strict";
import { after, test } from "node:test";
import { freePort } from "../support/free_port.ts";
import { closeBrowser, freshPage } from "../support/page.ts";
import { testServer } from "../support/server.ts";
import { until } from "../support/until.ts";

after(closeBrowser);

/** What the page has seen of a stream. */
interface Watched {
  readonly types: string[];
  readonly last: { readonly status: string; readonly seq: number; readonly is_complete?: boolean };
  readonly seqs: number[];
  readonly errors: number;
  readonly state: number;
}

/** Watches with the browser's own EventSource until `done`, an expression over `seen`, holds. */
const watch = (path: string, done: string) =>
  `new Promise((resolve) => {
    const source = new EventSource(${JSON.stringify(path)});
    const seen = { types: [], seqs: [], errors: 0, last: {} };
    const look = () => {
      seen.state = source.readyState;
      if (${done}) resolve(seen);
    };
    source.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      seen.types.push(frame.type);
      if (frame.type === "progress") { seen.seqs.push(frame.seq); seen.last = frame; }
      look();
    };
    source.onerror = () => { seen.errors++; look(); };
  })`;

test("Chromium's EventSource follows a job to its end, comes back once, and is stopped by the 204", async (t) => {
  const server = await testServer(t, { retryMs: 100 });
  const page = await freshPage(t);
  const key = server.key();
  await page.open(`${server.url}/openapi.json`, { Authorization: `Bearer ${key}` });
  const job = await (await server.ask("/v1/sync/docs/run", {
    method: "POST",
    headers: { Authorization: `Bearer ${key}` },
  })).json();

  // readyState 2 is CLOSED: EventSource makes no request after that.
  const seen = await page.run<Watched>(
    watch(`/v1/sync/job/${job.id}/subscribe`, "source.readyState === 2"),
  );

  assert.equal(seen.types[0], "connected");
  assert.deepEqual([seen.last.status, seen.last.is_complete], ["completed", true]);
  // One error is the clean end, the other the 204.
  assert.deepEqual([seen.errors, seen.state], [2, 2]);
  assert.deepEqual(seen.seqs, [...new Set(seen.seqs)].sort((a, b) => a - b));
  assert.equal(seen.types.filter((type) => type === "connected").length, 1);
});

test("Chromium's EventSource comes back by itself when the server was away, and misses nothing", async (t) => {
  const first = await testServer(t, { retryMs: 100, port: await freePort() });
  const page = await freshPage(t);
  const key = first.key();
  await page.open(`${first.url}/openapi.json`, { Authorization: `Bearer ${key}` });
  const job = await (await first.ask("/v1/sync/slow/run", {
    method: "POST",
    headers: { Authorization: `Bearer ${key}` },
  })).json();
  const path = `/v1/sync/job/${job.id}/subscribe`;
  const watching = page.run<Watched>(watch(path, "source.readyState === 2"));
  await until(async () => (await (await first.ask(`/v1/sync/job/${job.id}`)).json()).viewers === 1);

  await first.restart();
  const seen = await watching;

  assert.equal(seen.last.status, "cancelled");
  assert.deepEqual(seen.seqs, [...new Set(seen.seqs)].sort((a, b) => a - b));
});
