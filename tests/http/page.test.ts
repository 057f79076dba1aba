import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { ASSETS } from "../../src/page/assets.ts";
import { testServer } from "../support/server.ts";

const HTML = { headers: { Accept: "text/html,application/xhtml+xml,*/*;q=0.8" } };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
  "img-src 'self' data:; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

test("the page is one shell at each of its addresses, without a key, and nothing runs in it but its files", async (t) => {
  const server = await testServer(t);
  const texts = new Set<string>();

  for (const path of ["/", "/job/770e8400-e29b-41d4-a716-446655440002", "/sync/docs"]) {
    const response = await fetch(server.url + path, HTML);
    const { headers } = response;
    texts.add(await response.text());

    assert.equal(response.status, 200);
    assert.equal(headers.get("Content-Type"), "text/html; charset=utf-8");
    assert.equal(headers.get("Content-Security-Policy"), POLICY);
    assert.equal(headers.get("Referrer-Policy"), "no-referrer");
    assert.equal(headers.get("X-Content-Type-Options"), "nosniff");
    assert.equal(headers.get("Cross-Origin-Opener-Policy"), "same-origin");
    assert.equal(headers.get("Cache-Control"), "no-cache");
  }

  assert.equal(texts.size, 1);
  const [shell] = texts;
  assert.doesNotMatch(shell, /<script[^>]*>[^<]|\sstyle=|\son\w+=|\{\{/);
});

test("every file of the page is served with its type, and may be kept for as long as its address holds", async (t) => {
  const server = await testServer(t);
  const shell = await (await fetch(server.url, HTML)).text();
  const base = /"(assets\/[\w-]{16}\/)style\.css"/.exec(shell)?.[1];
  const types: Record<string, string> = {
    js: "text/javascript; charset=utf-8",
    css: "text/css; charset=utf-8",
    svg: "image/svg+xml",
  };
  const own = readdirSync(new URL("../../src/page/", import.meta.url))
    .filter((name) => /\.(js|css|svg)$/.test(name));

  assert.deepEqual(own.filter((name) => !Object.hasOwn(ASSETS, name)), []);
  for (const name of Object.keys(ASSETS)) {
    const response = await fetch(`${server.url}/${base}${name}`);

    assert.equal(await response.text(), ASSETS[name].text);
    assert.equal(response.headers.get("Content-Type"), types[name.split(".")[1]]);
    assert.equal(response.headers.get("X-Content-Type-Options"), "nosniff");
    assert.equal(response.headers.get("Content-Security-Policy"), POLICY);
    assert.equal(
      response.headers.get("Cache-Control"),
      "public, max-age=31536000, immutable",
    );
  }
  const other = await fetch(`${server.url}/assets/another/style.css`);
  assert.equal(await other.text(), ASSETS["style.css"].text);
  assert.equal(other.headers.get("Cache-Control"), "no-cache");
});

test("where there is no page people get words and programs a problem", async (t) => {
  const server = await testServer(t);

  const page = await fetch(`${server.url}/nothing/<here>`, HTML);
  const other = await fetch(`${server.url}/else`, HTML);
  const problem = await fetch(`${server.url}/nothing`);
  const api = await fetch(`${server.url}/v1/nothing`, HTML);
  const file = await fetch(`${server.url}/assets/x/constructor`);

  const words = await page.text();
  assert.match(words, /There is no page here/);
  assert.equal(words, await other.text());
  assert.deepEqual([page.status, page.headers.get("Content-Security-Policy")], [404, POLICY]);
  assert.deepEqual(
    [problem.status, problem.headers.get("Content-Type")],
    [404, "application/problem+json"],
  );
  assert.equal(api.headers.get("Content-Type"), "application/problem+json");
  assert.equal(file.status, 404);
});

test("the page works below a prefix, whether a proxy takes it away or leaves it", async (t) => {
  const server = await testServer(t, { publicUrl: "https://example.com/a&b/sync" });

  const left = await (await fetch(`${server.url}/a&b/sync/job/x`, HTML)).text();
  const taken = await (await fetch(`${server.url}/job/x`, HTML)).text();

  assert.match(left, /<base href="\/a&#38;b\/sync\/">/);
  assert.equal(left, taken);
});

test("a job's log is text for whoever opens it in a browser", async (t) => {
  const server = await testServer(t);
  const auth = { Authorization: `Bearer ${server.key()}`, "Content-Type": "application/json" };
  const ask = (path: string, body: unknown) =>
    fetch(server.url + path, { method: "POST", headers: auth, body: JSON.stringify(body) });
  const { id } = await (await ask("/v1/sync/job", {})).json();
  await ask(`/v1/sync/job/${id}/events`, { type: "log", level: "info", message: "<b>hello" });

  const response = await fetch(`${server.url}/v1/sync/job/${id}/logs`, {
    headers: { ...auth, ...HTML.headers },
  });

  assert.match(await response.text(), /^\S+ info {4}<b>hello\n$/);
  assert.equal(response.headers.get("Content-Type"), "text/plain; charset=utf-8");
  assert.equal(response.headers.get("X-Content-Type-Options"), "nosniff");
});
