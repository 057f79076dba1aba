/** What a job's page makes of a stream that fails or falls silent. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Page } from "../support/chromium.ts";
import { chooseLevel, closeBrowser, heldClock, signedInPage, workersJob } from "../support/page.ts";
import type { Cleanup } from "../support/program.ts";
import { testServer } from "../support/server.ts";

after(closeBrowser);

const STATUS = `document.querySelector(".status")?.textContent`;
const STALL = `document.querySelector(".stall:not([hidden])")?.textContent`;

/** The page of a job whose streams come from the test; the job's id, too. */
async function jobPage(t: Cleanup): Promise<{ page: Page; id: string }> {
  const server = await testServer(t, { stallAfterMs: 60_000 });
  const { id } = await workersJob(server);
  const page = await signedInPage(t, server);
  await page.until(`document.querySelector(".job-row a") && document.querySelector(".sync-card")`);
  await page.run(`{
    window.opened = 0;
    window.EventSource = class {
      static CLOSED = 2;
      constructor() {
        opened++;
        window.source = this;
      }
      close() {}
    };
    0;
  }`);
  return { page, id };
}

/** Goes from the list to the job. */
async function goToJob(page: Page): Promise<void> {
  await page.run(`document.querySelector(".job-row a").click()`);
  await page.until(`${STATUS} === "In progress"`);
}

/** As where a proxy answers that there is no server. */
const GIVES_UP = "source.readyState = EventSource.CLOSED, source.onerror(), 0";

test("a job that is found to be gone once its page was left does not take the place of the next page", async (t) => {
  const { page, id } = await jobPage(t);
  await goToJob(page);
  await page.run(`{
    const ask = window.fetch;
    window.fetch = (url, init) =>
      url.endsWith("/v1/sync/job/${id}")
        ? new Promise((resolve) => window.answer = resolve)
        : ask(url, init);
    0;
  }`);

  await page.run(GIVES_UP);
  await page.until("window.answer !== undefined");
  await page.run(`document.querySelector(".brand").click()`);
  const title = await page.run("document.title");
  await page.run(`answer({
    ok: false,
    status: 404,
    headers: new Headers(),
    json: () => Promise.resolve({}),
  }), 0`);

  assert.equal(title, "Jobs - synctail");
  assert.equal(await page.run("document.title"), title);
  assert.equal(await page.run(`document.querySelector("#jobs-title") !== null`), true);
});

test("a job's page whose server takes what it is asked and does not answer tries another stream", async (t) => {
  const { page, id } = await jobPage(t);
  await goToJob(page);
  await page.run(`{
    window.asked = [];
    AbortSignal.timeout = () => {
      const limit = new AbortController();
      window.timeUp = () => {
        window.timeUp = undefined;
        limit.abort();
      };
      return limit.signal;
    };
    window.fetch = (url, { signal }) => {
      asked.push(new URL(url).pathname);
      return new Promise((_, reject) =>
        signal?.addEventListener("abort", () => reject(signal.reason)));
    };
    0;
  }`);
  const before = await page.run<number>("opened");

  await page.run(GIVES_UP);
  await page.until("asked.length === 1");
  await page.run("timeUp(), 0");
  await page.until("asked.length === 2");
  await page.run("timeUp(), 0");
  await page.until(`opened === ${before + 1}`);

  assert.deepEqual(await page.run("asked"), ["/v1/session", `/v1/sync/job/${id}`]);
});

