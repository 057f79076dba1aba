import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { pageFile } from "../support/page_file.ts";

const { JobsStore, JOBS_MAX, listedFrom } = await pageFile("jobs_store.js");

interface Shown {
  readonly job: { readonly id: string; readonly status: string };
}

/** The frame of a job that was created at that second. */
const frame = (id: string, status: string, second: number, more = {}) => ({
  type: "progress",
  job_id: id,
  status,
  created_at: new Date(second * 1_000).toISOString(),
  sync: "docs",
  sync_id: "s1",
  name: null,
  tags: [],
  ...more,
});
const CONNECTED = { type: "connected" };
const COMPLETE = { type: "heartbeat", snapshot_complete: true };
const FILTER = { status: "", sync: "", tag: "", text: "" };

/** A store that was told of these in a snapshot. */
function told(endedMax: number, ...frames: unknown[]) {
  const store = new JobsStore(endedMax);
  for (const each of [CONNECTED, ...frames, COMPLETE]) store.take(each);
  return store;
}

const ids = (store: { shown: readonly Shown[] }) => store.shown.map(({ job }) => job.id);

/** Answers what the page asks the server for; each asking is noted. */
function answering(t: TestContext, answer: (query: URLSearchParams) => unknown): string[] {
  const asked: string[] = [];
  const { fetch } = globalThis;
  t.after(() => {
    globalThis.fetch = fetch;
    Reflect.deleteProperty(globalThis, "document");
  });
  Object.assign(globalThis, { document: { baseURI: "http://test/" } });
  globalThis.fetch = (input) => {
    const { search, searchParams } = new URL(String(input));
    asked.push(search);
    return Promise.resolve(Response.json(answer(searchParams)));
  };
  return asked;
}

test("JobsStore shows what is on its way first, then the newest, whatever comes when", () => {
  const store = told(
    10,
    frame("a", "completed", 3),
    frame("b", "in_progress", 1),
    frame("c", "failed", 4),
    frame("d", "pending", 2),
  );
  const before = ids(store);

  store.take(frame("d", "completed", 2));
  store.take(frame("e", "pending", 5));

  assert.deepEqual(before, ["d", "b", "c", "a"]);
  assert.deepEqual(ids(store), ["e", "b", "c", "a", "d"]);
  assert.equal(store.size, 5);
});

test("JobsStore shows the same, however often somebody looks while jobs begin, end and go", () => {
  const STATUSES = ["pending", "in_progress", "completed", "failed"];
  const filter = { ...FILTER, status: "ended" };
  for (const looked of [FILTER, filter]) {
    const seen = told(1_000);
    const unseen = told(1_000);
    seen.filter = unseen.filter = looked;
    for (let n = 0; n < 500; n++) {
      const id = `job ${n * 7 % 31}`;
      const news = n % 11 === 10
        ? { type: "error", job_id: id }
        : frame(id, STATUSES[n * 13 % 17 % 4], n * 7 % 31 % 9);
      const before = seen.shown;
      const copy = [...before];

      seen.take(news);
      unseen.take(news);

      assert.deepEqual(before, copy, "what was given away has changed");
      if (n % 10 !== 9) continue;
      unseen.filter = looked; // which sorts anew
      assert.deepEqual(ids(seen), ids(unseen));
    }
    assert.ok(seen.shown.length > 5, `${seen.shown.length}`);
  }
});

test("a job that ends is put at its place: the others are not sorted for it", () => {
  let compared = 0;
  const at = (second: number) => ({ created_at: { valueOf: () => (compared++, second) } });
  const jobs = Array.from({ length: 1_000 }, (_, n) => frame(`${n}`, "in_progress", n, at(n)));
  const store = told(1_000, ...jobs);
  const before = store.shown.length;
  compared = 0;

  store.take({ ...jobs[500], status: "completed" });
  const after = ids(store);

  assert.deepEqual([before, after.length, after.at(-1)], [1_000, 1_000, "500"]);
  assert.ok(compared < 100, `${compared}`);
});

test("take() says what has happened: a snapshot, a job that begins and an end once, but none of a snapshot", () => {
  const store = new JobsStore(10);

  const said = [
    CONNECTED,
    frame("a", "completed", 1),
    frame("b", "in_progress", 2),
    COMPLETE,
    frame("b", "in_progress", 2),
    frame("b", "failed", 2),
    frame("b", "failed", 2),
    frame("c", "pending", 3),
    frame("c", "in_progress", 3),
  ].map((each) => store.take(each));

  assert.deepEqual(said, [
    undefined,
    undefined,
    undefined,
    "snapshot",
    undefined,
    "ended",
    undefined,
    "begun",
    undefined,
  ]);
});

