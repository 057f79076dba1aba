import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { configuredSyncs, SYNC_SCHEMA } from "../../src/jobs/sync_config.ts";
import { sessionRuns } from "../support/processes.ts";
import type { Cleanup } from "../support/program.ts";
import { type TestServer, testServer } from "../support/server.ts";
import { tempDirectory } from "../support/temp.ts";

/** A server with one sync `nightly` of a shell script. */
async function serving(t: Cleanup, script: string, source: object = {}, more: object = {}) {
  const { path: directory, remove } = tempDirectory();
  t.after(remove);
  writeFileSync(join(directory, "sync.sh"), `#!/bin/sh\n${script}\n`);
  chmodSync(join(directory, "sync.sh"), 0o755);
  const sync = SYNC_SCHEMA.parse({
    name: "nightly",
    source: { type: "command", command: ["./sync.sh"], ...source },
    ...more,
  });
  const server = await testServer(t, { syncs: configuredSyncs([sync], directory).syncs });
  return { server, directory, ...jobsOf(server) };
}

function jobsOf(server: TestServer) {
  const post = async (path: string) =>
    (await server.ask(path, { method: "POST", ...auth() })).json();
  const key = server.key();
  const auth = () => ({ headers: { Authorization: `Bearer ${key}` } });
  /** The stream's frames with log lines, one by one. */
  // deno-lint-ignore no-explicit-any -- tests look into frames freely
  async function* frames(id: string): AsyncGenerator<any, void, void> {
    const answer = await server.ask(
      `/v1/sync/job/${id}/subscribe?logs=info&last_event_id=0`,
      auth(),
    );
    let text = "";
    for await (const chunk of answer.body ?? []) {
      text += new TextDecoder().decode(chunk);
      const ends = text.split("\n\n");
      text = ends.pop() ?? "";
      for (const frame of ends) yield JSON.parse(/^data: (.*)$/m.exec(frame)?.[1] ?? "");
    }
  }
  return {
    run: () => post("/v1/sync/nightly/run"),
    cancel: (id: string) => post(`/v1/sync/job/${id}/cancel`),
    async follow(id: string) {
      return await Array.fromAsync(frames(id));
    },
    /** Follows until there is a log line of that text. */
    async until(id: string, message: string) {
      for await (const frame of frames(id)) if (frame.message === message) return;
      throw new Error(`The stream ended without "${message}"`);
    },
  };
}

const UP = "echo $$ > pid; echo up";
const pidIn = (directory: string) => Number(readFileSync(join(directory, "pid"), "utf8"));

test("a command sync runs from the API to its terminal frame, with its log lines", async (t) => {
  const { run, follow } = await serving(
    t,
    `echo '{"type": "progress", "entities_inserted": 2, "total": 3}'
     echo 'one is odd'
     echo '{"type": "progress", "entities_inserted": 3}'`,
    { format: "ndjson" },
  );
  const { id } = await run();

  const frames = await follow(id);

  assert.ok(frames.some(({ type, message }) => type === "log" && message === "one is odd"));
  const last = frames.at(-1);
  assert.deepEqual([last.status, last.entities_inserted, last.percent], ["completed", 3, 100]);
});

test("GET /v1/sync shows a command sync, and neither its command nor its variables", async (t) => {
  const { server } = await serving(t, "exit", { set_env: { PASSWORD: "hunter2" } });

  const text = await (await server.ask("/v1/sync")).text();

  const [{ source, destination }] = JSON.parse(text).items;
  assert.deepEqual([source, destination], ["command", null]);
  assert.doesNotMatch(text, /sync\.sh|hunter2/);
});

