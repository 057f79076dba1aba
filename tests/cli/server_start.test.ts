import assert from "node:assert/strict";
import { statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { RESERVE_BYTES } from "../../src/log/reserve.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { startProgram } from "../support/program.ts";
import { testServer } from "../support/server.ts";
import { tempDirectory } from "../support/temp.ts";

test("a server that cannot listen leaves nothing behind that goes on", async (t) => {
  const { port } = await testServer(t);
  const clock = new FakeClock();

  await assert.rejects(testServer(t, { port, clock }), /taken/);

  assert.equal(clock.waiting, 0);
});

test("a log is begun where a link leads, with the permissions that Deno gives, and room is kept for a start on both disks", async (t) => {
  const { path: data, remove } = tempDirectory();
  t.after(remove);
  const elsewhere = tempDirectory();
  t.after(elsewhere.remove);
  const log = join(elsewhere.path, "big.db");
  symlinkSync(log, join(data, "log.db"));

  const { stop } = await startProgram(t, { args: ["serve"], data });

  assert.equal(await stop("SIGTERM"), 0);
  assert.equal(statSync(log).mode & 0o777, 0o600);
  const reserves = [log, join(data, "log.db")].map((file) => statSync(`${file}.reserve`).size);
  assert.deepEqual(reserves, [RESERVE_BYTES, RESERVE_BYTES]);
});
