import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { systemClock } from "../../../src/clock.ts";
import type { Program } from "../../../src/sources/process/program.ts";
import { startProgram } from "../../../src/sources/process/program.ts";
import { ProgramRun } from "../../../src/sources/process/program_run.ts";
import { runs } from "../../support/processes.ts";
import type { Cleanup } from "../../support/program.ts";
import { until } from "../../support/until.ts";

/** Longer than any test may take: nothing here ends by it. */
const NEVER_MS = 10 * 60_000;

interface Followed {
  readonly program: Program;
  readonly run: ProgramRun;
  /** Takes lines until there is this one; all that came after it in its chunk are dropped. */
  until(text: string): Promise<void>;
  /** Takes all that is left. */
  rest(): Promise<string[]>;
}

async function follow(t: Cleanup, script: string, graceMs = NEVER_MS): Promise<Followed> {
  const program = await startProgram({
    command: ["sh", "-c", script],
    env: { PATH: process.env.PATH ?? "" },
  });
  t.after(() => program.signal("SIGKILL"));
  const run = new ProgramRun({ program, clock: systemClock, stopSignal: "SIGTERM", graceMs });
  const texts = async () => (await run.next())?.lines.map((line) => line.text);
  return {
    program,
    run,
    async until(text) {
      for (let lines = await texts(); lines; lines = await texts()) {
        if (lines.includes(text)) return;
      }
      throw new Error(`It ended without "${text}"`);
    },
    async rest() {
      const all: string[] = [];
      for (let lines = await texts(); lines; lines = await texts()) all.push(...lines);
      return all;
    },
  };
}

test("ProgramRun gives every line of both outputs, and the end after them", async (t) => {
  const { run, rest } = await follow(t, "echo a; echo b >&2; printf c");

  assert.deepEqual((await rest()).sort(), ["a", "b", "c"]);
  assert.deepEqual(await run.done, {
    exit: { code: 0, signal: null },
    killed: false,
    leftOthers: false,
  });
});

test("ProgramRun.stop() sends the stop signal, and hears the last words", async (t) => {
  const { run, until, rest } = await follow(
    t,
    "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.01; done",
  );
  await until("up");

  run.stop();

  assert.ok((await rest()).includes("bye")); // the shell may tell of its own child's end too
  const { exit, killed } = await run.done;
  assert.deepEqual({ exit, killed }, { exit: { code: 7, signal: null }, killed: false });
});

test("ProgramRun.stop() kills the whole group when the grace is over", async (t) => {
  const deaf = "trap '' TERM; ";
  const { program, run, until, rest } = await follow(
    t,
    `${deaf} (${deaf} echo child $$; exec sleep 600) & sleep 0; echo up; sleep 600; sleep 600`,
    50,
  );
  await until("up");

  run.stop();

  await rest();
  assert.deepEqual(await run.done, {
    exit: { code: null, signal: "SIGKILL" },
    killed: true,
    leftOthers: false,
  });
  assert.equal(await runs(program.pid), false);
});

test("ProgramRun.stop() leaves a child its grace that outlives the program", async (t) => {
  const { run, until, rest } = await follow(
    t,
    "(trap 'sleep 0.3; echo tidied; exit' TERM; echo up; while :; do sleep 0.01; done) & " +
      "trap 'exit 0' TERM; wait",
  );
  await until("up");

  run.stop();

  assert.ok((await rest()).includes("tidied"));
  assert.equal((await run.done).killed, false);
});

test("ProgramRun ends although a grandchild keeps the output open, and kills it", async (t) => {
  const { run, rest } = await follow(t, "sleep 600 & echo $!");

  const [pid] = (await rest()).map(Number);

  assert.deepEqual(await run.done, {
    exit: { code: 0, signal: null },
    killed: false,
    leftOthers: true,
  });
  assert.equal(await runs(pid), false);
});

test("ProgramRun ends although a daemon, which it cannot reach, keeps the output open", async (t) => {
  const { run, rest } = await follow(t, "setsid sh -c 'echo $$; exec sleep 600' & wait $!", 50);
  // The program waits for the daemon, so it is stopped once the daemon is there.
  const chunk = await run.next();
  const pid = Number(chunk?.lines[0].text);
  t.after(() => void process.kill(pid, "SIGKILL"));
  run.stop();

  await rest();
  await run.done;

  assert.equal(await runs(pid), true);
});

test("ProgramRun ends although a daemon, which it cannot reach, says something all the time", async (t) => {
  const chatter = "echo $$; for i in $(seq 200); do echo x; sleep 0.1; done";
  const { run, rest } = await follow(t, `setsid sh -c '${chatter}' & wait $!`, 50);
  const chunk = await run.next();
  const pid = Number(chunk?.lines[0].text);
  t.after(() => void execFile("kill", ["-9", `${pid}`])); // it may have ended by itself
  run.stop();

  assert.ok((await rest()).length < 150);
  await run.done;
});

test("ProgramRun.stop() is heard by a program that somebody has stopped", async (t) => {
  const script =
    "trap 'echo bye; exit 1' TERM; echo up; kill -STOP $$; while :; do sleep 0.1; done";
  const { program: { pid }, run, until: said, rest } = await follow(t, script);
  await said("up");
  await until(() => / T /.test(readFileSync(`/proc/${pid}/stat`, "utf8")));

  run.stop();

  assert.ok((await rest()).includes("bye"));
  assert.equal((await run.done).killed, false);
});

test("ProgramRun reads no faster than it is asked to", async (t) => {
  const { run, rest } = await follow(
    t,
    // What yes has written when it is stopped: all that was read, held here or in a pipe.
    "(yes; :) & trap 'kill $!; exit' TERM; wait",
  );
  for (let chunks = 0; chunks < 20; chunks++) await run.next();
  await new Promise((resolve) => setTimeout(resolve, 200)); // time in which too much could be read
  run.stop();

  const late = (await rest()).length * 2;

  assert.ok(late < 4 * 1024 * 1024, `${late} bytes were waiting`);
});

test("ProgramRun gives a million lines, one after the other", async (t) => {
  const { run } = await follow(t, "seq 1000000");
  let next = 1;

  for (let chunk = await run.next(); chunk; chunk = await run.next()) {
    for (const { text } of chunk.lines) assert.equal(text, String(next++));
  }

  assert.equal(next, 1_000_001);
  assert.equal((await run.done).leftOthers, false);
});

test("ProgramRun.close() lets go of a program that nobody reads any more", async (t) => {
  const { run } = await follow(t, "yes");
  await run.next();

  run.close();
  run.stop();

  assert.equal((await run.done).leftOthers, false);
});