test("a caller cannot give a command", async (t) => {
  const { server } = await serving(t, "exit");

  const answer = await server.ask("/v1/sync/nightly/run", {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key()}`, "Content-Type": "application/json" },
    body: JSON.stringify({ command: ["id"] }),
  });

  assert.equal(answer.status, 400);
});

test("a command that fails ends its job as failed, with its last words", async (t) => {
  const { run, follow } = await serving(t, "echo 'no such bucket' >&2; exit 3");
  const { id } = await run();

  const [error, last] = (await follow(id)).slice(-2);

  assert.equal(error.type, "error");
  assert.match(error.message, /no such bucket/);
  assert.deepEqual([last.status, last.is_failed], ["failed", true]);
});

test("a program that is not there fails the job by name", async (t) => {
  const { run, follow } = await serving(t, "", { command: ["rclonee", "sync"] });
  const { id } = await run();

  const [error, last] = (await follow(id)).slice(-2);

  assert.deepEqual([error.code, last.status], ["program_not_found", "failed"]);
  assert.match(error.message, /"rclonee".*PATH/);
});

test("cancel stops a command and all that it has started", async (t) => {
  const { run, cancel, until, follow, directory } = await serving(
    t,
    `(sleep 600; echo never) & trap 'echo bye; exit' TERM; ${UP}; wait`,
  );
  const { id } = await run();
  await until(id, "up");

  assert.equal((await cancel(id)).status, "cancelling");

  const frames = await follow(id);
  assert.equal(frames.at(-1).status, "cancelled");
  assert.equal(await sessionRuns(pidIn(directory)), false);
});

test("cancel kills a command that does not listen, when its grace is over", async (t) => {
  const { run, cancel, until, follow, directory } = await serving(
    t,
    `trap '' TERM; (sleep 600 & wait) & ${UP}; while :; do sleep 0.1; done`,
    { stop_grace_s: 1.5 }, // longer than a source gets that asks for nothing
  );
  const { id } = await run();
  await until(id, "up");

  await cancel(id);

  assert.equal((await follow(id)).at(-1).status, "cancelled");
  assert.equal(await sessionRuns(pidIn(directory)), false);
});

test("a server that stops gives its commands their grace, and leaves none behind", async (t) => {
  const { server, run, until, directory } = await serving(
    t,
    `trap 'sleep 1.2; echo tidied > tidied; exit' TERM; ${UP}; while :; do sleep 0.1; done`,
  );
  const { id } = await run();
  await until(id, "up");

  await server.stop();

  assert.equal(readFileSync(join(directory, "tidied"), "utf8"), "tidied\n");
  assert.equal(await sessionRuns(pidIn(directory)), false);
});

test("a million lines end a job like any others, and those left out are told", async (t) => {
  const { run, follow } = await serving(t, "seq 1000000; echo end");
  const { id } = await run();

  const frames = await follow(id);

  assert.equal(frames.at(-1).status, "completed");
  const lines = frames.filter(({ type }) => type === "log").map(({ message }) => message);
  const told = lines.filter((line) => /left out/.test(line))
    .reduce((sum, line) => sum + Number.parseInt(line), 0);
  const shown = lines.filter((line) => !/left out/.test(line)).length;
  assert.equal(told + shown, 1_000_001);
});

for (const [type, path] of [["sqlite", "users.db"], ["jsonl", "users.jsonl"]]) {
  test(`a tap into ${type} counts what is new, then what is known`, async (t) => {
    const { run, follow } = await serving(
      t,
      `echo '{"type": "SCHEMA", "stream": "users", "schema": {}, "key_properties": ["id"]}'
       for i in $(seq 1000); do
         echo '{"type": "RECORD", "stream": "users", "record": {"id": '$i'}}'
       done`,
      { format: "singer" },
      { destination: { type, path } },
    );
    const counts = async () => {
      const { id } = await run();
      const { entities_inserted, entities_updated, entities_kept } = (await follow(id)).at(-1);
      return [entities_inserted, entities_updated, entities_kept];
    };

    assert.deepEqual(await counts(), [1000, 0, 0]);
    assert.deepEqual(await counts(), [0, 0, 1000]);
  });
}
