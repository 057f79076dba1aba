import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { sessionRuns } from "../support/processes.ts";
import { startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

/** Silent, and ended by nothing but SIGKILL; its child too. */
const DEAF = `#!/bin/sh
trap '' TERM INT HUP PIPE
(sleep 600; sleep 600) &
echo $$ > pid
echo up
while :; do sleep 0.1; done
`;

for (const how of ["SIGKILL", "a second SIGTERM"] as const) {
  test(`a server that ends by ${how} leaves no command of its own behind`, async (t) => {
    const { path, remove } = tempDirectory();
    t.after(remove);
    const data = join(path, "data");
    const config = join(path, "synctail.json");
    writeFileSync(join(path, "sync.sh"), DEAF);
    chmodSync(join(path, "sync.sh"), 0o755);
    const source = { type: "command", command: ["./sync.sh"], stop_grace_s: 300 };
    writeFileSync(config, JSON.stringify({ syncs: [{ name: "nightly", source }] }));
    const made = await startProgram.toEnd(t, {
      args: ["keys", "create", "--json", "--data", data],
    });
    const headers = { Authorization: `Bearer ${JSON.parse(made.stdout).key}` };
    const args = ["serve", "--config", config];
    const server = await startProgram(t, { args, data });
    const run = () => fetch(`${server.url}/v1/sync/nightly/run`, { method: "POST", headers });
    const { id } = await (await run()).json();
    await linesUntil(
      `${server.url}/v1/sync/job/${id}/subscribe?logs=info&last_event_id=0`,
      headers,
    );
    const pid = Number(readFileSync(join(path, "pid"), "utf8"));
    assert.equal(await sessionRuns(pid), true);

    if (how === "SIGKILL") await server.stop("SIGKILL");
    else {
      process.kill(server.pid, "SIGTERM");
      while ((await run()).status !== 503); // until the first one has been heard
      await server.stop("SIGTERM");
    }

    while (await sessionRuns(pid)); // until it is gone; without a guard that never comes
    const again = await startProgram(t, { args, data });
    const job = await (await fetch(`${again.url}/v1/sync/job/${id}`, { headers })).json();
    assert.deepEqual([job.status, job.error?.code], ["failed", "worker_lost"]);
    assert.equal(job.error?.message, "The server was killed while it ran this job.");
  });
}

/** Reads a stream until the program says that it is up. */
async function linesUntil(url: string, headers: Record<string, string>): Promise<void> {
  const answer = await fetch(url, { headers });
  let text = "";
  for await (const chunk of answer.body ?? []) {
    text += new TextDecoder().decode(chunk);
    if (text.includes('"message": "up"')) return;
  }
  throw new Error(`The stream ended: ${text}`);
}
