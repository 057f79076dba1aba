import assert from "node:assert/strict";
import { test } from "node:test";
import { TrieRouter } from "hono/router/trie-router";
import { REMEMBERED_MAX, RememberingRouter } from "../../src/http/remembering_router.ts";

const ROUTES = [
  ["ALL", "/*", "all"],
  ["GET", "/v1/sync/job/:id", "job"],
  ["POST", "/v1/sync/job/:id/events", "events"],
  ["POST", "/v1/sync/:sync/run", "run"],
] as const;

test("match() answers as Hono's router does, also the second time and beyond what it remembers", () => {
  const plain = new TrieRouter<string>();
  const remembering = new RememberingRouter<string>();
  for (const [method, path, handler] of ROUTES) {
    plain.add(method, path, handler);
    remembering.add(method, path, handler);
  }
  const long = "x".repeat(300);
  const asked = [
    ...Array.from({ length: REMEMBERED_MAX + 10 }, (_, n) => ["GET", `/v1/sync/job/${n}`]),
    ["POST", "/v1/sync/job/1/events"],
    ["GET", "/v1/sync/job/1/events"],
    ["POST", `/v1/sync/${long}/run`],
    ["GET", "/nothing"],
  ];

  for (const [method, path] of [...asked, ...asked.toReversed()]) {
    assert.deepEqual(remembering.match(method, path), plain.match(method, path), path);
  }
  remembering.add("GET", "/nothing", "something");

  assert.equal(remembering.match("GET", "/nothing")[0].length, 2);
});
