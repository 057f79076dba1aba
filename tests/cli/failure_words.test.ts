import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { failureOnce } from "../../src/cli/display.ts";
import type { Payload } from "../../src/cli/follow.ts";
import { startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

const ERROR = { type: "error", code: "program_failed", message: "disk full" };
const END = { type: "progress", status: "failed", is_complete: false, error: "disk full" };

test("run tells a failure once", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const config = join(path, "synctail.json");
  const source = { type: "command", command: ["sh", "-c", "echo disk full >&2; exit 7"] };
  writeFileSync(config, JSON.stringify({ syncs: [{ name: "bad", source }] }));
  const args = ["run", "bad", "--config", config, "--data", join(path, "data")];

  const { code, stdout } = await startProgram.toEnd(t, { args });

  assert.equal(code, 1);
  assert.match(
    stdout,
    /^failed: The program ended with exit code 7: disk full \(program_failed\) \(0 inserted/m,
  );
  assert.equal(stdout.match(/exit code 7/g)?.length, 1, stdout);
});

test("failureOnce() leaves out the error that the end repeats, and tells any other where it came", () => {
  const told: string[] = [];
  const display = () =>
    failureOnce({
      show: ({ type }: Payload) => void told.push(type),
      say: (text) => void told.push(text),
      end: () => void told.push("end"),
    });

  const failed = display();
  for (const frame of [ERROR, END]) failed.show(frame);
  failed.end();
  const broken = display();
  broken.show(ERROR);
  broken.say("Connection lost");
  broken.show(ERROR);
  broken.end();

  assert.deepEqual(told, ["progress", "end", "error", "Connection lost", "error", "end"]);
});
