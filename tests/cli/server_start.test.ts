import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../support/fake_clock.ts";
import { testServer } from "../support/server.ts";

test("a server that cannot listen leaves nothing behind that goes on", async (t) => {
  const { port } = await testServer(t);
  const clock = new FakeClock();

  await assert.rejects(testServer(t, { port, clock }), /taken/);

  assert.equal(clock.waiting, 0);
});
