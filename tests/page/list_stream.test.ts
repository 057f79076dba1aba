import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { pageFile } from "../support/page_file.ts";

const { JobsStore } = await pageFile("jobs_store.js");
const { ANSWER_MS, listStream, stillSignedIn } = await pageFile("list_stream.js");
const { setTold } = await pageFile("time.js");
const { isStalled } = await pageFile("words.js");

const S = 1_000;
const STALL_MS = 60 * S;
const CONNECTED = { type: "connected" };
const HEARTBEAT = { type: "heartbeat" };
const COMPLETE = { ...HEARTBEAT, snapshot_complete: true };

interface Source {
  onmessage(message: { data: string; lastEventId: string }): void;
  onerror(): void;
}

/** A list of one job, in a browser of the test's, whose time passes when the test says so. */
function bench(t: TestContext) {
  const { now } = Date;
  const { EventSource } = globalThis;
  let nowMs = now();
  let source: Source | undefined;
  Date.now = () => nowMs;
  Object.assign(globalThis, {
    document: Object.assign(new EventTarget(), { baseURI: "http://test/" }),
    EventSource: class {
      static readonly CLOSED = 2;
      constructor() {
        source = this as unknown as Source;
      }
      close() {}
    },
  });
  Object.defineProperty(navigator, "onLine", { value: true, configurable: true });
  const value = () => [{ nextHopProtocol: "h2" }]; // other tabs do not matter
  Object.defineProperty(performance, "getEntriesByType", { value, configurable: true });
  const store = new JobsStore(10);
  const states: { readonly kind: string; readonly heardMs?: number }[] = [];
  const place = { link: (state: { kind: string }) => states.push(state) };
  const streams: { close(): void }[] = [];
  t.after(() => {
    for (const stream of streams) stream.close();
    setTold(0);
    Date.now = now;
    Object.assign(globalThis, { EventSource });
    Reflect.deleteProperty(globalThis, "document");
    Reflect.deleteProperty(navigator, "onLine");
    Reflect.deleteProperty(performance, "getEntriesByType");
  });
  return {
    store,
    states,
    now: () => nowMs,
    passes(ms: number) {
      nowMs += ms;
    },
    /** Shows the list. */
    opens() {
      const stream = listStream(place, store, () => {});
      streams.push(stream);
      return stream;
    },
    tells(...frames: object[]) {
      for (const frame of frames) {
        source?.onmessage({ data: JSON.stringify(frame), lastEventId: "" });
      }
    },
    fails: () => source?.onerror(),
    /** The job's frame, as it was heard of at that time. */
    heard: (atMs: number) => ({
      type: "progress",
      job_id: "a",
      status: "in_progress",
      created_at: new Date(0).toISOString(),
      heard_at: new Date(atMs).toISOString(),
      tags: [],
    }),
    stalled: () => isStalled(store.shown[0].job, STALL_MS),
  };
}

test("a list calls a job stalled only for a silence that its stream has told of", (t) => {
  const { opens, tells, heard, passes, stalled, now } = bench(t);
  const startMs = now();
  const seen: boolean[] = [];
  const look = () => seen.push(stalled());
  opens();

  tells(CONNECTED, heard(startMs - 3_600 * S));
  look(); // the snapshot may tell of it again
  tells(heard(startMs), COMPLETE);
  look();
  passes(STALL_MS);
  look(); // of these seconds nothing was told
  tells(HEARTBEAT);
  look();
  tells(heard(now()));
  look();
  const heardMs = now();
  passes(3_600 * S);
  tells(CONNECTED);
  look(); // it was away
  tells(heard(heardMs));
  look();
  tells(COMPLETE);
  look();

  assert.deepEqual(seen, [false, false, false, true, false, false, false, true]);
});

test("a list that is come back to is of when it was left, and says so where no answer comes", (t) => {
  const { opens, tells, heard, fails, passes, stalled, states, store, now } = bench(t);
  const stream = opens();
  tells(CONNECTED, heard(now()), COMPLETE);
  const leftMs = now();
  stream.close();
  passes(3_600 * S);
  setTold(now()); // of another list

  opens();
  const back = stalled();
  fails();
  const state = states.at(-1);
  store.forget();

  assert.equal(back, false);
  assert.deepEqual(state, { kind: "lost", heardMs: leftMs });
  assert.equal(store.toldMs, 0); // the next session's list begins anew
});

test("a list that was never told anything does not say when it was heard", (t) => {
  const { opens, fails, states } = bench(t);

  opens();
  fails();

  assert.deepEqual(states.at(-1), { kind: "lost", heardMs: 0 });
});

test("stillSignedIn() takes it that the session holds where no answer comes in time", async (t) => {
  const { fetch } = globalThis;
  const { timeout } = AbortSignal;
  const waits: number[] = [];
  const limit = new AbortController();
  t.after(() => {
    globalThis.fetch = fetch;
    Object.assign(AbortSignal, { timeout });
    Reflect.deleteProperty(globalThis, "document");
  });
  Object.assign(globalThis, { document: { baseURI: "http://test/" } });
  Object.assign(AbortSignal, { timeout: (ms: number) => (waits.push(ms), limit.signal) });
  globalThis.fetch = (_, init) => {
    limit.abort();
    return Promise.reject(init?.signal?.reason ?? new Error("It waits for ever"));
  };
  const reasons: string[] = [];

  const holds = await stillSignedIn({ signedOut: (reason: string) => reasons.push(reason) });

  assert.deepEqual([holds, reasons, waits], [true, [], [ANSWER_MS]]);
});
