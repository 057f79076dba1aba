import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const CHILD = fileURLToPath(new URL("./logger_child.ts", import.meta.url));
const RUN = process.versions.bun === undefined
  ? ["run", "--quiet", "--no-check", "-A", CHILD]
  : ["run", CHILD];

/** What a program that says the same at each level tells on stderr, as level and words. */
async function told(least: string): Promise<string[]> {
  const { stderr } = await promisify(execFile)(process.execPath, [...RUN, least]);
  return stderr.trim().split("\n").filter(Boolean).map((line) => {
    const { level, message } = JSON.parse(line);
    return `${level} ${message}`;
  });
}

test("a logger loses no line that is said before LogTape is there, nor the last before the end", async () => {
  const lines = await told("info");

  assert.deepEqual(lines, [
    "INFO early 1",
    "WARN early 2",
    "ERROR early 3",
    "INFO late 1",
    "ERROR late 2",
    'ERROR some of a "b": 2 left, [1]',
    "ERROR fault: too far",
  ]);
});

test("a logger tells only lines of the level that is asked for, early and late", async () => {
  assert.deepEqual(await told("error"), [
    "ERROR early 3",
    "ERROR late 2",
    'ERROR some of a "b": 2 left, [1]',
    "ERROR fault: too far",
  ]);
});

test("a logger that nobody has asked for says nothing", async () => {
  assert.deepEqual(await told("none"), []);
});
