import assert from "node:assert/strict";
import { test } from "node:test";
import { Opened } from "../../src/cli/opened.ts";

test("what was opened last is closed first, and all of it where closing something fails", async () => {
  const opened = new Opened();
  const closed: number[] = [];
  for (const n of [1, 2, 3, 4]) {
    opened.push(async () => {
      closed.push(n);
      if (n === 2) throw new Error("the second");
      if (n === 3) await Promise.reject(new Error("the third"));
    });
  }

  await assert.rejects(opened.closeAll(), /the third/);
  await opened.closeAll();

  assert.deepEqual(closed, [4, 3, 2, 1]);
});
