import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { isZombies } from "../../../src/sources/process/send_signal.ts";
import { runs } from "../../support/processes.ts";
import { until } from "../../support/until.ts";

/** A group whose leader has ended, under a parent that waits for nobody; the script is the leader. */
async function group(t: { after(run: () => void): void }, script: string): Promise<number> {
  const leading = `exec 3<&0; setsid /bin/sh -c 'read -r word <&3; ${script}' & echo $!`;
  const parent = spawn("/bin/sh", ["-c", `${leading}; exec sleep 60`], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  t.after(() => void parent.kill("SIGKILL"));
  const [line] = await once(parent.stdout, "data");
  const leader = Number(line);
  t.after(() => {
    try {
      process.kill(-leader, "SIGKILL");
    } catch {
      // It has only ended processes.
    }
  });
  // Before it is `sleep` the parent is a shell, which might wait for the leader.
  await until(() => readFileSync(`/proc/${parent.pid}/comm`, "utf8") === "sleep\n", 5);
  parent.stdin.end();
  await until(async () => !await runs(leader), 5);
  return leader;
}

test("isZombies() tells a group that has ended from one with a process that lives", async (t) => {
  const ended = await group(t, "exit 0");
  const left = await group(t, "sleep 60 & exit 0");

  const none = spawn("true");
  await once(none, "exit");

  assert.deepEqual([ended, left, none.pid ?? 0].map(isZombies), [true, false, false]);
});
