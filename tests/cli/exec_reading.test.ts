import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { Reading } from "../../src/cli/exec/reading.ts";
import { DestinationLockedError } from "../../src/destinations/index_destination.ts";
import type { RecordSession } from "../../src/destinations/record_destination.ts";
import type { Exit } from "../../src/sources/formats/format.ts";
import { formatOf } from "../../src/sources/formats/formats.ts";
import type { SourceEvent } from "../../src/sources/source.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { memoryRecords } from "../sources/formats/record_session.ts";

/** What a tap's lines come to, with a destination as it is given. */
async function read(
  records: () => RecordSession,
  lines: readonly string[],
  exit: Exit,
  { clock = new FakeClock(), signal = new AbortController().signal, command = ["tap"] } = {},
) {
  const events: SourceEvent[] = [];
  const reading = new Reading({
    format: formatOf("singer"),
    command,
    cwd: "/",
    env: {},
    records,
    emit: (event) => events.push(event),
    clock,
  });
  for (const line of lines) reading.chunk("stdout", Buffer.from(line));
  const outcome = await reading.end(exit, signal);
  const told = events.flatMap((event) =>
    event.type === "log" ? [`${event.level}: ${event.message}`] : []
  );
  const totals = events.flatMap((event) => event.type === "progress" ? [event.inserted] : []);
  return { outcome, events, told, totals };
}

const row = (id: number) => `{"type":"RECORD","stream":"s","record":{"id":${id}}}\n`;
const done = { code: 0, signal: null };

test("Reading tells totals when the records that they count were written, once a chunk", async () => {
  const calls: string[] = [];
  const session = memoryRecords();
  const records = () => ({
    ...session,
    flush: () => void calls.push(`flush ${session.held.size}`),
    close: () => void calls.push("close"),
  });

  const { totals } = await read(records, [
    row(1) + row(2),
    row(3) + '{"type":"RECORD","stream":"s",' +
    '"record":{"id":4}}',
  ], done);

  assert.deepEqual(calls, ["flush 2", "flush 3", "flush 4", "flush 4", "close"]);
  assert.deepEqual(totals.slice(0, 3), [2, 3, 4]);
});

test("Reading tells that the time ran out which timeout gave the program", async () => {
  const exit = { code: 124, signal: null };

  const { outcome } = await read(memoryRecords, [], exit, { command: ["timeout", "60", "tap"] });

  assert.equal(
    outcome.error?.message,
    "The program ended with exit code 124, as timeout does after its time of 60 s",
  );
});

test("Reading without its destination reads on, and says why", async () => {
  const records = () => {
    throw new Error("no room");
  };

  const { outcome, told } = await read(records, [row(1)], done);

  assert.deepEqual([outcome.error, told[0]], [undefined, "warning: no room"]);
});

for (const [code, failed] of [[0, undefined], [3, "program_failed"]] as const) {
  test(`Reading that breaks leaves the program's exit ${code} as it is, and says what is missing`, async () => {
    let [puts, closed] = [0, 0];
    const put = () => {
      puts++;
      throw new Error("disk full");
    };
    const records = () => ({ ...memoryRecords(), put, close: () => void closed++ });

    const { outcome, told, totals } = await read(records, [row(1), row(2)], { code, signal: null });

    const words = "Not all that the program wrote could be counted: disk full";
    assert.deepEqual(totals, []);
    assert.deepEqual([outcome.error?.code, puts, closed], [failed, 1, 1]);
    assert.deepEqual(told, [`error: ${words}`]);
  });
}

const faultsIn = (told: readonly string[]) => told.filter((words) => words.startsWith("error"));

/** Records in memory; another program has them locked at these flushes, counted from 1. */
function lockedAt(isLocked: (flush: number) => boolean) {
  const session = memoryRecords();
  let flushes = 0;
  const flush = () => {
    if (isLocked(++flushes)) throw new DestinationLockedError("destination_unwritable", "locked");
  };
  return () => ({ ...session, flush });
}

test("Reading counts on where another program locks its destination for a moment", async () => {
  const records = lockedAt((flush) => flush === 2);

  const { told, totals } = await read(records, [row(1), row(2), row(3)], done);

  assert.deepEqual([faultsIn(told), totals], [[], [1, 3, 3]]);
});

/** A tap whose lines come one by one, with a destination as it is given. */
function tap(records: () => RecordSession) {
  const clock = new FakeClock();
  const totals: number[] = [];
  const told: string[] = [];
  const reading = new Reading({
    format: formatOf("singer"),
    command: ["tap"],
    cwd: ".",
    env: {},
    records,
    emit: (event) => {
      if (event.type === "progress") totals.push(event.inserted);
      if (event.type === "log") told.push(`${event.level}: ${event.message}`);
    },
    clock,
  });
  return { clock, reading, totals, told };
}