test("a job's silence is counted from when it fell silent, not from the last line that is shown", async (t) => {
  const { page } = await jobPage(t);
  await heldClock(page);
  await goToJob(page);
  // At once, or the page would find a stream dead that says nothing for an hour.
  const tell = (afterMs: number, ...frames: object[]) =>
    page.run(`atMs += ${afterMs};
      for (const frame of ${JSON.stringify(frames)}) {
        source.onmessage({ data: JSON.stringify(frame), lastEventId: "" });
      }`);
  const connected = { type: "connected" };
  const heartbeat = { type: "heartbeat" };
  const stalled = { ...heartbeat, stalled: true };
  const since = (words: string) =>
    page.until(`${STALL} === "Nothing has been heard of this job for ${words}: it may be stuck."`);

  await tell(0, connected, heartbeat);
  await tell(3_600_000, heartbeat); // so there were lines of a level that is not shown
  await tell(60_000, stalled);
  await since("1 min");
  await page.until(`document.title === "Stalled - users - synctail"`);
  await tell(20_000, stalled);
  await since("1 min 20 s");
  await tell(600_000, heartbeat); // such a line again
  await page.until(`document.title === "10.0 % - users - synctail"`);
  // The stream was away: whether it has fallen silent only now is not known.
  await tell(7_200_000, connected, stalled);
  await since("2 h 1 min");
  // A line came when it was away.
  const time = new Date(await page.run<number>("atMs") + 3_600_000 - 90_000);
  const log = { type: "log", seq: 99, time, level: "info", message: "a line" };
  await tell(3_600_000, connected, log, stalled);
  await since("1 min 30 s");

  assert.deepEqual(page.complaints, []);
});

test("a log is not said to have no lines before the stream has told of them", async (t) => {
  const { page } = await jobPage(t);
  await goToJob(page);
  const tell = (frame: object) =>
    page.run(
      `source.onmessage({ data: ${JSON.stringify(JSON.stringify(frame))}, lastEventId: "" })`,
    );
  const said = () => page.run<string>(`document.querySelector(".lines-empty").innerText`);
  const progress = {
    type: "progress",
    seq: 2,
    status: "in_progress",
    last_update_timestamp: new Date().toISOString(),
    entities_encountered: {},
  };

  const first = [await said()];
  for (const frame of [{ type: "connected" }, progress]) {
    await tell(frame);
    first.push(await said());
  }
  await page.run(GIVES_UP);
  await chooseLevel(page, "error");

  const anew = [await said()];
  await tell({ type: "connected", resume: "start" }); // no totals follow where nothing is logged
  anew.push(await said());

  assert.deepEqual(first, ["Loading", "Loading", "No log lines of this level."]);
  assert.deepEqual(anew, ["Loading", "No log lines of this level."]);
});

test("a rate is not told for as long as a job only logs, on its page and in the list", async (t) => {
  const { page, id } = await jobPage(t);
  await heldClock(page);
  await goToJob(page);
  /** Frames, whose times are in milliseconds from now. */
  const tell = (...frames: object[]) =>
    page.run(`for (const { at, ...frame } of ${JSON.stringify(frames)}) {
      for (const [key, ms] of Object.entries(at ?? {})) frame[key] = new Date(atMs + ms).toISOString();
      source.onmessage({ data: JSON.stringify(frame), lastEventId: "" });
    }`);
  const progress = (seq: number, at: object) => ({
    ...{ type: "progress", job_id: id, seq, status: "in_progress", tags: [] },
    ...{ entities_inserted: 20, entities_encountered: {}, total: 100, rate_per_s: 5, eta_s: 16 },
    at: { created_at: -60_000, started_at: -60_000, ...at },
  });
  const log = { type: "log", level: "info", message: "still trying" };
  const paces = (place: string) => `document.querySelector("${place}")?.textContent`;

  await tell({ type: "connected" }, progress(2, { last_update_timestamp: 0 }));
  await page.until(`${paces(".pace")} === "5/s" && ${paces(".left")} === "16 s left"`);
  await page.run("atMs += 11_000, 0");
  await tell({ ...log, seq: 3, at: { time: 0 } });
  await page.until(`document.querySelector(".line") && ${paces(".pace")} === ""`);
  const left = await page.run(paces(".left"));
  await page.run(`document.querySelector(".brand").click()`);
  const complete = { type: "heartbeat", snapshot_complete: true };
  await tell(
    ...[{ type: "connected" }, progress(2, { last_update_timestamp: 0, heard_at: 0 }), complete],
  );
  await page.until(`${paces(".job-pace")} === "5/s, 16 s left"`);
  await tell(progress(3, { last_update_timestamp: -11_000, heard_at: 0 }));
  await page.until(`${paces(".job-pace")} === ""`);

  assert.equal(left, "");
  assert.deepEqual(page.complaints, []);
});
