import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "../../src/client/outbox.ts";

const KIB = 1024;

function line(message: string) {
  return { level: "info", message, timeMs: 0 } as const;
}

/** The events of each request, until there is nothing to tell. */
// deno-lint-ignore no-explicit-any -- tests look into events freely
function requests(outbox: Outbox): any[][] {
  const taken = [];
  while (!outbox.empty) {
    const { events, last } = outbox.take(true);
    taken.push(events.map(({ text }) => JSON.parse(text)));
    if (last) break;
  }
  return taken;
}

test("Outbox.take() gives requests that a server takes, however long the lines are", () => {
  const outbox = new Outbox();

  for (let n = 0; n < 40; n++) outbox.log(line("x".repeat(60 * KIB)));
  const taken = requests(outbox);

  const lengths = taken.map((events) => JSON.stringify(events).length);
  assert.equal(taken.flat().length, 40);
  assert.ok(lengths.every((length) => length < 512 * KIB), `${lengths}`);
});

test("Outbox leaves out no line for want of room that others have left", () => {
  const outbox = new Outbox();

  let told = 0;
  for (let round = 0; round < 100; round++) {
    for (let n = 0; n < 3; n++) outbox.log(line("x".repeat(50 * KIB)));
    told += outbox.take(true).events.length;
  }

  assert.deepEqual([told, outbox.empty], [300, true]);
});

test("Outbox holds four mebibytes, and says how many of the oldest lines went", () => {
  const outbox = new Outbox();

  for (let n = 0; n < 100; n++) outbox.log(line(`${n} ${"x".repeat(60 * KIB)}`));
  const [word, oldest, ...others] = requests(outbox).flat();

  assert.match(word.message, /^\d+ lines left out: /);
  const gone = Number.parseInt(word.message);
  assert.ok(gone > 0 && others.length + 1 === 100 - gone, `${gone} and ${others.length + 1}`);
  assert.ok(oldest.message.startsWith(`${gone} `));
  assert.ok((others.length + 1) * 60 * KIB > 3.9 * KIB * KIB);
});

test("Outbox says of all lines that went, also where a request has no room for that word", () => {
  const outbox = new Outbox();
  const lines = (from: number, to: number) => {
    for (let n = from; n < to; n++) outbox.log(line(`${n}`));
  };
  // Totals that take a request of their own.
  for (let n = 0; n < 600; n++) outbox.totals.count("inserted", 1, `${n} ${"€".repeat(190)}`);

  lines(0, 10_007);
  const [first, ...none] = outbox.take(true).events;
  lines(10_007, 10_010);
  const [word, oldest, ...others] = requests(outbox).flat();

  assert.deepEqual([first.type, none], ["progress", []]);
  assert.equal(word.message.split(":")[0], "10 lines left out");
  assert.deepEqual([oldest.message, others.length], ["10", 9_999]);
});

test("Outbox tells the end behind all lines, and the first end alone", () => {
  const outbox = new Outbox();

  for (let n = 0; n < 501; n++) outbox.log(line("x"));
  outbox.end({ status: "completed" });
  outbox.end({ status: "failed" });
  const attached = new Outbox();
  for (let n = 0; n < 501; n++) attached.log(line("x"));
  attached.end({ status: "completed" });
  const taken = requests(outbox);

  // One that has not created the job tells its lines, and not the end.
  const told = [attached.take(false), attached.take(false)];
  assert.deepEqual(told.map(({ events, last }) => [events.length, last]), [[500, false], [
    1,
    true,
  ]]);
  assert.deepEqual(taken.map(({ length }) => length), [500, 2]);
  assert.deepEqual(taken[1].at(-1), { type: "end", status: "completed" });
});
