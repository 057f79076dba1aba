import assert from "node:assert/strict";
import { test } from "node:test";
import { fakePage } from "../support/fake_page.ts";
import { pageFile } from "../support/page_file.ts";

const { forgetSyncs, syncCards } = await pageFile("sync_cards.js");

test("syncCards() looks at each sync a few times, however many jobs and syncs there are", (t) => {
  const made = fakePage(t);
  let reads = 0;
  const syncs = Array.from({ length: 1_000 }, (_, n) => ({
    get id() {
      reads++;
      return `s${n}`;
    },
    name: `sync ${n}`,
    last_job: null,
    next_run_at: null,
    overdue: false,
    runnable: false,
  }));
  const place = { session: { stall_after_s: 60, scopes: [] } };
  const cards = syncCards(place, () => true);

  cards.show(syncs, false);
  const showAll = made.find((node) => node.attributes.get("class") === "older");
  showAll?.listeners[0]();
  cards.show(syncs, false);
  const taken = syncs.map((_, n) => cards.take({ sync_id: `s${n}`, status: "completed" }));

  assert.ok(taken.every((known) => known === true));
  assert.equal(cards.take({ sync_id: "of another" }), false);
  assert.ok(reads <= 20 * syncs.length, `${reads} reads`);
  assert.equal(syncCards(place, () => true).take({ sync_id: "s0" }), true);
  forgetSyncs(); // else the next session would see them
  const next = syncCards(place, () => true);
  assert.equal(next.take({ sync_id: "s0" }), false);
  const names = () => made.filter((node) => node.attributes.get("class") === "sync-name").length;
  const before = names();
  next.show(syncs, false);
  assert.equal(names() - before, 8);
});

test("syncCards() draws the card of a job that has changed, and no other", (t) => {
  const made = fakePage(t);
  let drawn: number[] = [];
  const syncs = Array.from({ length: 100 }, (_, n) => ({
    id: `s${n}`,
    name: `sync ${n}`,
    last_job: null,
    get next_run_at() {
      drawn.push(n);
      return null;
    },
    overdue: false,
    runnable: false,
  }));
  const cards = syncCards({ session: { stall_after_s: 60, scopes: [] } }, () => true);
  t.after(forgetSyncs);
  cards.show(syncs, false);
  made.find((node) => node.attributes.get("class") === "older")?.listeners[0]();
  const each = new Set(drawn).size;

  drawn = [];
  const job = { sync_id: "s70", status: "completed", created_at: "2026-01-01T00:00:00.000Z" };
  cards.take(job);
  cards.take({ ...job, sync_id: "of another" });
  for (let n = 0; n < 3; n++) cards.draw();
  const ofOne = drawn;
  drawn = [];
  cards.tick();

  assert.equal(each, 100);
  assert.deepEqual(ofOne, [70]);
  assert.equal(drawn.length, 100); // time goes on for all
});

test("syncCards() tells when a sync runs next, and that a run is due", (t) => {
  const made = fakePage(t);
  const at = (ms: number) => new Date(Date.now() + ms).toISOString();
  const syncs = [7_205_000, -1_000].map((ms, n) => ({
    ...{ id: `s${n}`, name: `sync ${n}`, last_job: null, overdue: false, runnable: false },
    next_run_at: at(ms),
  }));
  const cards = syncCards({ session: { stall_after_s: 60, scopes: [] } }, () => true);
  t.after(forgetSyncs);

  cards.show(syncs, false);
  cards.draw();

  const told = made.map(({ textContent }) => textContent).filter((text) => /^Next/.test(text));
  assert.deepEqual(told, ["Next run in 2 h", "Next run due"]);
});

test("syncCards() says that the server has more syncs, and takes no job to be of a new one then", (t) => {
  const made = fakePage(t);
  const syncs = Array.from({ length: 9 }, (_, n) => ({
    id: `s${n}`,
    name: `sync ${n}`,
    last_job: null,
    next_run_at: null,
    overdue: false,
    runnable: false,
  }));
  const place = { session: { stall_after_s: 60, scopes: [] } };
  const cards = syncCards(place, () => true);
  t.after(forgetSyncs);
  const of = (kind: string) => made.findLast((node) => node.attributes.get("class") === kind);
  const seen = () => [of("older")?.textContent, of("hint")?.hidden, cards.take({ sync_id: "x" })];
  const shown: unknown[] = [];

  for (const more of [false, true, false, true]) {
    cards.show(syncs, more);
    shown.push(seen());
  }
  syncCards(place, () => true); // as the view is made again
  const again = [of("older")?.textContent, of("hint")?.hidden];

  const whole = ["Show all 9 syncs", true, false];
  const part = ["Show the first 9 syncs", false, true];
  assert.deepEqual(shown, [whole, part, whole, part]);
  assert.deepEqual(again, part.slice(0, 2));
  assert.equal(cards.count, 9);
});
