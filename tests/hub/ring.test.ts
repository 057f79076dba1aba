import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Chunk,
  CHUNK_BYTES_MAX,
  CHUNKS_MAX,
  Ring,
  RING_BYTES_MAX,
  RING_FRAMES_MAX,
} from "../../src/hub/ring.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (chunk: Chunk | undefined) => chunk?.bytes && new TextDecoder().decode(chunk.bytes);

test("Ring.chunkAfter() joins all that is unseen, and shares it among who asks alike", () => {
  const ring = new Ring(0);
  ring.push(1, undefined, bytes("a"));
  ring.push(2, undefined, bytes("b"));
  ring.push(3, undefined, bytes("c"));

  const first = ring.chunkAfter(1, undefined);

  assert.equal(text(first), "bc");
  assert.equal(ring.chunkAfter(1, undefined), first);
  assert.equal(text(ring.chunkAfter(0, undefined)), "abc");
  assert.equal(ring.chunkAfter(3, undefined), undefined);
  assert.equal(ring.chunkAfter(9, undefined), undefined);
});

test("Ring.chunkAfter() keeps the chunks of a few positions, however many ask", () => {
  const ring = new Ring(0);
  for (let n = 1; n <= 2 * CHUNKS_MAX; n++) ring.push(n, undefined, bytes(`${n}`));

  const first = ring.chunkAfter(0, undefined);
  const second = ring.chunkAfter(1, undefined);
  for (let at = 2; at <= CHUNKS_MAX; at++) ring.chunkAfter(at, undefined);

  assert.notEqual(ring.chunkAfter(0, undefined), first);
  assert.deepEqual(ring.chunkAfter(0, undefined), first);
  assert.notEqual(ring.chunkAfter(1, undefined), second);
});

test("Ring.chunkAfter() forgets shared chunks when there is more", () => {
  const ring = new Ring(0);
  ring.push(1, undefined, bytes("a"));
  ring.chunkAfter(0, undefined);

  ring.push(2, undefined, bytes("b"));

  assert.equal(text(ring.chunkAfter(0, undefined)), "ab");
});

test("Ring.chunkAfter() adds log lines from the level that is asked for", () => {
  const ring = new Ring(0);
  ring.push(1, "debug", bytes("d"));
  ring.push(2, undefined, bytes("p"));
  ring.push(3, "error", bytes("e"));

  const chunks = ([undefined, "debug", "warning"] as const).map((logs) =>
    text(ring.chunkAfter(0, logs))
  );

  assert.deepEqual(chunks, ["p", "dpe", "pe"]);
  assert.deepEqual(ring.chunkAfter(2, undefined), { bytes: undefined, through: 3 });
});

test("Ring.chunkAfter() gives as many frames as fit, and a larger one by itself", () => {
  const ring = new Ring(0);
  const third = new Uint8Array(CHUNK_BYTES_MAX / 3);
  for (let n = 1; n <= 4; n++) ring.push(n, n === 4 ? "info" : undefined, third);
  ring.push(5, undefined, new Uint8Array(CHUNK_BYTES_MAX * 2));

  const sizes = [];
  for (let at = 0, chunk; (chunk = ring.chunkAfter(at, "debug")); at = chunk.through) {
    sizes.push([chunk.through, chunk.bytes?.byteLength]);
  }

  assert.deepEqual(sizes, [[3, third.length * 3], [4, third.length], [5, CHUNK_BYTES_MAX * 2]]);
  assert.equal(ring.chunkAfter(0, undefined)?.through, 4);
});

test("Ring keeps at most its number of frames and says from where on it serves", () => {
  const ring = new Ring(10);

  for (let n = 1; n <= RING_FRAMES_MAX + 5; n++) ring.push(10 + n, undefined, bytes("x"));

  assert.equal(ring.before, 15);
  assert.equal(ring.last, 10 + RING_FRAMES_MAX + 5);
  assert.equal(text(ring.chunkAfter(15, undefined))?.length, RING_FRAMES_MAX);
});

test("Ring keeps at most its number of bytes, and always the newest frame", () => {
  const ring = new Ring(0);
  const half = new Uint8Array(RING_BYTES_MAX / 2);

  for (let n = 1; n <= 3; n++) ring.push(n, undefined, half);
  const before = ring.before;
  ring.push(4, undefined, new Uint8Array(RING_BYTES_MAX * 2));

  assert.deepEqual([before, ring.before], [1, 3]);
  assert.equal(ring.chunkAfter(3, undefined)?.bytes?.byteLength, RING_BYTES_MAX * 2);
});

test("Ring.restart() forgets all frames, and what they took", () => {
  const ring = new Ring(0);
  ring.push(1, undefined, new Uint8Array(RING_BYTES_MAX));

  ring.restart(10);
  const empty = [ring.before, ring.last, ring.chunkAfter(10, undefined)];
  ring.push(11, undefined, bytes("a"));
  ring.push(12, undefined, bytes("b"));

  assert.deepEqual(empty, [10, 10, undefined]);
  assert.deepEqual([ring.before, text(ring.chunkAfter(10, undefined))], [10, "ab"]);
});
