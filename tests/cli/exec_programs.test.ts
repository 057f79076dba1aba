import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { execBench, startExec } from "../support/exec.ts";
import type { Cleanup } from "../support/program.ts";
import { testServer } from "../support/server.ts";

/** Thirty files to copy, and a server to tell of it. */
async function bench(t: Cleanup) {
  const server = await testServer(t);
  const { path } = await execBench(t);
  const [from, to] = [join(path, "from"), join(path, "to")];
  mkdirSync(from);
  for (let n = 0; n < 30; n++) writeFileSync(join(from, `${n}.txt`), `file ${n}\n`);
  const env = {
    SYNCTAIL_SERVER: server.url,
    SYNCTAIL_KEY: server.key(),
    XDG_STATE_HOME: path,
    // Beside it rclone refuses the `-v` that it is given otherwise.
    RCLONE_LOG_LEVEL: "INFO",
  };
  const run = async (name: string, program: readonly string[], own: readonly string[] = []) => {
    const started = startExec(t, { own: [name, "--quiet", ...own], program, env });
    const code = await started.ended;
    const [job] = (await (await server.ask("/v1/sync/jobs")).json()).items;
    const counts = ["inserted", "updated", "deleted", "kept"].map((n) => job[`entities_${n}`]);
    return { code, job, counts, started };
  };
  /** One file changed, two gone, one new. */
  const change = () => {
    writeFileSync(join(from, "0.txt"), "another content\n");
    rmSync(join(from, "1.txt"));
    rmSync(join(from, "2.txt"));
    writeFileSync(join(from, "new.txt"), "new\n");
  };
  const same = () => {
    const read = (place: string) =>
      readdirSync(place).sort().map((name) => [name, readFileSync(join(place, name), "utf8")]);
    assert.deepEqual(read(to), read(from));
  };
  const logs = async (id: string): Promise<{ message: string }[]> => {
    const answer = await server.ask(`/v1/sync/job/${id}/logs`);
    return (await answer.json()).items;
  };
  return { path, from, to, run, logs, change, same };
}

for (
  const [name, command] of [
    ["rclone", (from: string, to: string) => ["rclone", "sync", from, to]],
    ["rsync", (from: string, to: string) => ["rsync", "-a", "--delete", `${from}/`, `${to}/`]],
  ] as const
) {
  test(`exec() counts what ${name} does to the disk`, async (t) => {
    const { from, to, run, change, same } = await bench(t);

    const first = await run(name, command(from, to));
    same();
    change();
    const second = await run(name, command(from, to));
    same();

    assert.deepEqual([first.code, first.job.status, first.job.meta.format], [0, "completed", name]);
    assert.deepEqual(first.counts, [30, 0, 0, 0]);
    assert.deepEqual(second.counts, [1, 1, 2, 27]);
    assert.ok(first.job.meta.added_flags.length > 0);
  });
}

test("exec() counts what restic saves, and its repository holds it", async (t) => {
  const { path, from, run, change } = await bench(t);
  const repository = join(path, "repository");
  const password = join(path, "password");
  writeFileSync(password, "secret\n", { mode: 0o600 });
  const restic = ["restic", "-r", repository, "--password-file", password];
  spawnSync(restic[0], [...restic.slice(1), "init"], { stdio: "ignore" });

  const first = await run("restic", [...restic, "backup", from]);
  change();
  const second = await run("restic", [...restic, "backup", from]);
  const { stdout } = spawnSync(restic[0], [...restic.slice(1), "ls", "latest"], {
    encoding: "utf8",
  });

  assert.deepEqual([first.code, first.counts[0]], [0, 30]);
  assert.deepEqual([second.counts[0], second.counts[1], second.counts[3]], [1, 1, 27]);
  assert.equal(stdout.split("\n").filter((line) => line.endsWith(".txt")).length, 29);
  assert.ok(first.job.meta.command.includes(password), "a file's name is no secret");
});

test("exec() says which flags it has added, and adds none with --no-flags", async (t) => {
  const { from, to, run, logs } = await bench(t);
  const rsync = ["rsync", "-a", `${from}/`, `${to}/`];

  const { job: added } = await run("added", rsync);
  const { job: plain, started } = await run("plain", rsync, ["--no-flags"]);

  const { command, added_flags } = added.meta;
  const words = (await logs(added.id)).map(({ message }) => message);
  assert.ok(words.includes(`Added to the command: ${added_flags.join(" ")}`), `${words}`);
  assert.ok(added_flags.every((flag: string) => command.includes(flag)));
  assert.deepEqual([plain.meta.command, plain.meta.added_flags], [rsync, undefined]);
  assert.equal(started.stdout().toString(), "");
});

test("exec() remembers a tap's records by the name of the sync", async (t) => {
  const { run } = await bench(t);
  const record = (id: number, name: string) =>
    JSON.stringify({ type: "RECORD", stream: "users", record: { id, name } });
  const schema = { type: "SCHEMA", stream: "users", schema: {}, key_properties: ["id"] };
  const tap = (...names: string[]) => {
    const lines = [JSON.stringify(schema), ...names.map((name, id) => record(id, name))];
    return ["printf", "%s\\n", ...lines];
  };

  await run("others", tap("x", "y", "z"), ["--format", "singer"]);
  const first = await run("users", tap("a", "b"), ["--format", "singer"]);
  const second = await run("users", tap("a", "changed", "new"), ["--format", "singer"]);

  assert.deepEqual(first.counts, [2, 0, 0, 0]);
  assert.deepEqual(second.counts, [1, 1, 0, 1]);
  assert.equal(second.started.stdout().toString().split("\n").length, 5);
});
