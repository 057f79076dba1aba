import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Cleanup, OWN, startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

const TERMINAL = new URL("../support/terminal.py", import.meta.url).pathname;
/** Runs until the terminal of the program that started it is gone. */
const WHILE_TERMINAL = 'while [ "$(ps -o tty= $PPID)" != "?" ]; do sleep 0.05; done';

/** Closes the terminal of a command once it has shown the words; tells how the command ended. */
async function closedTerminal(
  t: Cleanup,
  { shown, command }: { readonly shown: string; readonly command: readonly string[] },
): Promise<string | undefined> {
  const { stdout } = await startProgram.toEnd(t, {
    command: ["python3", TERMINAL, shown, ""],
    args: command,
  });
  // A bar that was being drawn may stand before it.
  return /ended -?\d+$/.exec(stdout.trimEnd())?.[0];
}

/** A `run` of a sync that is that shell script. */
function runOf(t: Cleanup, script: string): readonly string[] {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const config = join(path, "synctail.json");
  const source = { type: "command", command: ["sh", "-c", script], format: "lines" };
  writeFileSync(config, JSON.stringify({ syncs: [{ name: "n", source }] }));
  return [...OWN, "run", "n", "--config", config, "--data", join(path, "data")];
}

test("a server stops when the terminal that it was started in closes", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const serve = [...OWN, "serve", "--port", "0", "--data", join(path, "data")];

  assert.equal(await closedTerminal(t, { shown: "Listening", command: serve }), "ended 0");
});

test("a run is cancelled when its terminal closes", async (t) => {
  const run = runOf(t, "sleep 600");

  assert.equal(await closedTerminal(t, { shown: "shown at", command: run }), "ended 3");
});

test("a run under nohup outlives its terminal", async (t) => {
  const run = runOf(t, WHILE_TERMINAL);
  const nohup = 'cd "$0"; trap "" HUP; touch out; ' +
    '(until grep -q "shown at" out; do sleep 0.05; done; echo shown) & ' +
    'exec "$@" </dev/null >out 2>&1';
  const { path, remove } = tempDirectory();
  t.after(remove);
  const command = ["sh", "-c", nohup, path, ...run];

  assert.equal(await closedTerminal(t, { shown: "shown", command }), "ended 0");
});
