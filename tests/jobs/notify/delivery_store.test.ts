import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { NEXT_SQL } from "../../../src/jobs/notify/delivery_order.ts";
import { AGE_MAX_MS, DONE_MAX, WAITING_MAX } from "../../../src/jobs/notify/delivery_store.ts";
import { newJobId, type TenantId } from "../../../src/sync/ids.ts";
import { storeBench } from "../../support/delivery_bench.ts";
import { TENANT } from "../../support/log_contract.ts";
import { targetsOf } from "../../support/notify_bench.ts";

test("a queue that refuses a message takes the next one", (t) => {
  const { store, add, path } = storeBench(t);
  const other = new DatabaseSync(path);
  other.exec(
    "CREATE TRIGGER refuse BEFORE INSERT ON deliveries BEGIN SELECT raise(ABORT, 'no room'); END",
  );

  assert.throws(add, /no room/);
  other.exec("DROP TRIGGER refuse");
  other.close();
  add();

  assert.equal(store.list({ limit: 9 }).items.length, 1);
});

test("nothing is kept of a message that is done with, however that came", (t) => {
  const { store, add, tell, clock, path } = storeBench(t);
  for (const state of ["delivered", "refused"] as const) {
    add();
    store.done(store.next("ops")?.pk ?? 0, state, "HTTP");
  }
  add();
  clock.advance(AGE_MAX_MS + 1);
  store.expire();
  tell("recovered", newJobId(), TENANT, "docs");
  tell("failed", newJobId(), TENANT, "docs");
  store.done(5, "delivered", "HTTP");
  for (let count = 0; count <= WAITING_MAX; count++) add();
  store.overtake("ops");
  store.setTargets(targetsOf([{ name: "other", type: "slack", url: "http://127.0.0.1:1" }]));
  const db = new DatabaseSync(path);
  const states = db.prepare(
    "SELECT state, result, message, count(*) AS count FROM deliveries GROUP BY 1, 2, 3 ORDER BY min(pk)",
  ).all().map(({ state, result, message, count }) => [state, result, message, count]);
  db.close();

  assert.deepEqual(states, [
    ["delivered", "HTTP", "", 2],
    ["refused", "HTTP", "", 1],
    ["given_up", "it waited for too long", "", 1],
    ["given_up", "it is no longer so", "", 1],
    ["given_up", "too many were waiting", "", 1],
    ["given_up", "a later ping says how the check stands", "", WAITING_MAX - 1],
    ["given_up", "there is no such target any more", "", 1],
  ]);
});

test("next() looks at the messages of a message's job, not at all that wait for the target", (t) => {
  const { path } = storeBench(t);
  const db = new DatabaseSync(path);

  const plan = db.prepare(`EXPLAIN QUERY PLAN ${NEXT_SQL}`).all("ops", 0);
  db.close();

  assert.deepEqual(plan.map(({ detail }) => detail).filter((text) => /before/.test(String(text))), [
    "SEARCH before USING INDEX deliveries_of_job (tenant=? AND job=? AND pk<?)",
  ]);
});

test("what waits for one target holds nothing up for another, also of the same job", (t) => {
  const { store, tell } = storeBench(t, ["ops", "down"]);
  const { id } = tell("started");
  store.done(store.next("ops")?.pk ?? 0, "delivered", "HTTP 200");
  tell("failed", id);

  assert.deepEqual([store.next("ops")?.kind, store.next("down")?.kind], ["failed", "started"]);
});

test("what is due goes before what is not, however often it was tried", (t) => {
  const { clock, store, add } = storeBench(t);
  const [often, once] = [add(), add()];
  const pks = store.list({ limit: 2 }).items.map(({ job }) => job);
  assert.deepEqual(pks, [once.id, often.id]);
  for (let tries = 1; tries <= 3; tries++) store.tried(1, "HTTP 500", clock.now());
  store.tried(2, "HTTP 500", clock.now() + 1);

  const first = store.next("ops")?.job;
  clock.advance(1);

  assert.deepEqual([first, store.next("ops")?.job], [often.id, once.id]);
});

