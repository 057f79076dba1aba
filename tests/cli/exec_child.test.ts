import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { startChild } from "../../src/cli/exec/child.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { Cleanup } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";
import { until } from "../support/until.ts";

/** A child, and a clock whose timers come as late as the test likes. */
async function bench(t: Cleanup, script: string, leaves: boolean) {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const go = join(path, "go");
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
  const child = await startChild({
    command: ["sh", "-c", script, go],
    env: process.env,
    reads: ["stderr"],
    ignored: [],
    leaves: () => leaves,
    clock,
  });
  const told = { bytes: 0, over: false };
  const passed = child.passOn((_, { length }) => void (told.bytes += length))
    .finally(() => told.over = true);
  return {
    go,
    told,
    passed,
    timers,
    fires(afterMs: number) {
      nowMs += afterMs;
      timers.at(-1)?.();
    },
  };
}

/** A shell's wait for that file, at most as long as the test's directory is there, or 20 s. */
const waitFor = (name: string) =>
  `i=0; until [ -e "${name}" ] || [ ! -d "\${0%/*}" ] || [ $i -gt 2000 ]; do ` +
  "sleep 0.01; i=$((i+1)); done";

test("passOn() takes no halt of its own for a silence of what the program has left behind", async (t) => {
  const script = `(${waitFor("$0")}; echo >&2) & exit 0`;
  const { go, told, passed, timers, fires } = await bench(t, script, false);

  await until(() => timers.length === 1);
  fires(5_000);
  await until(() => told.over || timers.length === 2);
  writeFileSync(go, "");
  await passed;

  assert.equal(told.bytes, 1);
});

for (const [who, leaves, bytes] of [["nobody", false, 8], ["somebody", true, 5]] as const) {
  test(`passOn() goes on while something comes each second, ${bytes} times where ${who} has asked to end`, async (t) => {
    const script = `(for n in 1 2 3 4 5 6 7 8; do ${waitFor("$0$n")}; echo >&2; done) & exit 0`;
    const { go, told, passed, timers, fires } = await bench(t, script, leaves);

    for (let n = 1; n <= 8; n++) {
      await until(() => told.over || timers.length === n);
      if (told.over) break;
      writeFileSync(`${go}${n}`, "");
      await until(() => told.bytes === n);
      fires(1_000);
    }
    const unwritten = await passed;

    assert.deepEqual([told.bytes, unwritten], [bytes, undefined]);
  });
}
