import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeFrames } from "../../src/sse/frame.ts";
import { frameBytes, SseEncoderStream } from "../../src/sse/sse_encoder_stream.ts";

test("encodeFrames() puts retry first and the id last, behind the data", () => {
  const text = encodeFrames([{ id: "k3Xz9Q-7", data: '{"a": 1}', retryMs: 3000 }]);

  assert.equal(text, 'retry: 3000\ndata: {"a": 1}\nid: k3Xz9Q-7\n\n');
});

test("encodeFrames() gives each line of data its own prefix and keeps leading spaces", () => {
  const text = encodeFrames([{ data: " a\n\n b" }, { data: "" }]);

  assert.equal(text, "data:  a\ndata: \ndata:  b\n\ndata: \n\n");
});

for (
  const [what, frame, error] of [
    ["a line feed in the id", { data: "x", id: "1\ndata: forged" }, TypeError],
    ["a carriage return in the id", { data: "x", id: "1\r" }, TypeError],
    ["NUL in the id", { data: "x", id: "1\0" }, TypeError],
    ["a carriage return in the data", { data: "a\rb" }, TypeError],
    ["a lone surrogate in the data", { data: "\ud800" }, TypeError],
    ["a lone surrogate in the id", { data: "x", id: "\udfff" }, TypeError],
    ["a negative retry", { data: "x", retryMs: -1 }, RangeError],
    ["a fractional retry", { data: "x", retryMs: 1.5 }, RangeError],
    ["a retry that is no number", { data: "x", retryMs: NaN }, RangeError],
  ] as const
) {
  test(`encodeFrames() refuses ${what}`, () => {
    assert.throws(() => encodeFrames([frame]), error);
  });
}

test("SseEncoderStream gives one chunk an item, with all of its frames", async () => {
  const encoder = new SseEncoderStream((
    n: number,
  ) => [{ data: `${n}` }, { data: `${n}b`, id: `${n}` }]);
  const writer = encoder.writable.getWriter();
  const reader = encoder.readable.getReader();

  const writes = [writer.write(1), writer.write(2)];
  const chunks = [await reader.read(), await reader.read()];
  await Promise.all(writes);

  assert.deepEqual(
    chunks.map(({ value }) => new TextDecoder().decode(value)),
    ["data: 1\n\ndata: 1b\nid: 1\n\n", "data: 2\n\ndata: 2b\nid: 2\n\n"],
  );
});

test("frameBytes() is UTF-8", () => {
  assert.deepEqual(frameBytes({ data: "ü" }), new TextEncoder().encode("data: ü\n\n"));
});
