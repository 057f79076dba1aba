import assert from "node:assert/strict";
import { test } from "node:test";
import { BODY_BYTES_MAX, linesOf, parseJson, splitLines, wholeBody } from "../../src/http/body.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { until } from "../support/until.ts";

const utf8 = new TextEncoder();
const IDLE_MS = 1_000;
/** A line that no other is waited for with. */
const LONG_LINE = `${"x".repeat(10_000)}\n`;

/** A body of these chunks; without an end it then stands still. @param each what each one takes */
function bodyOf(chunks: readonly string[], end = true, each = () => {}) {
  const left = [...chunks];
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      each();
      const chunk = left.shift();
      if (chunk !== undefined) controller.enqueue(utf8.encode(chunk));
      else if (end) controller.close();
      else return new Promise(() => {});
    },
  }, { highWaterMark: 0 });
}

/** A body that says what the test has it say. */
function heldBody() {
  const controllers: ReadableStreamDefaultController<Uint8Array>[] = [];
  const body = new ReadableStream<Uint8Array>({ start: (given) => void controllers.push(given) });
  return { body, controller: controllers[0] };
}

/** A signal that knows how many listen to it. */
class CountedSignal extends EventTarget {
  aborted = false;
  listeners = 0;

  override addEventListener(...given: Parameters<EventTarget["addEventListener"]>): void {
    this.listeners++;
    super.addEventListener(...given);
  }

  override removeEventListener(...given: Parameters<EventTarget["removeEventListener"]>): void {
    this.listeners--;
    super.removeEventListener(...given);
  }

  fire(): void {
    this.aborted = true;
    this.dispatchEvent(new Event("abort"));
  }
}

async function lines(body: ReadableStream<Uint8Array>, clock = new FakeClock()) {
  const found: string[] = [];
  for await (const piece of linesOf(body, { clock, idleMs: IDLE_MS })) {
    for (const line of splitLines(piece)) found.push(new TextDecoder().decode(line));
  }
  return found;
}

test("linesOf() finds the same lines wherever the body is cut into chunks", async () => {
  const text = "one\n\ntwö\nthree";
  for (let cut = 0; cut <= text.length; cut++) {
    for (let next = cut; next <= text.length; next++) {
      const chunks = [text.slice(0, cut), text.slice(cut, next), text.slice(next)];
      const clock = new FakeClock();
      const late = bodyOf(chunks, true, () => clock.advance(10)); // so that none is waited for
      for (const body of [bodyOf(chunks), late]) {
        assert.deepEqual(await lines(body, clock), ["one", "", "twö", "three"]);
      }
    }
  }
});

test("linesOf() hands on together what has arrived in many chunks, and waits for no more", async () => {
  const chunks = Array.from({ length: 20 }, (_, at) => `${at}\n`);
  const pieces = linesOf(bodyOf(chunks, false), { clock: new FakeClock(), idleMs: IDLE_MS });

  const { value } = await pieces.next();

  assert.equal(`${new TextDecoder().decode(value as Uint8Array)}\n`, chunks.join(""));
});

test("linesOf() gives a long chunk once that comes behind a short one", async () => {
  const { body, controller } = heldBody();
  const pieces = linesOf(body, { clock: new FakeClock(), idleMs: IDLE_MS });
  const lengths: (number | undefined)[] = [];
  const next = async () => void lengths.push((await pieces.next()).value?.length);

  controller.enqueue(utf8.encode("one\n"));
  await next();
  controller.enqueue(utf8.encode(LONG_LINE));
  await next();
  controller.close();
  await next();

  assert.deepEqual(lengths, [3, LONG_LINE.length - 1, undefined]);
});

test("linesOf() gives what has arrived of a body that is cut off, and then says so", async () => {
  const chunks = ["one\n"];
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk === undefined) controller.error(new Error("the sender is gone"));
      else controller.enqueue(utf8.encode(chunk));
    },
  }, { highWaterMark: 0 });
  const pieces = linesOf(body, { clock: new FakeClock(), idleMs: IDLE_MS });

  const { value } = await pieces.next();

  assert.deepEqual(value, utf8.encode("one"));
  await assert.rejects(pieces.next(), { code: "invalid-request" });
});

