import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { test } from "node:test";
import { ProcessTree } from "../../src/cli/exec/process_tree.ts";
import { processStats } from "../../src/cli/exec/proc.ts";
import { Stopper, type StopperOptions } from "../../src/cli/exec/stopper.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { runs } from "../support/processes.ts";
import type { Cleanup } from "../support/program.ts";
import { until } from "../support/until.ts";

const GRACE_MS = 10_000;
/** How often a stopper looks whether anybody is left. */
const LOOK_MS = 50;

/** A script that is under way, and whoever stops it. */
function started(t: Cleanup, script: string, given: Partial<StopperOptions> = {}) {
  const child = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "ignore"] });
  const pid = child.pid ?? 0;
  const others = new Set<number>();
  let said = "";
  child.stdout.on("data", (chunk) => said += chunk);
  t.after(() => {
    for (const each of [pid, ...others]) {
      try {
        process.kill(each, "SIGKILL");
      } catch {
        // It has ended, as it should.
      }
    }
  });
  const clock = new FakeClock();
  const options = { pid, stopSignal: "SIGTERM", graceMs: GRACE_MS, clock, ...given } as const;
  return {
    pid,
    clock,
    stopper: new Stopper(options),
    exit: once(child, "exit"),
    /** The number of a process that the script names so. */
    async named(name: string): Promise<number> {
      const line = new RegExp(`^${name} (\\d+)$`, "m");
      await until(() => line.test(said));
      const number = Number(line.exec(said)?.[1]);
      others.add(number);
      return number;
    },
    said: (words: string) => until(() => said.includes(words)),
  };
}

/** Deaf to what asks to end, and so is what it starts. */
const DEAF = "trap '' TERM; exec sleep 1000";

test("stop() asks by the format's signal, once, and the kill is called off with the end", async (t) => {
  const { stopper, clock, said, exit } = started(
    t,
    "trap 'exit 7' INT; echo up; while :; do sleep 0.01; done",
    { stopSignal: "SIGINT" },
  );
  await said("up");

  stopper.stop();
  stopper.stop();
  const timers = clock.waiting;
  const [code] = await exit;
  await stopper.ended();

  assert.deepEqual([code, stopper.asked, timers, clock.waiting], [7, true, 1, 0]);
});

test("stop() lets a suspended program go on, as it takes no signal before", async (t) => {
  const { pid, stopper, exit } = started(
    t,
    "trap 'exit 7' TERM; kill -STOP $$; while :; do sleep 0.01; done",
  );
  await until(() => processStats([pid])[0]?.state === "T");

  stopper.stop();
  const [code] = await exit;
  await stopper.ended();

  assert.equal(code, 7);
});

test("stop() after the program's end asks nobody: its number may be another's", async (t) => {
  const { stopper, clock, exit } = started(t, "exit 0");
  await exit;
  await stopper.ended();

  stopper.stop();

  assert.deepEqual([stopper.asked, clock.waiting], [false, 0]);
});

test("ended() leaves alone what a program has left behind that nobody has stopped", async (t) => {
  const { stopper, clock, exit, named } = started(t, "sleep 1000 & echo child $!");
  const child = await named("child");
  await exit;

  await stopper.ended();

  assert.deepEqual([await runs(child), clock.waiting], [true, 0]);
});

test("what is left of a stopped program has the grace, and is waited for, then killed", async (t) => {
  const { stopper, clock, exit, named } = started(
    t,
    `(${DEAF}) & echo child $!; trap 'exit 0' TERM; wait`,
  );
  const child = await named("child");
  // The shell of that number must have become deaf.
  await until(async () => (await nameOf(child)).includes("sleep"));

  stopper.stop();
  await exit;
  let over = false;
  const ended = stopper.ended().then(() => over = true);
  clock.advance(GRACE_MS - 1);
  await until(() => clock.waiting === 2); // the kill, and the next look
  const before = [over, await runs(child)];
  clock.advance(LOOK_MS);
  await ended;

  assert.deepEqual(before, [false, true]);
  await until(async () => !await runs(child));
  assert.equal(clock.waiting, 0);
});

test("what was started after the program was asked to stop is killed too, its end or not", async (t) => {
  const { stopper, clock, exit, said, named } = started(
    t,
    "(trap 'sleep 1000 & echo late $!' TERM; echo ready; while :; do sleep 0.01; done) & " +
      "echo child $!; trap 'exit 0' TERM; wait",
  );
  await said("ready");
  const child = await named("child");

  stopper.stop();
  const late = await named("late");
  await exit;
  clock.advance(GRACE_MS);

  await until(async () => !await runs(late));
  await until(async () => !await runs(child));
});

test("ended() waits for nobody where nobody is left, however long the grace", async (t) => {
  const { stopper, clock, exit, named } = started(t, "sleep 1000 & echo child $!; wait");
  const child = await named("child");

  stopper.stop();
  await exit;
  await until(async () => !await runs(child));
  await stopper.ended();

  assert.equal(clock.waiting, 0);
});

test("a stopper whose grace never ends asks, and kills nobody", async (t) => {
  const { stopper, clock, said, exit } = started(
    t,
    "trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done",
    { graceMs: Infinity },
  );
  await said("up");

  stopper.stop();
  const timers = clock.waiting;
  const [code] = await exit;
  await stopper.ended();

  assert.deepEqual([code, timers], [3, 0]);
});

test("ProcessTree counts nobody as alive who is over and only not waited for", async (t) => {
  // What becomes of its shell waits for no child of it.
  const { named, pid } = started(t, "sleep 1000 & echo child $!; exec sleep 1000");
  const child = await named("child");
  await until(async () => (await nameOf(pid)).includes("sleep"));
  const tree = new ProcessTree(child);

  tree.signal("SIGCONT");
  const before = tree.alive;
  tree.signal("SIGKILL");
  await until(() => processStats([child]).some(({ state }) => state === "Z"));

  assert.deepEqual([before, tree.alive], [true, false]);
});

/** The name of a process's program. */
async function nameOf(pid: number): Promise<string> {
  const ps = spawn("ps", ["-o", "comm=", "-p", `${pid}`], { stdio: ["ignore", "pipe", "ignore"] });
  let name = "";
  ps.stdout.on("data", (chunk) => name += chunk);
  await once(ps, "close");
  return name;
}
