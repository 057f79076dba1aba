import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers";
import { PageTurns } from "../../src/stream/page_turns.ts";

test("next() lets one in a turn of the loop, in the order in which they came", async () => {
  const turns = new PageTurns();
  const told: string[] = [];

  const readers = ["a", "b", "c"].map(async (name) => {
    for (let page = 1; page <= 2; page++) {
      await turns.next();
      told.push(`${name}${page}`);
      setImmediate(() => told.push("others"));
    }
  });
  await Promise.all(readers);

  const pages = told.filter((word) => word !== "others");
  assert.deepEqual(pages, ["a1", "b1", "c1", "a2", "b2", "c2"]);
  const together = told.some((word, at) =>
    word !== "others" && at > 1 &&
    told[at - 1] !== "others" && told[at - 2] !== "others"
  );
  assert.equal(together, false, told.join(" "));
});
