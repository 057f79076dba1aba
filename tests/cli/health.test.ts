import assert from "node:assert/strict";
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
