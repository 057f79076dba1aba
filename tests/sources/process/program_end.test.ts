import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import type { Exit } from "../../../src/sources/formats/format.ts";
import { OutputLines } from "../../../src/sources/process/output_lines.ts";
import type { Program } from "../../../src/sources/process/program.ts";
import { type ProgramEnd, ProgramRun } from "../../../src/sources/process/program_run.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { turns } from "../../support/producer_bench.ts";

const GRACE_MS = 10_000;
const LINGER_MS = 1_000;
/** One that stands still (SIGSTOP) hears nothing before it goes on. */
const ASKED = ["SIGINT", "SIGCONT"];
const FINE: Exit = { code: 0, signal: null };

/** A program that does what the test says, in a time of the test's, and all that it was sent. */
function bench() {
  const clock = new FakeClock();
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const exited = Promise.withResolvers<Exit>();
  const signals: string[] = [];
  const state = { alive: true, letGo: 0 };
  const program: Program = {
    pid: 1,
    stdout,
    stderr,
    exit: exited.promise,
    letGo: () => void state.letGo++,
    signal: (name) => void signals.push(name),
    get alive() {
      return state.alive;
    },
  };
  return {
    clock,
    program,
    stdout,
    signals,
    state,
    /** Ends it, which is noticed by then. */
    async exit() {
      exited.resolve(FINE);
      await turns(3);
    },
    closeOutputs() {
      stdout.end();
      stderr.end();
    },
    /** Time goes by, and what comes of it. */
    async passes(ms: number) {
      for (let spent = 0; spent < ms; spent += 20) {
        clock.advance(20);
        await turns(3);
      }
    },
  };
}

/** A run of it, whose output is taken as it comes. */
function running() {
  const all = bench();
  const { program, clock } = all;
  const run = new ProgramRun({ program, clock, stopSignal: "SIGINT", graceMs: GRACE_MS });
  const ends: ProgramEnd[] = [];
  run.done.then((end) => ends.push(end));
  const lines: string[] = [];
  const take = async () => {
    for (let chunk = await run.next(); chunk; chunk = await run.next()) {
      lines.push(...chunk.lines.map(({ text }) => text));
    }
  };
  take();
  return { ...all, run, ends, lines };
}

test("ProgramRun.stop() asks once, and nobody whose program has ended", async () => {
  const { run, signals, exit } = running();
  run.stop();
  run.stop();
  const other = running();
  await other.exit();
  other.run.stop();

  assert.deepEqual([signals, other.signals], [ASKED, []]);
  await exit();
});

test("what a stopped program has left behind has the whole grace, also where it says nothing", async () => {
  for (const silent of [false, true]) {
    const { run, signals, state, ends, clock, passes, exit, closeOutputs } = running();
    run.stop();
    await exit();
    if (silent) closeOutputs();

    await passes(GRACE_MS - 20);
    const before = [...signals];
    await passes(20);
    state.alive = false;
    closeOutputs();
    await passes(LINGER_MS);

    assert.deepEqual(before, ASKED, `${silent}`);
    assert.equal(signals[2], "SIGKILL");
    assert.deepEqual(ends, [{ exit: FINE, killed: false, leftOthers: false }]);
    assert.equal(clock.waiting, 0);
  }
});

test("a stopped program is over as soon as nobody of it is left", async () => {
  const { run, state, ends, clock, passes, exit, closeOutputs } = running();
  run.stop();
  await exit();
  closeOutputs();
  await passes(2 * LINGER_MS);
  const before = ends.length;

  state.alive = false;
  await passes(20);

  assert.deepEqual([before, ends.length, clock.waiting], [0, 1, 0]);
});

test("who outlives a program that has ended by itself has a second, then is killed", async () => {
  const { signals, ends, passes, exit, closeOutputs, state } = running();
  await exit();
  closeOutputs();

  await passes(LINGER_MS - 20);
  const before = signals.length;
  await passes(20);
  state.alive = false;
  await passes(20);

  assert.deepEqual([before, signals[0]], [0, "SIGKILL"]);
  assert.deepEqual(ends, [{ exit: FINE, killed: false, leftOthers: true }]);
});

test("who outlives a program for less than a second is no one that was left", async () => {
  const { signals, ends, clock, passes, exit, closeOutputs, state } = running();
  await exit();
  closeOutputs();
  await passes(LINGER_MS / 2);

  state.alive = false;
  await passes(20);

  assert.deepEqual(ends, [{ exit: FINE, killed: false, leftOthers: false }]);
  assert.equal(clock.waiting, 0);
  assert.deepEqual(new Set(signals), new Set(["SIGKILL"])); // to a group in which nobody is
});

test("what somebody out of reach writes is read for a second after it came, and for two at most", async () => {
  for (const [talks, heard] of [[1, ["late 0"]], [5, ["late 0", "late 1"]]] as const) {
    const { stdout, lines, ends, state, passes, exit } = running();
    await exit();
    state.alive = false;
    await passes(LINGER_MS); // the outputs are still open

    for (let n = 0; n < talks; n++) {
      await passes(LINGER_MS - 40);
      stdout.write(`late ${n}\n`);
      await passes(20);
    }
    const before = ends.length;
    await passes(LINGER_MS + 40);

    assert.deepEqual(lines, heard);
    assert.deepEqual([before, ends.length, state.letGo], [talks === 1 ? 0 : 1, 1, 1]);
  }
});

test("what somebody out of reach writes without end is read no further than 2 MiB", async () => {
  const { stdout, ends, state, passes, exit } = running();
  await exit();
  state.alive = false;
  await passes(LINGER_MS);
  const chunk = new Uint8Array(64 * 1024).fill(10);

  let written = 0;
  for (; ends.length === 0 && written < 16 * 1024 * 1024; written += chunk.length) {
    stdout.write(chunk);
    await passes(20);
  }

  assert.equal(ends.length, 1);
  assert.ok(written > 2 * 1024 * 1024 && written < 3 * 1024 * 1024, `${written}`);
});

test("OutputLines reads an output no further before its last chunk was taken", async () => {
  const { program, stdout, closeOutputs } = bench();
  const lines = new OutputLines(program);
  stdout.write("one\n");
  await turns(3);
  stdout.write("two\n");
  await turns(3);
  const before = [lines.bytes, lines.waiting];

  const first = await lines.next();
  await turns(3);
  const after = lines.bytes;
  closeOutputs();
  const second = await lines.next();

  assert.deepEqual([before, after], [[4, true], 8]);
  assert.deepEqual([first, second].map((chunk) => chunk?.lines[0].text), ["one", "two"]);
  assert.equal(await lines.next(), undefined);
});

test("OutputLines.close() ends the outputs also where these never say so, and reads no more", async () => {
  const { program, stdout, state } = bench();
  const lines = new OutputLines(program);
  stdout.write("one\nhalf");
  await turns(3);

  lines.close();
  await lines.ended;
  stdout.write(" of it\nmore\n");
  stdout.end();
  await turns(10);

  assert.equal((await lines.next())?.lines[0].text, "one");
  assert.equal(await lines.next(), undefined);
  assert.deepEqual([lines.bytes, lines.over, state.letGo], [8, true, 1]);
});
