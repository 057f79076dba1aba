import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { OWN, startProgram } from "../support/program.ts";

/** The program without the right to open what its mode forbids, which root has. */
const HUMBLE = process.getuid?.() === 0
  ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search", ...OWN]
  : OWN;

test("commands say that they may not look into a data directory, not that nothing is there", async (t) => {
  const { data } = await startProgram(t, { args: ["serve"] });
  const of = async (...args: string[]) => {
    const { code, stdout, stderr } = await startProgram.toEnd(t, {
      command: HUMBLE,
      args: [...args, "--data", data],
    });
    return [code, stdout, stderr];
  };
  const id = "770e8400-e29b-41d4-a716-446655440002";
  const before = await of("health");
  chmodSync(data, 0);

  const health = await of("health", "--json");
  const others = {
    "watch": await of("watch", id),
    "export jobs": await of("export"),
    "prune jobs": await of("prune", "--older-than", "0"),
    "list keys": await of("keys", "list"),
    "create a key": await of("keys", "create"),
    "list deliveries": await of("notify", "list"),
    "back up": await of("backup", join(data, "..", "copy")),
    "print a link": await of("link"),
  };
  chmodSync(data, 0o700);

  const closed = `this user may not look into "${data}"\n`;
  assert.deepEqual(before, [0, "", ""]);
  assert.deepEqual(health, [
    1,
    '{"healthy":false,"url":null}\n',
    `synctail: not healthy: ${closed}`,
  ]);
  for (const [what, ended] of Object.entries(others)) {
    assert.deepEqual(ended, [2, "", `synctail: Cannot ${what}: ${closed}`]);
  }
});
