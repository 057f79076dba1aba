import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { OwnSignals } from "../../src/cli/exec/own_signals.ts";
import { FakeClock } from "../support/fake_clock.ts";
import type { Cleanup } from "../support/program.ts";
import { until } from "../support/until.ts";

/** Signal handlers alone keep no event loop going, which in the program timers and a child do. */
function ownSignals(t: Cleanup): OwnSignals {
  const signals = new OwnSignals();
  const alive = setInterval(() => {}, 60_000);
  t.after(() => {
    clearInterval(alive);
    for (const name of process.eventNames()) {
      if (String(name).startsWith("SIG")) process.removeAllListeners(name);
    }
  });
  return signals;
}

// SIGHUP stands in for Ctrl-C: a test's own SIGINT would end the tests.
for (
  const [what, exit] of [
    ["died of it", { code: null, signal: "SIGHUP" }],
    ["says so by its exit code", { code: 130, signal: null }],
    ["is rsync, which has a code of its own", { code: 20, signal: null }],
  ] as const
) {
  test(`settled() waits for our own signal where the program ${what}, but came first`, async (t) => {
    const clock = new FakeClock();
    const signals = ownSignals(t);

    const asked = signals.settled(exit, clock);
    process.kill(process.pid, "SIGHUP");

    assert.equal(await asked, "SIGHUP");
    assert.equal(signals.asked, "SIGHUP");
    assert.equal(clock.waiting, 0);
  });
}

test("settled() waits 100 ms at most: somebody may have stopped the program alone", async (t) => {
  const clock = new FakeClock();
  const signals = ownSignals(t);

  const asked = signals.settled({ code: null, signal: "SIGTERM" }, clock);
  clock.advance(100);

  assert.equal(await asked, undefined);
});

test("settled() waits for nothing where the program ended otherwise, or the signal is here", async (t) => {
  const clock = new FakeClock();
  const signals = ownSignals(t);

  for (const code of [0, 1, 127, 137]) {
    assert.equal(await signals.settled({ code, signal: null }, clock), undefined);
  }
  assert.equal(await signals.settled({ code: null, signal: "SIGSEGV" }, clock), undefined);
  const asked = signals.settled({ code: 130, signal: null }, clock);
  process.kill(process.pid, "SIGHUP");
  await asked;

  assert.equal(await signals.settled({ code: 143, signal: null }, clock), "SIGHUP");
  assert.equal(clock.waiting, 0);
});

test("ended() is so of a signal that has ended the program, and of one that comes after its end", async (t) => {
  const signals = ownSignals(t);
  const [fine, killed] = [{ code: 0, signal: null }, { code: null, signal: "SIGHUP" }];
  const told = () => [signals.ended(fine), signals.ended(killed)];

  signals.passTo(2 ** 30); // no process has that number
  const before = told();
  process.kill(process.pid, "SIGHUP");
  await until(() => signals.asked !== undefined);
  const meanwhile = told();
  signals.passTo(undefined);
  const over = told();
  process.kill(process.pid, "SIGHUP");
  await until(() => signals.ended(fine));

  assert.deepEqual([before, meanwhile, over], [[false, false], [false, true], [false, true]]);
});