test("a body that is cut off while its lines are stored is no fault of the process", async () => {
  const { body, controller } = heldBody();
  const pieces = linesOf(body, { clock: new FakeClock(), idleMs: IDLE_MS });
  for (const chunk of ["one\n", LONG_LINE]) controller.enqueue(utf8.encode(chunk));
  const { value } = await pieces.next();

  controller.error(new Error("the sender is gone"));
  await new Promise((resolve) => setImmediate(resolve)); // a rejection that nobody expects is told

  assert.equal(value?.length, "one\n".length + LONG_LINE.length - 1);
  await assert.rejects(pieces.next(), { code: "invalid-request" });
});

test("linesOf() refuses a line that is too long, also one without an end", async () => {
  const long = "x".repeat(BODY_BYTES_MAX / 2);

  await assert.rejects(lines(bodyOf([long, long, "y\n"])), { code: "body-too-large" });
  await assert.rejects(lines(bodyOf([long, long, "y"])), { code: "body-too-large" });
  assert.equal((await lines(bodyOf([long, long, "\n"]))).length, 1);
  assert.equal((await lines(bodyOf([`${long}${long}\ny\n`]))).length, 2);
  await assert.rejects(lines(bodyOf([`${long}${long}y\ny\n`])), { code: "body-too-large" });
});

test("linesOf() copies a long line a few times, however small the chunks are", async () => {
  const set = Uint8Array.prototype.set;
  let copied = 0;
  Uint8Array.prototype.set = function (part, at) {
    copied += part.length;
    set.call(this, part, at);
  };

  const found = await lines(bodyOf(["x".repeat(500_000), ..."y".repeat(500), "\n"]))
    .finally(() => Uint8Array.prototype.set = set);

  assert.equal(found[0].length, 500_500);
  assert.ok(copied < 2_000_000, `${copied} bytes were copied`);
});

test("a body of many small chunks lets others work in between", async () => {
  let over = false;
  let turns = 0;
  const count = () => {
    turns++;
    if (!over) setImmediate(count);
  };
  setImmediate(count);

  await lines(bodyOf(Array<string>(1_000).fill("x"))).finally(() => over = true);

  assert.ok(turns >= 10, `${turns} turns`);
});

test("linesOf() gives a body up in which no whole line arrives, however it trickles", async () => {
  const clock = new FakeClock();
  const trickle = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(300);
      controller.enqueue(utf8.encode("x"));
    },
  }, { highWaterMark: 0 });

  await assert.rejects(lines(trickle, clock), { code: "body-timeout" });
  assert.equal(clock.waiting, 0);
});

test("linesOf() puts the deadline off with every line", async () => {
  const clock = new FakeClock();
  let left = 20;
  const steady = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(900);
      if (left-- > 0) controller.enqueue(utf8.encode("x\n"));
      else controller.close();
    },
  }, { highWaterMark: 0 });

  assert.equal((await lines(steady, clock)).length, 20);
});

test("the time that a line takes to be stored is not its sender's", async () => {
  const clock = new FakeClock();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const pieces = linesOf(readable, { clock, idleMs: IDLE_MS });
  void writer.write(utf8.encode("a\n"));
  await pieces.next();
  clock.advance(10 * IDLE_MS);
  void writer.write(utf8.encode("b\n"));
  const { value } = await pieces.next();
  clock.advance(10 * IDLE_MS);

  const third = pieces.next();
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(IDLE_MS - 1);
  assert.equal(clock.waiting, 1);
  clock.advance(1);

  assert.equal(new TextDecoder().decode(value as Uint8Array), "b");
  await assert.rejects(third, { code: "body-timeout" });
});

