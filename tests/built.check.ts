/**
 * The program as `./run build` makes it. Not part of the ordinary suite: SYNCTAIL_BUILT says how to
 * start it, as a JSON array.
 */
import assert from "node:assert/strict";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { startProgram } from "./support/program.ts";
import { tempDirectory } from "./support/temp.ts";

const command = JSON.parse(process.env.SYNCTAIL_BUILT ?? "[]");

test("it serves, asks for a key, and ends with 0 on SIGTERM", async (t) => {
  const server = await startProgram(t, { command, args: ["serve"] });

  const answer = await fetch(`${server.url}/v1/sync/jobs`);
  await answer.body?.cancel();

  assert.equal(answer.status, 401);
  assert.equal(await server.stop("SIGTERM"), 0);
});

test("it has the page and its files inside", async (t) => {
  const server = await startProgram(t, { command, args: ["serve"] });

  const page = await (await fetch(server.url)).text();
  const files = [...page.matchAll(/(?:href|src)="(assets\/[^"]+)"/g)].map(([, path]) => path);
  const answers = await Promise.all(files.map(async (path) => {
    const response = await fetch(`${server.url}/${path}`);
    return [response.status, (await response.text()).length > 100];
  }));

  assert.ok(files.length > 20, page);
  assert.deepEqual(answers, files.map(() => [200, true]));
  assert.equal(await server.stop("SIGTERM"), 0);
});

test("it says its version", async (t) => {
  const { stdout, code } = await startProgram.toEnd(t, { command, args: ["--version"] });

  assert.deepEqual([stdout.trim(), code], ["0.1.0", 0]);
});

test("it takes no variables, programs and modules from the directory that it is started in", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  writeFileSync(join(path, ".env"), "FROM_HERE=yes\n");
  writeFileSync(join(path, "bunfig.toml"), 'preload = ["./here.js"]\n');
  const paths = { "*": ["./here.js"] };
  writeFileSync(join(path, "tsconfig.json"), JSON.stringify({ compilerOptions: { paths } }));
  writeFileSync(join(path, "here.js"), 'console.log("here");\n');
  const exec = ["exec", "--data", join(path, "data"), "n", "--", "sh", "-c", "echo ran $FROM_HERE"];

  const { stdout, code } = await startProgram.toEnd(t, {
    command: ["sh", "-c", 'cd "$0" && exec "$@"', path],
    args: [...command, ...exec],
  });

  assert.deepEqual([stdout, code], ["ran\n", 0]);
});

test("it moves its log from the WAL into the file, in a thread", async (t) => {
  const server = await startProgram(t, { command, args: ["serve"] });
  const keys = ["keys", "create", "--data", server.data];
  const { stdout } = await startProgram.toEnd(t, { command, args: keys });
  const key = stdout.trim();
  const post = async (path: string, type: string, body: string) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": type };
    return await (await fetch(server.url + path, { method: "POST", headers, body })).json();
  };
  const { id } = await post("/v1/sync/job", "application/json", '{"name": "x"}');
  const line = `{"type": "log", "level": "info", "message": "${"x".repeat(4_000)}"}\n`;
  const file = join(server.data, "log.db");

  // At 64 MiB at the latest a post waits until the file has them.
  let posts = 0;
  for (; statSync(file).size < 8 << 20 && posts < 400; posts++) {
    await post(`/v1/sync/job/${id}/events`, "application/x-ndjson", line.repeat(200));
  }

  assert.ok(statSync(file).size >= 8 << 20, `${posts} posts`);
  assert.equal(await server.stop("SIGTERM"), 0);
});
