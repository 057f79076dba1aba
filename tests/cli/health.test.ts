import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

test("health ends with 0 as long as the server lives, and with 1 and a reason otherwise", async (t) => {
  const server = await startProgram(t, { args: ["serve"] });
  const { path, remove } = tempDirectory();
  t.after(remove);
  const asked = (...args: string[]) => startProgram.toEnd(t, { args: ["health", ...args] });

  const own = await asked("--data", server.data);
  const named = await asked("--server", server.url);
  const none = await asked("--data", join(path, "data"), "--json");
  await server.stop("SIGKILL");
  const killed = await asked("--data", server.data);
  const wrong = await asked("--server", "nonsense");

  assert.deepEqual([own, named].map(({ code, stdout }) => [code, stdout]), [[0, ""], [0, ""]]);
  assert.deepEqual([none.code, JSON.parse(none.stdout)], [1, { healthy: false, url: null }]);
  assert.match(none.stderr, /not healthy: no server runs on ".*data"/);
  assert.deepEqual([killed.code, wrong.code], [1, 2]);
  assert.equal(
    killed.stderr,
    `synctail: not healthy: cannot reach ${server.url}: connection refused\n`,
  );
});

test("health, keys and backup go by the data directory, whatever else is wrong in the configuration", async (t) => {
  const server = await startProgram(t, { args: ["serve"] });
  const { path, remove } = tempDirectory();
  t.after(remove);
  const config = join(path, "synctail.json");
  const env = { SYNCTAIL_PORT: "abc", SYNCTAIL_CONFIG: config };
  const data = ["--data", server.data];
  const ended = async (...args: string[]) => {
    const { code, stderr } = await startProgram.toEnd(t, { args, env });
    return [code, stderr];
  };

  writeFileSync(config, "{ broken");
  const health = await ended("health", ...data);
  const keys = await ended("keys", "list", ...data);
  const backup = await ended("backup", join(path, "b"), ...data);
  const unknown = await ended("health");
  writeFileSync(config, JSON.stringify({ server: { data: server.data, port: "x" }, syncs: 1 }));
  const byFile = await ended("health");

  assert.deepEqual([health, keys, backup, byFile], [[0, ""], [0, ""], [0, ""], [0, ""]]);
  assert.equal(unknown[0], 2);
});

test("health does not take a success of something else for a server's", async (t) => {
  const answers = ["<html>Welcome to the proxy</html>", "{}", '"ok"', ""];
  const other = createServer((_, response) => {
    const body = answers.shift();
    response.writeHead(body === "" ? 204 : 200).end(body);
  }).listen(0, "127.0.0.1");
  t.after(() => void other.close());
  await new Promise((resolve) => other.once("listening", resolve));
  const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;

  while (answers.length > 0) {
    const args = ["health", "--server", url];
    const { code, stderr } = await startProgram.toEnd(t, { args });

    const words = `synctail: not healthy: what answers at ${url} is no synctail server\n`;
    assert.deepEqual([code, stderr], [1, words]);
  }
});
