import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { atHangup, hearHangup } from "../../src/cli/hangup.ts";
import { until } from "../support/until.ts";

test("a SIGHUP that comes before there is anything to do is made up for", async (t) => {
  let came = 0;
  let done = 0;
  hearHangup();
  const count = () => void came++;
  process.on("SIGHUP", count);
  t.after(() => void process.off("SIGHUP", count));

  process.kill(process.pid, "SIGHUP");
  await until(() => came === 1);
  atHangup(() => void done++);
  const atOnce = done;
  process.kill(process.pid, "SIGHUP");
  await until(() => came === 2);

  assert.deepEqual([atOnce, done], [1, 2]);
});