test("a snapshot takes away what is gone, and nothing that it does not reach", () => {
  const store = told(
    2,
    frame("running", "in_progress", 9),
    frame("new", "completed", 8),
    frame("old", "completed", 3),
  );
  store.take(frame("older", "completed", 2));

  store.take(CONNECTED);
  const meanwhile = ids(store);
  store.take(frame("newest", "completed", 10));
  store.take(frame("old", "completed", 3));
  store.take(COMPLETE);

  // Of the ends it has told two, as many as it may: what is older than both may be there still.
  assert.deepEqual(meanwhile, ["running", "new", "old", "older"]);
  assert.deepEqual(ids(store), ["newest", "old", "older"]);
  assert.equal(store.more, true);
});

test("only the ends that a snapshot has told say whether there may be more", () => {
  const store = told(2, frame("a", "completed", 3), frame("b", "pending", 4));

  for (const id of ["b", "c"]) store.take(frame(id, "completed", 5));
  store.filter = { ...FILTER, status: "failed" };

  assert.equal(store.more, false);
});

test("a snapshot that has told all ends takes away every other", () => {
  const store = told(2, frame("a", "completed", 3), frame("b", "completed", 2));
  assert.deepEqual(ids(store), ["a", "b"]);

  for (const each of [CONNECTED, frame("a", "completed", 3), COMPLETE]) store.take(each);

  assert.deepEqual(ids(store), ["a"]);
});

test("a snapshot takes nothing away that only an earlier one has reached", () => {
  const store = told(2, frame("a", "completed", 3), frame("b", "completed", 2));

  for (const each of [CONNECTED, frame("d", "failed", 9), frame("c", "failed", 8), COMPLETE]) {
    store.take(each);
  }

  assert.deepEqual(ids(store), ["d", "c", "a", "b"]);
});

test("a job that was removed is gone, and a fault of the stream takes none away", () => {
  const store = told(10, frame("a", "completed", 1), frame("b", "completed", 2));
  assert.deepEqual(ids(store), ["b", "a"]);

  store.take({ type: "error", job_id: "a", code: "job_deleted" });
  store.take({ type: "error", code: "stream_fault" });

  assert.deepEqual(ids(store), ["b"]);
});

test("a filter takes all of its parts, words in any order and case", () => {
  const store = told(
    10,
    frame("a", "completed", 1, { tags: ["nightly"], name: "Users of Berlin" }),
    frame("b", "in_progress", 2, { tags: ["nightly"], sync: "other", sync_id: "s2" }),
    frame("c", "failed", 3),
  );
  const shown = (filter: object) => {
    store.filter = { ...FILTER, ...filter };
    return ids(store);
  };

  assert.deepEqual(shown({}), ["b", "c", "a"]);
  assert.deepEqual(shown({ status: "ended" }), ["c", "a"]);
  assert.deepEqual(shown({ status: "active" }), ["b"]);
  assert.deepEqual(shown({ status: "failed" }), ["c"]);
  assert.deepEqual(shown({ sync: "s1" }), ["c", "a"]);
  assert.deepEqual(shown({ sync: "other" }), ["b"]);
  assert.deepEqual(shown({ tag: "nightly" }), ["b", "a"]);
  assert.deepEqual(shown({ tag: "night" }), []);
  assert.deepEqual(shown({ text: "berlin USERS" }), ["a"]);
  assert.deepEqual(shown({ text: "berlin elsewhere" }), []);
  assert.deepEqual(shown({ tag: "nightly", sync: "s1", status: "completed" }), ["a"]);
});

test("what a list shows of a job that was asked for is when it was heard, and why it failed", () => {
  const updated_at = "2026-11-25T10:00:00.000Z";
  const error = { code: "x", message: "no route" };

  const { heard_at, last_update_timestamp, error: reason } = listedFrom({ updated_at, error });

  assert.deepEqual([heard_at, last_update_timestamp, reason], [updated_at, updated_at, "no route"]);
  assert.equal(listedFrom({ updated_at, error: null }).error, null);
});

test("older() asks page by page for what is older, and says when there is no more", async (t) => {
  const store = told(1, frame("a", "completed", 9));
  const asked = answering(t, (query) => ({
    items: [frame("", "failed", 1, { id: query.get("cursor") ?? "first", error: null }), {
      ...frame("", "completed", 9, { name: "as it was" }),
      id: "a",
    }],
    next_cursor: query.get("cursor") === null ? "second" : null,
  }));
  const before = store.more;

  await store.older();

  const ended = "?limit=200&status=completed%2Cfailed%2Ccancelled";
  assert.deepEqual(asked, [ended, `${ended}&cursor=second`]);
  assert.deepEqual(ids(store), ["a", "second", "first"]);
  assert.equal(store.shown[0].job.name, null); // what the stream has told is newer
  assert.deepEqual([before, store.more], [true, false]);
});

