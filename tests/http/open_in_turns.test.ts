import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers";
import { Hono } from "hono";
import type { HttpEnv } from "../../src/http/env.ts";
import { OPENED_A_TURN, openInTurns } from "../../src/http/open_in_turns.ts";

const MANY = OPENED_A_TURN * 2 + 5;

/** An app that notes each request that gets through, and in which turn of the loop. */
function app() {
  const seen: { path: string; turn: number }[] = [];
  let turn = 0;
  const count = () => setImmediate(() => turn++ < 20 && count());
  count();
  const hono = new Hono<HttpEnv>();
  openInTurns(hono);
  hono.get("*", ({ req, text }) => {
    seen.push({ path: req.path + new URL(req.url).search, turn });
    return text("");
  });
  return { seen, get: async (path: string) => await hono.request(path) };
}

test("openInTurns() opens so many streams in a turn of the loop, the others in the turns after, in order", async () => {
  const { get, seen } = app();
  const paths = Array.from({ length: MANY }, (_, n) => `/v1/sync/job/a/subscribe?${n}`);

  await Promise.all(paths.map(get));

  assert.deepEqual(seen.map(({ path }) => path), paths);
  const perTurn = new Map<number, number>();
  for (const { turn } of seen) perTurn.set(turn, (perTurn.get(turn) ?? 0) + 1);
  assert.deepEqual([...perTurn.values()], [OPENED_A_TURN, OPENED_A_TURN, 5]);
});

test("openInTurns() lets no stream that comes later pass those that wait", async () => {
  const { get, seen } = app();
  const first = Array.from({ length: MANY }, (_, n) => get(`/v1/sync/jobs/subscribe?${n}`));
  await new Promise(setImmediate); // the second turn, in which some of them still wait

  await Promise.all([...first, get("/v1/sync/jobs/subscribe?late")]);

  assert.equal(seen.at(-1)?.path, "/v1/sync/jobs/subscribe?late");
});

test("openInTurns() lets all other requests pass those that wait", async () => {
  const { get, seen } = app();
  const waiting = Array.from({ length: MANY }, (_, n) => get(`/v1/sync/jobs/subscribe?${n}`));

  await get("/v1/sync/job");

  assert.equal(seen.findIndex(({ path }) => path === "/v1/sync/job"), OPENED_A_TURN);
  await Promise.all(waiting);
  assert.equal(seen.length, MANY + 1);
});

test("openInTurns() starts anew with every turn", async () => {
  const { get, seen } = app();
  for (let streams = 0; streams < 3; streams++) {
    await Promise.all(Array.from({ length: OPENED_A_TURN }, () => get("/v1/sync/jobs/subscribe")));
    const turn = seen.at(-1)?.turn;
    while (seen.at(-1)?.turn === turn) {
      await new Promise(setImmediate);
      await get("/");
    }
  }

  const streams = seen.filter(({ path }) => path !== "/");
  assert.equal(new Set(streams.map(({ turn }) => turn)).size, 3);
});
