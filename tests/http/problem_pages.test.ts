import assert from "node:assert/strict";
import { test } from "node:test";
import { PROBLEMS } from "../../src/http/problem.ts";
import { GUIDES } from "../../src/http/problem_guide.ts";
import { testServer } from "../support/server.ts";

const HTML = { headers: { Accept: "text/html,application/xhtml+xml,*/*;q=0.8" } };

test("every problem has a page that says what it means, what to do, and where it is answered", async (t) => {
  const server = await testServer(t);
  const list = await (await fetch(`${server.url}/problems`)).text();

  assert.deepEqual(Object.keys(GUIDES).sort(), Object.keys(PROBLEMS).sort());
  for (const [code, [status, title]] of Object.entries(PROBLEMS)) {
    const answer = await fetch(`${server.url}/problems/${code}`);
    const text = await answer.text();
    const [, means, does, where] = text.split(/^## .*$/m);

    assert.equal(answer.status, 200);
    assert.match(text, new RegExp(`^# ${title}\n\n\`${code}\`, HTTP status ${status}\n`));
    for (const part of [means, does]) assert.ok(part.trim().length > 20, `${code}: ${part}`);
    assert.match(where, /^\s*- \S/, code);
    assert.ok(list.includes(`- \`${code}\` (${status}): ${title}\n`), code);
  }
});

test("a problem's page comes as HTML, Markdown or plain text, as Accept says", async (t) => {
  const server = await testServer(t);
  const url = `${server.url}/problems/producer-fenced`;

  const page = await fetch(url, HTML);
  const markdown = await fetch(url, { headers: { Accept: "text/markdown" } });
  const plain = await fetch(url, { headers: { Accept: "*/*" } });

  assert.deepEqual(
    [page, markdown, plain].map(({ headers }) => headers.get("Content-Type")),
    ["text/html; charset=utf-8", "text/markdown; charset=utf-8", "text/plain; charset=utf-8"],
  );
  assert.match(page.headers.get("Content-Security-Policy") ?? "", /^default-src 'none'/);
  const words = await page.text();
  assert.match(words, /<title>producer-fenced - synctail<\/title>/);
  assert.match(words, /<h1>Another has taken over from this producer<\/h1>/);
  assert.match(words, /<li><code>POST \/v1\/sync\/job\/\{job_id\}\/events<\/code><\/li>/);
  assert.equal(await markdown.text(), await plain.text());
});

test("a problem's page comes as the type that Accept prefers", async (t) => {
  const server = await testServer(t);
  const typeFor = async (Accept: string) => {
    const answer = await fetch(`${server.url}/problems/forbidden`, { headers: { Accept } });
    await answer.body?.cancel();
    return answer.headers.get("Content-Type")?.replace(/;.*/, "");
  };

  const types = [
    await typeFor("text/html;q=0.9, text/markdown, */*;q=0.8"),
    await typeFor("text/html;q=0, text/*"),
    await typeFor("text/markdown;q=0.5, text/html"),
    await typeFor("image/png"),
  ];

  assert.deepEqual(types, ["text/markdown", "text/plain", "text/html", "text/plain"]);
});

test("the type of a problem leads to its page, below a prefix too", async (t) => {
  const server = await testServer(t, { publicUrl: "https://example.com/synctail/" });
  const { type } = await (await fetch(`${server.url}/synctail/v1/sync`)).json();

  const page = await fetch(server.url + type, HTML);

  assert.equal(type, "/synctail/problems/unauthenticated");
  assert.match(await page.text(), /<base href="\/synctail\/">[^]*An API key is needed/);
});

test("there is no page of an unknown code", async (t) => {
  const server = await testServer(t);

  const page = await fetch(`${server.url}/problems/constructor`, HTML);
  const problem = await fetch(`${server.url}/problems/else`);

  assert.deepEqual(
    [page, problem].map(({ status, headers }) => [status, headers.get("Content-Type")]),
    [[404, "text/html; charset=utf-8"], [404, "application/problem+json"]],
  );
  await Promise.all([page.body?.cancel(), problem.body?.cancel()]);
});
