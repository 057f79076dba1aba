import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { startChild } from "../../src/cli/exec/child.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import { tempDirectory } from "../support/temp.ts";
import { until } from "../support/until.ts";

test("passOn() takes no halt of its own for a silence of what the program has left behind", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const go = join(path, "go");
  // Timers come as late as this test likes.
  let nowMs = 0;
  const timers: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    monotonic: () => nowMs,
    after(_, run) {
      timers.push(run);
      return () => {};
    },
  };
  const script = 'i=0; (until [ -e "$0" ] || [ $i -gt 2000 ]; do sleep 0.01; i=$((i+1)); done; ' +
    "echo >&2) & exit 0";
  const command = ["sh", "-c", script, go];
  const child = await startChild({
    command,
    env: process.env,
    reads: ["stderr"],
    ignored: [],
    leaves: () => false,
    clock,
  });
  let bytes = 0;
  let over = false;
  const passed = child.passOn((_, { length }) => void (bytes += length)).then(() => over = true);

  await until(() => timers.length === 1);
  nowMs += 5_000;
  timers[0]();
  await until(() => over || timers.length === 2);
  writeFileSync(go, "");
  await passed;

  assert.equal(bytes, 1);
});
