import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
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