for (const alarm of ["failed", "stalled", "overdue"] as const) {
  test(`a recovery waits for what was ${alarm} of its sync before, of its tenant and target alone`, (t) => {
    const { clock, store, tell } = storeBench(t, ["ops", "well"]);
    const other = "other" as TenantId;
    const waits = (pk: number) => store.tried(pk, "HTTP 500", clock.now() + 60_000);
    const first = () => store.next("ops")?.pk;
    tell(alarm, newJobId(), TENANT, "docs"); // 1, and 2 for the other target
    store.done(2, "delivered", "HTTP 200");
    waits(1);

    tell("recovered", newJobId(), TENANT, "docs"); // 3 and 4
    const held = [first(), store.next("well")?.pk];
    tell("recovered", newJobId(), other, "docs"); // 5 and 6
    const ofOther = first();
    waits(5);
    tell("recovered", newJobId(), TENANT, "mail"); // 7 and 8
    const ofMail = first();
    waits(7);
    tell("completed", newJobId(), TENANT, "docs"); // 9 and 10
    const completed = first();
    waits(9);
    tell(alarm, newJobId(), TENANT, "mail"); // 11 and 12
    store.tried(7, "HTTP 500", clock.now());

    assert.deepEqual(held, [1, 4]);
    assert.deepEqual([ofOther, ofMail, completed], [5, 7, 9]);
    assert.equal(first(), 11, "the untried one goes first");
    waits(11);
    assert.equal(first(), 7, "a later alarm holds no recovery up");
  });

  test(`a recovery waits for what was ${alarm} before it, whatever else waits`, (t) => {
    const { clock, store, tell } = storeBench(t, ["ops", "down"]);
    const waits = (pk: number) => store.tried(pk, "HTTP 500", clock.now() + 60_000);
    const first = () => store.next("ops")?.pk;
    tell(alarm, newJobId(), "other" as TenantId, "docs"); // 1, and 2 for the other target
    waits(1);
    tell(alarm, newJobId(), TENANT, "docs"); // 3 and 4
    waits(3);
    const { id } = tell("recovered", newJobId(), TENANT, "docs"); // 5 and 6
    const held = [first()];

    tell("completed", id, TENANT, "docs"); // 7 and 8
    held.push(first());
    tell(alarm, newJobId(), TENANT, "docs"); // 9 and 10
    waits(9);
    held.push(first());
    tell(alarm, id, TENANT, "docs"); // 11 and 12
    const ofItsJob = first();
    store.done(11, "refused", "HTTP 400");
    held.push(first());

    assert.deepEqual(held, [1, 1, 1, 1]);
    assert.equal(ofItsJob, 5, "what is told of a job's failure waits for no recovery");
  });

  test(`a recovery that waits is void once what was ${alarm} of its sync after it is told`, (t) => {
    const { store, tell } = storeBench(t, ["ops", "down"]);
    const other = "other" as TenantId;
    const state = (pk: number) => store.list({ limit: 99 }).items.at(-pk)?.state;
    const told = ["recovered", "recovered", "completed", "recovered", "recovered"] as const;
    const [done] = told.map((kind, n) =>
      tell(kind, newJobId(), n === 3 ? other : TENANT, n === 4 ? "mail" : "docs")
    ); // 1 to 10
    store.done(1, "delivered", "HTTP 200");
    tell(alarm, newJobId(), TENANT, "docs"); // 11 and 12
    tell("recovered", newJobId(), TENANT, "docs"); // 13 and 14

    store.done(11, "refused", "HTTP 400");
    const refused = state(3);
    tell("completed", done.id, TENANT, "docs"); // 15 and 16
    store.done(15, "delivered", "HTTP 200");
    const completed = state(3);
    tell(alarm, newJobId(), TENANT, "docs"); // 17 and 18
    store.done(17, "delivered", "HTTP 200");

    const states = Array.from({ length: 18 }, (_, n) => state(n + 1));
    assert.deepEqual([refused, completed], ["waiting", "waiting"]);
    assert.deepEqual(states.flatMap((one, n) => one === "given_up" ? n + 1 : []), [3, 13]);
    assert.equal(states[0], "delivered");
  });
}