test("a body that is under way when the server stops is given up, and lets go of its signal", async () => {
  const clock = new FakeClock();
  const stopping = new CountedSignal();
  const options = { clock, idleMs: IDLE_MS, stopping };
  const found: string[] = [];
  const standing = (async () => {
    for await (const piece of linesOf(bodyOf(["a\nb\nc"], false), options)) {
      found.push(new TextDecoder().decode(piece));
    }
  })();
  const whole = wholeBody(bodyOf(["x"], false), options);
  await wholeBody(bodyOf(["x"]), options);
  await until(() => found.length > 0); // in the next turn, or behind a timer
  assert.equal(stopping.listeners, 2);

  stopping.fire();

  await Promise.all(
    [standing, whole].map((body) => assert.rejects(body, { code: "stopping" })),
  );
  await assert.rejects(wholeBody(bodyOf(["x"]), options), { code: "stopping" });
  assert.deepEqual(found, ["a\nb"]);
  assert.deepEqual([stopping.listeners, clock.waiting], [0, 0]);
});

test("linesOf() lets go of the body when its reader leaves", async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(utf8.encode("x\n")),
    cancel: () => void (cancelled = true),
  });

  for await (const _ of linesOf(body, { clock: new FakeClock(), idleMs: IDLE_MS })) break;

  assert.ok(cancelled);
});

test("wholeBody() is limited in length and in time", async () => {
  const clock = new FakeClock();
  const options = { clock, idleMs: IDLE_MS };
  const half = "x".repeat(BODY_BYTES_MAX / 2);

  assert.equal((await wholeBody(bodyOf([half, half]), options)).length, BODY_BYTES_MAX);
  await assert.rejects(wholeBody(bodyOf([half, half, "x"]), options), { code: "body-too-large" });
  const standing = wholeBody(bodyOf(["x"], false), options);
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(IDLE_MS);
  await assert.rejects(standing, { code: "body-timeout" });
});

test("parseJson() tells what is no UTF-8 from what is no JSON", () => {
  assert.deepEqual(parseJson(utf8.encode('{"a": "ö"}')), { a: "ö" });
  assert.throws(() => parseJson(new Uint8Array([0x22, 0xff, 0x22])), /not UTF-8/);
  for (const text of ["", "NaN", "{", "[1,]", '{"a": 1} 2']) {
    assert.throws(() => parseJson(utf8.encode(text)), /not JSON/);
  }
});

test("parseJson() refuses a member that would be lost, wherever it is, and no other", () => {
  for (
    const text of ['{"__proto__": 1}', '[{"a": [{"__proto__": {}}]}]', '{"\\u005f_proto__": 1}']
  ) {
    assert.throws(() => parseJson(utf8.encode(text)), /a member named __proto__/);
  }
  assert.deepEqual(parseJson(utf8.encode('{"a": "__proto__"}')), { a: "__proto__" });
  const long = `["\\u0000"${",0".repeat(500_000)}]`;
  assert.equal((parseJson(utf8.encode(long)) as unknown[]).length, 500_001); // as it is written
});

test("parseJson() keeps numbers of `fields` and `meta` that would be changed as texts", () => {
  const kept = (number: string) =>
    (parseJson(utf8.encode(`{"fields": {"a": [${number}]}}`)) as { fields: { a: unknown[] } })
      .fields.a[0];

  assert.equal(kept("12345678901234567890"), "12345678901234567890");
  assert.equal(kept("-9007199254740993"), "-9007199254740993");
  assert.equal(kept("1e400"), "1e400");
  assert.equal(kept("-1E+400"), "-1E+400");
  assert.equal(kept("12345678901234567000"), 12345678901234567000);
  assert.equal(kept(`1${"0".repeat(22)}`), 1e22);
  assert.equal(kept("9007199254740991"), 9007199254740991);
  assert.equal(kept("0.12345678901234567890"), 0.12345678901234568);
  assert.equal(kept("1e300"), 1e300);
  assert.equal(kept('"12345678901234567890"'), "12345678901234567890");
});
