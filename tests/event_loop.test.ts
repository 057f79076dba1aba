import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import { turn } from "../src/event_loop.ts";

test("turn() has work that never ends hear what comes from outside", async (t) => {
  const server = createServer((socket) => socket.end("answered")).listen(0, "127.0.0.1");
  t.after(() => void server.close());
  await once(server, "listening");
  let answered = false;
  const { port } = server.address() as { port: number };
  const socket = connect(port, "127.0.0.1");
  socket.on("data", () => answered = true);
  const closed = once(socket, "close");

  let turns = 0;
  for (; !answered && turns < 60; turns++) {
    for (const from = performance.now(); performance.now() - from < 50;);
    await turn();
  }

  assert.ok(turns < 30, `answered after ${turns} turns`);
  await closed;
});
