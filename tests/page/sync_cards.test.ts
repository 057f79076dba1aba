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

  cards.show(syncs);
  const showAll = made.find((node) => node.attributes.get("class") === "older");
  showAll?.listeners[0]();
  cards.show(syncs);
  const taken = syncs.map((_, n) => cards.take({ sync_id: `s${n}`, status: "completed" }));

  assert.ok(taken.every((known) => known === true));
  assert.equal(cards.take({ sync_id: "of another" }), false);
  assert.ok(reads <= 20 * syncs.length, `${reads} reads`);
  assert.equal(syncCards(place, () => true).take({ sync_id: "s0" }), true);
  forgetSyncs(); // else the next session would see them
  assert.equal(syncCards(place, () => true).take({ sync_id: "s0" }), false);
});
