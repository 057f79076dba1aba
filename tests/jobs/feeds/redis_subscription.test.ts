import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { subscribed } from "../../../src/jobs/feeds/redis_subscription.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import type { Cleanup } from "../../support/program.ts";
import { redis } from "../../support/redis.ts";
import { until } from "../../support/until.ts";

function bench(t: Cleanup, url: string) {
  const clock = new FakeClock();
  const stop = new AbortController();
  t.after(() => stop.abort());
  const listening = Promise.withResolvers<void>();
  const over = subscribed({
    url,
    pattern: "p:*",
    clock,
    signal: stop.signal,
    onListening: listening.resolve,
    onMessage: () => {},
  });
  return { clock, stop, listening: listening.promise, over };
}

/** Lets every client in, and says nothing. */
async function silent(t: Cleanup): Promise<{ readonly url: string; readonly sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on("error", () => {}).resume());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets };
}

test("subscribed() ends with a reason where Redis lets it in and says nothing", async (t) => {
  const { url, sockets } = await silent(t);
  const { clock, over } = bench(t, url);
  await until(() => sockets.length === 1);

  clock.advance(10_000);

  await assert.rejects(over, /no answer for 10 s/);
});

test("subscribed() ends with a reason where Redis answers no PING any more", async (t) => {
  const feed = await redis(t);
  const { clock, listening, over } = bench(t, feed.url);
  await listening;

  clock.advance(15_000); // answered
  await until(() => clock.waiting === 1);
  await feed.publish("p:a", "1");
  feed.freeze();
  let ended = false;
  over.catch(() => ended = true);
  await until(() => {
    if (clock.waiting > 0) clock.advance(15_000);
    return ended;
  });

  await assert.rejects(over, /no answer for 10 s/);
});

test("subscribed() goes on listening where Redis refuses a PING", async (t) => {
  const feed = await redis(t);
  await feed.command("ACL", "SETUSER", "syn", "on", ">pw", "&p:*", "+psubscribe");
  const { clock, listening, over } = bench(t, feed.url.replace("//", "//syn:pw@"));
  let pings = 0;
  const after = clock.after.bind(clock);
  clock.after = (ms, run) => {
    if (ms === 15_000) pings++;
    return after(ms, run);
  };
  await listening;
  await until(() => pings === 1);

  clock.advance(15_000);
  await Promise.race([over, until(() => pings === 2)]);

  assert.equal(pings, 2);
});

test("subscribed() resolves when it is to hang up, also while nobody answers", async (t) => {
  const { url, sockets } = await silent(t);
  const { stop, over } = bench(t, url);
  await until(() => sockets.length === 1);

  stop.abort();
  await over;

  await until(() => sockets[0].closed);
});

test("subscribed() leaves nothing behind that waits, neither of its start nor of its end", async (t) => {
  const feed = await redis(t);
  const { clock, stop, listening, over } = bench(t, feed.url);
  await listening;
  await until(() => clock.waiting > 0);
  const asksNext = clock.waiting;

  stop.abort();
  await over;
  await until(() => clock.waiting === 0);

  assert.equal(asksNext, 1); // the next PING, and no limit of an answer that has come
});