test("Reading tries a locked destination again while the program says nothing", async () => {
  let locked = true;
  const { clock, reading, totals } = tap(lockedAt(() => locked));

  reading.chunk("stdout", Buffer.from(row(1)));
  clock.advance(6_000);
  const before = [...totals];
  locked = false;
  clock.advance(50);
  const told = [...totals];
  // Another lock is waited for as the first was.
  locked = true;
  reading.chunk("stdout", Buffer.from(row(2)));
  locked = false;
  reading.chunk("stdout", Buffer.from(row(3)));
  const waiting = clock.waiting;
  const outcome = await reading.end(done, new AbortController().signal);

  assert.deepEqual([before, told, totals, outcome.error], [[], [1], [1, 3, 3], undefined]);
  assert.deepEqual([waiting, clock.waiting], [0, 0]);
});

test("Reading of a program that writes on waits 5 s for a locked destination", async () => {
  let locked = true;
  const { clock, reading, totals, told } = tap(lockedAt(() => locked));

  reading.chunk("stdout", Buffer.from(row(1)));
  clock.advance(4_999);
  reading.chunk("stdout", Buffer.from(row(2)));
  clock.advance(1);
  reading.chunk("stdout", Buffer.from(row(3)));
  locked = false;
  await reading.end(done, new AbortController().signal);

  const words = "error: Not all that the program wrote could be counted: locked";
  assert.deepEqual([totals, faultsIn(told), clock.waiting], [[], [words], 0]);
});

test("Reading tries no destination again that cannot be written", async () => {
  for (const locked of [0, 1]) {
    const session = memoryRecords();
    let flushes = 0;
    const { clock, reading, totals, told } = tap(() => ({
      ...session,
      flush() {
        flushes++;
        if (flushes <= locked) throw new DestinationLockedError("destination_unwritable", "locked");
        if (flushes === locked + 1) throw new Error("disk full");
      },
    }));

    reading.chunk("stdout", Buffer.from(row(1)));
    clock.advance(50);
    reading.chunk("stdout", Buffer.from(row(2)));
    await reading.end(done, new AbortController().signal);

    const words = "error: Not all that the program wrote could be counted: disk full";
    assert.deepEqual([flushes, totals, faultsIn(told)], [locked + 1, [], [words]]);
  }
});

test("Reading waits at its end for a locked destination, for 5 s at most, or half a second where it is to hurry", async () => {
  const clock = new FakeClock();
  const ended = async (records: () => RecordSession, maxMs = 5_000, signal?: AbortSignal) => {
    let end: Awaited<ReturnType<typeof read>> | undefined;
    read(records, [row(1), row(2)], done, { clock, signal }).then((read) => end = read);
    for (let ms = 0; !end && ms <= maxMs; ms += 50) {
      await new Promise((resolve) => setImmediate(resolve));
      if (!end) clock.advance(50);
    }
    await new Promise((resolve) => setImmediate(resolve));
    return end;
  };

  const soon = await ended(lockedAt((flush) => flush < 10));
  const never = await ended(lockedAt(() => true));
  const hurried = await ended(lockedAt(() => true), 500, AbortSignal.abort());

  assert.deepEqual([soon && faultsIn(soon.told), soon?.totals], [[], [2]]);
  const words = "error: Not all that the program wrote could be counted: locked";
  assert.deepEqual([never && faultsIn(never.told), never?.totals], [[words], []]);
  assert.deepEqual([hurried && faultsIn(hurried.told), hurried?.totals], [[words], []]);
  assert.equal(clock.waiting, 0);
});

test("Reading ends as the program did", async () => {
  const { outcome } = await read(memoryRecords, [row(1)], { code: 3, signal: null });

  assert.equal(
    outcome.error?.message,
    "The program ended with exit code 3 and said nothing of why",
  );
});

test("Reading counts a record that is too long, and the cut, as warnings", async () => {
  const row = (text: string) => `{"type":"RECORD","stream":"s","record":{"text":"${text}"}}\n`;

  const { outcome, events } = await read(
    memoryRecords,
    [row("short"), row("x".repeat(1 << 20))],
    done,
  );

  assert.equal(outcome.error, undefined);
  const last = events.findLast((event) => event.type === "progress");
  assert.deepEqual([last?.inserted, last?.warnings], [1, 2]);
  const warnings = events.flatMap((event) =>
    event.type === "log" && event.level === "warning" ? [event.message.slice(0, 44)] : []
  );
  assert.deepEqual(warnings, [
    'Not counted: {"type":"RECORD","stream":"s","',
    "A line of more than 1 MiB was cut, and so ar",
  ]);
});

test("Reading tells of a progress bar as of what the job is busy with", async () => {
  const events: SourceEvent[] = [];
  const reading = new Reading({
    format: formatOf("lines"),
    command: ["cp"],
    cwd: "/",
    env: {},
    records: memoryRecords,
    emit: (event) => events.push(event),
    clock: new FakeClock(),
  });

  reading.chunk("stderr", Buffer.from("97 MB\r98 MB\r"));
  await reading.end(done, new AbortController().signal);

  const [said, last] = events;
  assert.deepEqual(said, { type: "log", level: "debug", message: "98 MB" });
  assert.equal(last.type === "progress" && last.current, "98 MB");
});