test("overtake() gives up what waits before the last ping that decides, for that target alone", (t) => {
  const { store, tell } = storeBench(t, ["check", "other"]);
  const deciding = ["completed", "warning", "failed", "stalled", "overdue"] as const;
  tell("started"); // 1 and 2
  store.done(1, "delivered", "HTTP 200");
  const counts = deciding.map((kind) => {
    tell(kind);
    return store.overtake("check");
  });
  tell("started");
  tell("recovered");
  counts.push(store.overtake("check"));
  store.done(store.next("check", true)?.pk ?? 0, "delivered", "HTTP 200");
  counts.push(store.overtake("check"));
  tell("failed");
  store.done(17, "refused", "HTTP 400");
  counts.push(store.overtake("check"));

  const left = store.list({ limit: 99 }).items.filter(({ state }) => state === "waiting");
  assert.deepEqual(counts, [0, 1, 1, 1, 1, 0, 0, 0]);
  assert.equal(store.list({ limit: 99 }).items.at(-1)?.state, "delivered");
  assert.deepEqual(
    left.filter(({ target }) => target === "check").map(({ kind }) => kind),
    ["recovered", "started"],
  );
  assert.equal(left.filter(({ target }) => target === "other").length, 9);
});

test("a job is silent as far as what was told of it last", (t) => {
  const { store, tell } = storeBench(t);
  const { id } = tell("started");
  const silent: unknown[] = [store.silenceOf({ tenant: TENANT, id })];

  for (const kind of ["stalled", "recovered", "stalled", "failed"] as const) {
    tell(kind, id);
    silent.push(store.silenceOf({ tenant: TENANT, id }));
  }

  assert.deepEqual(silent, [undefined, 1, undefined, 3, 3]);
});

test("wipe() leaves nothing of a job, though another was forgotten of which nothing was known", (t) => {
  const { store, add, path } = storeBench(t);
  const { id } = add();
  const holds = () => [path, `${path}-wal`].some((file) => readFileSync(file).includes(id));
  const before = holds();

  store.forget({ tenant: TENANT, id });
  store.forget({ tenant: TENANT, id: newJobId() });
  const wiped = store.wipe();

  assert.deepEqual([before, wiped, holds()], [true, true, false]);
});

test("no more than a thousand wait for a target: the oldest are given up", (t) => {
  const { store, add } = storeBench(t);
  const added = Array.from({ length: WAITING_MAX + 2 }, add);

  const { items } = store.list({ limit: 2_000 });

  const givenUp = items.filter(({ state }) => state === "given_up").reverse();
  assert.deepEqual(givenUp.map(({ job, result }) => `${job} ${result}`), [
    `${added[0].id} too many were waiting`,
    `${added[1].id} too many were waiting`,
  ]);
  assert.equal(items.filter(({ state }) => state === "waiting").length, WAITING_MAX);
  assert.equal(added.reduce((sum, { givenUp }) => sum + givenUp, 0), 2);
});

test("what one tenant has too many of pushes out nothing of another's", (t) => {
  const { store, add, tell } = storeBench(t);
  const other = tell("failed", newJobId(), "other" as TenantId);
  const added = Array.from({ length: WAITING_MAX + 2 }, () => add());

  const { items } = store.list({ limit: 2_000 });

  const first = items.slice(-5).reverse().map(({ job, state }) => [job, state]);
  assert.deepEqual(first, [
    [other.id, "waiting"],
    ...added.slice(0, 3).map(({ id }) => [id, "given_up"]),
    [added[3].id, "waiting"],
  ]);
});

