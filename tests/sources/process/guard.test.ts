import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { runs } from "../../support/processes.ts";
import type { Cleanup } from "../../support/program.ts";
import { RUN } from "../../support/runtime.ts";

const CHILD = new URL("./guard_child.ts", import.meta.url).pathname;

/** A runtime of its own that has started a guarded program and says so. */
async function guarding(t: Cleanup, ...args: string[]) {
  const child = spawn(RUN[0], [...RUN.slice(1), CHILD, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  let group = 0;
  t.after(() => {
    child.kill("SIGKILL");
    if (group > 0) kill(-group);
  });
  /** The program holds this output too: its end is the end of all of them. */
  const end = new Promise<void>((resolve) => child.stdout.once("close", resolve));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk) => {
      text += String(chunk);
      group = Number(/pid (\d+)\n/.exec(text)?.[1] ?? 0);
      if (group > 0 && text.includes("up\n")) resolve();
    });
    child.once("exit", () => reject(new Error("It ended early")));
  });
  return { child, end, group };
}

function kill(target: number): boolean {
  try {
    return process.kill(target, "SIGKILL");
  } catch {
    return false; // There is nobody: that is what it is told by.
  }
}

test("guard() kills the program and what it has started when its process is killed", async (t) => {
  const { child, end } = await guarding(t);

  process.kill(child.pid ?? 0, "SIGKILL");

  await end;
});

test("guard() has a session of its own, so that Ctrl-C at a terminal leaves it on guard", async (t) => {
  const { child } = await guarding(t);
  const sessions = (...selection: string[]) =>
    spawnSync("ps", ["-o", "sid=", ...selection], { encoding: "utf8" }).stdout.trim().split(/\s+/);

  const [own] = sessions("-p", `${child.pid}`);
  const started = sessions("--ppid", `${child.pid}`);

  // The program's and the guard's.
  assert.equal(new Set(started).size, 2);
  assert.equal(started.includes(own), false);
});

test("guard() that was called off kills nobody", async (t) => {
  const { child, group } = await guarding(t, "call off");
  const exited = new Promise((resolve) => child.once("exit", resolve));

  process.kill(child.pid ?? 0, "SIGKILL");
  await exited;

  assert.equal(await runs(group), true);
});
