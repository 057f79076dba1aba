import assert from "node:assert/strict";
import { test } from "node:test";
import { testServer } from "../support/server.ts";

const STRICT = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
  "img-src 'self' data:; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

test("/docs shows the OpenAPI document by files of its own, under the policy of every page", async (t) => {
  const server = await testServer(t, { publicUrl: "https://example.com/synctail" });

  const answer = await fetch(`${server.url}/docs`);
  const page = await answer.text();
  const files = [...page.matchAll(/(?:src|href)="((?:docs|assets)\/[^"]+)"/g)].map(([, at]) => at);

  assert.equal(answer.headers.get("Content-Security-Policy"), STRICT);
  assert.doesNotMatch(page, /<script[^>]*>[^<]|\sstyle=|\son\w+=|\{\{|https?:/);
  assert.match(page, /<base href="\/synctail\/">/);
  assert.equal(files.length, 4);
  for (const file of files) {
    const { status, headers, body } = await fetch(`${server.url}/synctail/${file}`);
    await body?.cancel();
    assert.equal(status, 200, file);
    assert.equal(headers.get("Cache-Control"), "public, max-age=31536000, immutable", file);
  }
});

test("a file of /docs that is none is not found", async (t) => {
  const server = await testServer(t);

  const { status, body } = await fetch(`${server.url}/docs/x/constructor`);
  await body?.cancel();

  assert.equal(status, 404);
});
