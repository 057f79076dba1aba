import assert from "node:assert/strict";
import { chmodSync, chownSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { dataFrom } from "../../src/cli/settings.ts";
import { OWN, startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

const ROOT = process.getuid?.() === 0;
/** The program without the right to open what its mode forbids, which root has. */
const HUMBLE = ROOT ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search", ...OWN] : OWN;

test("commands say that they may not look into a data directory, not that nothing is there", async (t) => {
  const { data: directory } = await startProgram(t, { args: ["serve"] });
  const data = `${directory}-link`;
  symlinkSync(directory, data);
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
  for (const name of ["log.db", "server.json"]) chmodSync(join(data, name), 0);
  const open = await of("watch", id);

  const closed = `this user may not look into "${data}"\n`;
  assert.deepEqual(before, [0, "", ""]);
  assert.deepEqual(open, others.watch); // its files are for their owner, whatever its own mode is
  assert.deepEqual(health, [
    1,
    '{"healthy":false,"url":null}\n',
    `synctail: not healthy: ${closed}`,
  ]);
  for (const [what, ended] of Object.entries(others)) {
    assert.deepEqual(ended, [2, "", `synctail: Cannot ${what}: ${closed}`]);
  }
});

test("root looks into the data directory of another user", { skip: !ROOT }, async (t) => {
  const { data } = await startProgram(t, { args: ["serve"] });
  chownSync(data, 65_534, 65_534);

  const { code, stderr } = await startProgram.toEnd(t, { args: ["keys", "list", "--data", data] });

  assert.deepEqual([code, stderr], [0, ""]);
});

test("dataFrom() takes the flag before the variable, and the variable before the file", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const [file, flag, variable] = ["synctail.json", "flag", "variable"].map((n) => join(path, n));
  writeFileSync(file, JSON.stringify({ server: { data: "data" } }));
  const { SYNCTAIL_CONFIG, SYNCTAIL_DATA } = process.env;
  t.after(() => {
    for (const [name, value] of Object.entries({ SYNCTAIL_CONFIG, SYNCTAIL_DATA })) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
  process.env.SYNCTAIL_CONFIG = file;

  process.env.SYNCTAIL_DATA = "";
  const unnamed = [await dataFrom({}), await dataFrom({ data: flag })];
  process.env.SYNCTAIL_DATA = variable;
  const named = [await dataFrom({}), await dataFrom({ data: flag })];

  assert.deepEqual(unnamed, [join(path, "data"), flag]);
  assert.deepEqual(named, [variable, flag]);
});