test("older() brings a thousand jobs, and goes on from there", async (t) => {
  const store = told(1, frame("a", "completed", 9));
  const asked = answering(t, (query) => {
    const from = Number(query.get("cursor"));
    const items = Array.from({ length: 200 }, (_, n) => ({
      ...frame("", "completed", 1),
      id: `${from + n}`,
      error: null,
    }));
    return { items, next_cursor: `${from + 200}` };
  });

  await store.older();
  const first = [store.size, store.more, asked.length];
  await store.older();

  assert.deepEqual(first, [1_001, true, 5]);
  assert.deepEqual([store.size, asked.length], [2_001, 10]);
  assert.match(asked[5], /&cursor=1000$/);
});

test("older() begins anew after a snapshot that does not reach what was here, and only then", async (t) => {
  const store = told(2, frame("b", "completed", 9), frame("a", "completed", 8));
  const asked = answering(t, () => ({
    items: Array.from({ length: 1_000 }, (_, n) => ({
      ...frame("", "completed", 1),
      id: `${asked.length} ${n}`,
      error: null,
    })),
    next_cursor: `after ${asked.length}`,
  }));
  await store.older();
  // More jobs have ended meanwhile than a snapshot has room for.
  const away = [frame("z", "completed", 99), frame("y", "completed", 98)];

  for (const each of [CONNECTED, ...away, COMPLETE]) store.take(each);
  const { more } = store;
  await store.older();
  for (const each of [CONNECTED, frame("new", "completed", 100), away[0], COMPLETE]) {
    store.take(each);
  }
  await store.older();

  const ended = "?limit=200&status=completed%2Cfailed%2Ccancelled";
  assert.deepEqual(asked, [ended, ended, `${ended}&cursor=after+2`]);
  assert.equal(more, true);
});

test("older() begins anew also where such a snapshot comes while it asks", async (t) => {
  const store = told(2, frame("b", "completed", 9), frame("a", "completed", 8));
  const pages = ["deep", "deeper", null];
  const asked = answering(t, () => {
    if (pages.length === 2) {
      const away = [frame("z", "completed", 99), frame("y", "completed", 98)];
      for (const each of [CONNECTED, ...away, COMPLETE]) store.take(each);
    }
    return { items: [], next_cursor: pages.shift() };
  });

  await store.older();
  const { more } = store;
  await store.older();

  const ended = "?limit=200&status=completed%2Cfailed%2Ccancelled";
  assert.deepEqual(asked, [ended, `${ended}&cursor=deep`, ended]);
  assert.deepEqual([more, store.more], [true, false]);
});

test("older() begins anew also where it was just beginning when such a snapshot came", async (t) => {
  const store = told(2, frame("b", "completed", 9), frame("a", "completed", 8));
  const asked = answering(t, () => {
    if (asked.length > 1) return { items: [], next_cursor: null };
    // It was answered before they ended, and the answer came after the snapshot.
    const away = [frame("z", "completed", 99), frame("y", "completed", 98)];
    for (const each of [CONNECTED, ...away, COMPLETE]) store.take(each);
    return { items: [], next_cursor: "below a" };
  });

  await store.older();
  const { more } = store;
  await store.older();

  const ended = "?limit=200&status=completed%2Cfailed%2Ccancelled";
  assert.deepEqual(asked, [ended, ended]);
  assert.deepEqual([more, store.more], [true, false]);
});

test("older() begins anew after a snapshot that leaves out a job that was on its way before", async (t) => {
  const store = told(
    2,
    ...[9, 8].map((n) => frame(`${n}`, "completed", n)),
    frame("1", "pending", 1),
  );
  const older = (n: number) => ({ ...frame("", "completed", n), id: `${n}`, error: null });
  const asked = answering(t, (query) => {
    if (query.has("cursor")) return { items: [], next_cursor: null };
    const items = Array.from({ length: 1_000 }, (_, n) => older(2 + n / 1_000));
    return { items: asked.length > 1 ? [older(1)] : items, next_cursor: "below" };
  });
  await store.older();

  // It ended while nobody was told, and as many have ended that are newer.
  for (const each of [CONNECTED, ...[9, 8].map((n) => frame(`${n}`, "completed", n)), COMPLETE]) {
    store.take(each);
  }
  const gone = store.has("1");
  await store.older();

  const ended = "?limit=200&status=completed%2Cfailed%2Ccancelled";
  assert.deepEqual(asked, [ended, ended, `${ended}&cursor=below`]);
  assert.deepEqual([gone, store.has("1")], [false, true]);
});

