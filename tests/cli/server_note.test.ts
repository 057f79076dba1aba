import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";
import { until } from "../support/until.ts";

const WORDS = "Cannot tell commands beside it where the server is";

test("a server that cannot say yet where it is serves all the same, and says so when it can", async (t) => {
  const { path: data, remove } = tempDirectory();
  t.after(remove);
  const note = join(data, "server.json");
  mkdirSync(note); // cannot be written, as on a full disk

  const server = await startProgram(t, { args: ["serve"], data });
  const { status } = await fetch(`${server.url}/healthz`);
  await until(() => server.stderr().includes(WORDS));
  rmdirSync(note);
  await until(() => {
    try {
      return JSON.parse(readFileSync(note, "utf8")).url === server.url;
    } catch {
      return false; // not there, or not whole
    }
  }, 20);

  assert.equal(status, 200);
  assert.equal(await server.stop("SIGTERM"), 0);
  assert.equal(server.stderr().split(WORDS).length, 2);
});
