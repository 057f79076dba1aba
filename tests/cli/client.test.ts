import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { sendTo } from "../../src/cli/client.ts";
import { RefusedError } from "../../src/cli/exit.ts";
import { SilentError } from "../../src/cli/patience.ts";
import { FakeClock } from "../support/fake_clock.ts";
import type { Cleanup } from "../support/program.ts";

/** A peer that says so much of an answer and then nothing more; and a request to it. */
async function silentPeer(t: Cleanup, begin: (answer: ServerResponse) => void) {
  const asked = Promise.withResolvers<void>();
  const server = createServer((_, answer) => {
    begin(answer);
    asked.resolve();
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  t.after(() => server.closeAllConnections());
  t.after(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const clock = new FakeClock();
  const request = sendTo({ server: url, key: "st_key" }, "GET", "/", "list jobs", { clock });
  return { url, clock, asked: asked.promise, request };
}

function silence(url: string) {
  const message = `Cannot list jobs: cannot reach ${url}: nothing has come for 90 s`;
  return { name: RefusedError.name, message, cause: new SilentError() };
}

test("sendTo() gives a server up that has not answered for 90 s", async (t) => {
  const { url, clock, asked, request } = await silentPeer(t, () => {});

  const answer = request.json("items");
  await asked;
  clock.advance(89_999);
  const waiting = clock.waiting;
  clock.advance(1);

  assert.equal(waiting, 1);
  await assert.rejects(answer, silence(url));
  assert.equal(clock.waiting, 0);
});

test("sendTo() gives an answer up of which nothing more comes for 90 s", async (t) => {
  const { url, clock, request } = await silentPeer(t, (answer) => void answer.write("one"));

  const chunks = (await request.body())[Symbol.asyncIterator]();
  clock.advance(90_000); // nobody waits for it meanwhile
  const first = await chunks.next();
  const next = chunks.next();
  clock.advance(90_000);

  assert.equal(new TextDecoder().decode(first.value as Uint8Array), "one");
  await assert.rejects(next, silence(url));
});