test("older() asks for what the filter shows, and for nothing where that is on its way", async (t) => {
  const store = told(1, frame("a", "completed", 9));
  const asked = answering(t, () => ({ items: [], next_cursor: null }));

  store.filter = { ...FILTER, status: "active" };
  await store.older();
  store.filter = { ...FILTER, status: "failed", sync: "docs" };
  await store.older();

  assert.deepEqual(asked, ["?limit=200&status=failed&sync=docs"]);
});

test("older() begins anew when the filter is another", async (t) => {
  const store = told(1, frame("a", "completed", 9));
  const asked = answering(t, () => {
    const items = Array.from({ length: 1_000 }, (_, n) => ({
      ...frame("", "completed", 1),
      id: `${asked.length} ${n}`,
      error: null,
    }));
    return { items, next_cursor: "more" };
  });
  await store.older();

  store.filter = { ...FILTER, status: "failed" };
  await store.older();

  assert.equal(asked[1], "?limit=200&status=failed");
});

test("what comes of an asking when the filter is another is left out", async (t) => {
  const store = told(1, frame("a", "completed", 9));
  answering(t, () => {
    store.filter = { ...FILTER, status: "failed" };
    return { items: [{ ...frame("", "completed", 1), id: "late", error: null }], next_cursor: "c" };
  });

  await store.older();

  store.filter = FILTER;
  assert.deepEqual(ids(store), ["a"]);
});

test("older jobs that come amidst a snapshot are no part of it", async (t) => {
  const store = told(1, frame("a", "completed", 9));
  const older = (id: string, second: number) => ({
    ...frame("", "completed", second),
    id,
    error: null,
  });
  const pages = [[older("b", 8)], [older("c", 1)]];
  answering(t, () => {
    // The stream comes back while the second page is on its way.
    if (pages.length === 1) store.take(CONNECTED);
    return { items: pages.shift(), next_cursor: pages.length > 0 ? "more" : null };
  });

  await store.older();
  store.take(frame("a", "completed", 9));
  store.take(COMPLETE);

  assert.deepEqual(ids(store), ["a", "b", "c"]);
});

test("what comes of an asking after all was forgotten is left out: it was for another session", async (t) => {
  const store = told(1, frame("a", "completed", 9));
  answering(t, () => {
    store.forget();
    return { items: [{ ...frame("", "completed", 1), id: "theirs", error: null }] };
  });

  await store.older();

  assert.deepEqual([ids(store), store.more], [[], false]);
});

test("nothing that was forgotten is shown any more: it was for another session", () => {
  const store = told(1, frame("a", "in_progress", 1), frame("b", "completed", 2));
  const before = ids(store);

  store.forget();

  assert.deepEqual([before, ids(store), store.size], [["a", "b"], [], 0]);
});

test("of too many jobs the oldest that are over are let go, and none that is on its way", () => {
  const store = told(10, frame("running", "in_progress", 1));

  for (let n = 0; n < JOBS_MAX + 500; n++) {
    store.take(frame(`${n}`, "completed", 2 + n));
    if (n % 1_000 === 900) assert.equal(store.shown.length, store.size); // somebody looks
  }

  assert.ok(store.size <= JOBS_MAX && store.size > JOBS_MAX * 0.9, `${store.size}`);
  const shown = ids(store);
  assert.deepEqual(shown.slice(0, 2), ["running", `${JOBS_MAX + 499}`]);
  assert.equal(shown.includes("0"), false);
});

test("JobsStore with more jobs on their way than it keeps does not look at all for each", (t) => {
  const { values } = Map.prototype;
  t.after(() => Map.prototype.values = values);
  let looks = 0;
  Map.prototype.values = function () {
    looks++;
    return values.call(this);
  };
  const store = told(10, frame("over", "completed", 1));

  for (let n = 0; n < JOBS_MAX + 5_000; n++) store.take(frame(`${n}`, "in_progress", 2 + n));
  for (let n = 0; n < 5_000; n++) store.take(frame(`${n}`, "completed", 2 + n));
  for (let n = 0; n < 5_000; n++) store.take(frame(`later ${n}`, "completed", 90_000 + n));

  assert.equal(store.has("over"), false);
  assert.ok(looks <= 20, `${looks}`);
  assert.ok(store.size <= JOBS_MAX * 1.05, `${store.size}`);
  store.forget();
  for (let n = 0; n <= JOBS_MAX; n++) store.take(frame(`${n}`, "completed", 2 + n));
  assert.ok(store.size <= JOBS_MAX, `${store.size} after all was forgotten`);
});