test("what waits for one target pushes out nothing that waits for another", (t) => {
  const { store, tell, path } = storeBench(t, ["ops", "down"]);
  const other = "other" as TenantId;
  tell("failed"); // 1, and 2 for the other target
  store.done(1, "delivered", "HTTP 200");
  const counts = Array.from({ length: WAITING_MAX }, (_, n) => {
    const { givenUp } = tell("failed");
    store.done(4 + 2 * n, "delivered", "HTTP 200");
    return givenUp;
  });
  tell("failed", newJobId(), other);
  const db = new DatabaseSync(path, { readOnly: true });
  const rows = db.prepare("SELECT pk FROM deliveries WHERE state = 'given_up'").all();
  db.close();

  assert.ok(counts.every((count) => count === 0));
  assert.deepEqual(rows.map(({ pk }) => pk), [3]);
});

test("what waited for a day is given up, and said so", (t) => {
  const { store, clock, add } = storeBench(t);
  add();
  const row = store.next("ops");
  assert.ok(row);
  store.tried(row.pk, "HTTP 500", clock.now());
  clock.advance(AGE_MAX_MS);
  add();
  const early = store.expire();
  clock.advance(1);

  const late = store.expire();

  assert.deepEqual([early, late], [0, 1]);
  assert.equal(
    store.list({ limit: 2 }).items[1].result,
    "it waited for too long; at last: HTTP 500",
  );
});

test("what is done with stays listed, a thousand of them and all since the position", (t) => {
  const { store, clock, add } = storeBench(t);
  const finish = (count: number) => {
    for (let left = count; left > 0; left--) {
      add();
      store.done(store.next("ops")?.pk ?? 0, "delivered", "HTTP 200");
    }
  };
  finish(DONE_MAX + 5);
  clock.advance(1);
  store.moveOn(clock.now() - 1);
  const before = store.list({ limit: 5_000 }).items.length;
  store.moveOn(clock.now());
  const after = store.list({ limit: 5_000 }).items.length;

  assert.deepEqual([before, after, store.position], [DONE_MAX + 5, DONE_MAX, 1_000_001]);
});

test("a silence that goes on is known, however much was told since", (t) => {
  const { store, clock, tell, add } = storeBench(t);
  const finish = () => store.done(store.next("ops")?.pk ?? 0, "delivered", "HTTP 200");
  const [silent, over] = [tell("stalled"), tell("stalled")];
  tell("recovered", over.id);
  tell("failed", silent.id, "other" as TenantId);
  for (let count = 0; count < DONE_MAX + 4; count++) {
    if (count >= 4) add();
    finish();
  }
  clock.advance(1);

  store.moveOn(clock.now());

  const { items } = store.list({ limit: 5_000 });
  assert.equal(items.length, DONE_MAX + 1);
  assert.deepEqual([items.at(-1)?.job, items.at(-1)?.kind], [silent.id, "stalled"]);
  assert.equal(store.silenceOf({ tenant: TENANT, id: silent.id }), 0);
});

test("list() goes on where a page ended, and shows a tenant its own alone", (t) => {
  const { store, add } = storeBench(t);
  const ids = Array.from({ length: 3 }, add).map(({ id }) => id);

  const first = store.list({ tenant: TENANT, limit: 2 });
  const second = store.list({ tenant: TENANT, limit: 2, cursor: first.nextCursor ?? 0 });
  const other = store.list({ tenant: "acme" as typeof TENANT, limit: 2 });

  assert.deepEqual(first.items.map(({ job }) => job), [ids[2], ids[1]]);
  assert.deepEqual(second.items.map(({ job }) => job), [ids[0]]);
  assert.deepEqual([second.nextCursor, other.items], [null, []]);
});
