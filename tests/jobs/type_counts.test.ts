import assert from "node:assert/strict";
import { test } from "node:test";
import { TypeCounts } from "../../src/jobs/type_counts.ts";

test("counts are copied where somebody holds them, and else changed in place", () => {
  const given = { user: 1 };
  const counts = new TypeCounts(given);

  counts.set("user", 2);
  const held = counts.share();
  counts.set("user", 3);
  const dropped = counts.share();
  counts.release();
  counts.set("user", 4);

  assert.deepEqual([given, held, counts.of("user")], [{ user: 1 }, { user: 2 }, 4]);
  assert.equal(counts.share(), dropped);
});

test("counts that two hold are copied until both have let go", () => {
  const counts = new TypeCounts({});
  counts.set("user", 1);
  const first = counts.share();
  counts.share();
  counts.release();

  counts.set("user", 2);

  assert.deepEqual([first, counts.share()], [{ user: 1 }, { user: 2 }]);
});

test("counts know how many types they have and how long they are, before and after changes", () => {
  const counts = new TypeCounts({ user: 1 });
  const before = [counts.size, counts.length];

  counts.set("user", 2);
  counts.set("constructor", 1);

  assert.deepEqual([before, counts.size, counts.length], [[1, 14], 2, 35]);
  assert.equal(counts.of("toString"), 0);
});
