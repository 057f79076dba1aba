import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createParser } from "eventsource-parser";
import { encodeFrames, type SseFrame } from "../../src/sse/frame.ts";
import { fc } from "../support/fast_check.ts";
import type { Cleanup } from "../support/program.ts";
import { type Random, rounds, seeded } from "../support/seed.ts";
import { type SseEvent, SseParser } from "../support/sse_parser.ts";

/** The data of a stream's last event. */
const LAST = "the last one";

/** What a careless encoder would trip over. */
const PARTS = [
  ..."\r \n \r\n \n\n \0 : ; é 漢 😀 \u2028 \u0085 \ufeff \ud800 \udc00".split(" "),
  ..." |  |data: x|id: 1|event: x|retry: 1|:|\t|a|0".split("|"),
];

const part = fc.oneof(
  fc.constantFrom(...PARTS),
  fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
);
const anyText = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(""));
const text = fc.oneof(anyText, anyText.map((any) => any.replace(/[\r\0]|\p{Surrogate}/gu, "")));

/** Whole numbers, and what is none. */
const retry = fc.oneof(
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  fc.constantFrom(-1, 0.5, NaN, 1e21),
  fc.double(),
);

const frame = fc.record({ data: text, id: text, retryMs: retry }, { requiredKeys: ["data"] });

/** Whether a client could ever read the frame back as it is. */
function sendable({ data, id = "", retryMs = 0 }: SseFrame): boolean {
  return !/\r/.test(data) && !/[\r\n\0]/.test(id) && data.isWellFormed() && id.isWellFormed() &&
    Number.isSafeInteger(retryMs) && retryMs >= 0;
}

/** The stream of those frames that can be encoded, and what a client is to be handed. */
function streamOf(frames: readonly SseFrame[]): { text: string; expected: SseEvent[] } {
  let stream = "";
  const expected: SseEvent[] = [];
  let lastEventId = "";
  assert.equal(
    encodeFrames(frames.filter(sendable)),
    frames.filter(sendable).map((each) => encodeFrames([each])).join(""),
  );
  for (const each of frames) {
    if (!sendable(each)) {
      assert.throws(() => encodeFrames([each]), /^(Type|Range)Error: Cannot encode /);
      continue;
    }
    stream += encodeFrames([each]);
    lastEventId = each.id ?? lastEventId;
    expected.push({ type: "message", data: each.data, lastEventId });
  }
  return { text: stream, expected };
}

function strict(chunks: readonly Uint8Array[]): SseEvent[] {
  const parser = new SseParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
}

function packaged(chunks: readonly Uint8Array[]): SseEvent[] {
  const events: SseEvent[] = [];
  let lastEventId = "";
  const parser = createParser({
    onEvent({ event = "message", data, id }) {
      lastEventId = id ?? lastEventId;
      events.push({ type: event, data, lastEventId });
    },
  });
  // Without `fatal` Deno 2.9.6 loses U+FEFF in the middle of a stream that comes byte by byte.
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (const chunk of chunks) parser.feed(decoder.decode(chunk, { stream: true }));
  return events;
}

seeded("encodeFrames() is read back as given, wherever it is cut, or refused", (random) => {
  const holds = (frames: SseFrame[]) => {
    const { text, expected } = streamOf(frames);
    const bytes = new TextEncoder().encode(text);
    const bytewise = [...bytes].map((byte) => Uint8Array.of(byte));

    assert.deepEqual(strict(bytewise), expected);
    assert.deepEqual(packaged(bytewise), expected);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const halves = [bytes.slice(0, cut), bytes.slice(cut)];
      assert.deepEqual(strict(halves), expected);
      assert.deepEqual(packaged(halves), expected);
    }
  };

  const frames = fc.array(frame, { minLength: 1, maxLength: 3 });
  fc.assert(fc.property(frames, holds), { seed: random.below(2 ** 31), numRuns: rounds(300) });
});

test("encodeFrames() of a line of 1 MiB is read back, cut in the middle of a character", () => {
  const data = ` ${"é".repeat(512 * 1024)}`;
  const bytes = new TextEncoder().encode(encodeFrames([{ data, id: "e-1" }]));

  const halves = [bytes.slice(0, 500_002), bytes.slice(500_002)];

  const expected = [{ type: "message", data, lastEventId: "e-1" }];
  assert.deepEqual(strict(halves), expected);
  assert.deepEqual(packaged(halves), expected);
});

// Bun has no EventSource of its own.
if ("EventSource" in globalThis) {
  seeded("the runtime's EventSource reads encodeFrames() back as given", async (random, t) => {
    const made = fc.sample(frame, { seed: random.below(2 ** 31), numRuns: rounds(300) });
    const frames = made.filter((each) => each.retryMs === undefined);
    const { text, expected } = streamOf([...frames, { data: LAST }]);
    const bytes = new TextEncoder().encode(text);
    const url = await serving(t, bytes, random);

    const seen = await new Promise<SseEvent[]>((resolve) => {
      const events: SseEvent[] = [];
      const source = new EventSource(url);
      source.onmessage = ({ type, data, lastEventId }) => {
        events.push({ type, data, lastEventId });
        if (data !== LAST) return;
        source.close();
        resolve(events);
      };
    });

    assert.deepEqual(seen, expected);
  });
}

/** A server of those bytes, in chunks of any length. */
async function serving(t: Cleanup, bytes: Uint8Array, random: Random): Promise<string> {
  const server = createServer(async (_request, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    for (let at = 0; at < bytes.length;) {
      const length = 1 + random.below(200);
      if (!response.write(bytes.slice(at, at + length))) await once(response, "drain");
      at += length;
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`; // it listens on TCP
}
