import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { serverOf } from "../../src/log/data_directory.ts";
import { type Cleanup, OWN, startProgram } from "../support/program.ts";
import { schemaOneLog } from "../support/schema_one.ts";
import { tempDirectory } from "../support/temp.ts";
import { until } from "../support/until.ts";

const NO_ROOM = "synctail: Cannot write to stdout: there is no room left on its disk\n";

/** A command whose output is on a disk that is full. */
function full(output: ">" | "2>"): readonly string[] {
  return ["sh", "-c", `exec "$@" ${output} /dev/full`, "sh", ...OWN];
}

/** Has a program's output wait in a pipe that is full, until something is written to the fifo. */
const WAITING = `
import os, sys
fifo, *program = sys.argv[1:]
taken, given = os.pipe()
os.set_blocking(given, False)
try:
  while True: os.write(given, bytes(4096))
except BlockingIOError:
  pass
if os.fork() > 0:
  os.dup2(given, 1)
  os.execvp(program[0], program)
os.close(given)
open(fifo).read()
while part := os.read(taken, 65536): os.write(1, part.replace(b"\\0", b""))
`;

function temp(t: Cleanup): string {
  const { path, remove } = tempDirectory();
  t.after(remove);
  return path;
}

test("a command whose output its disk does not take has failed, and says why", async (t) => {
  const data = temp(t);
  const { id } = schemaOneLog(join(data, "log.db"));
  const server = await startProgram(t, { args: ["serve"], data });
  const commands = [
    ["keys", "create"],
    ["keys", "list", "--json"],
    ["link"],
    ["export"],
    ["watch", id],
    ["watch", id, "--json"],
    ["backup", join(temp(t), "log")],
  ];

  for (const args of commands) {
    const { code, stderr } = await startProgram.toEnd(t, {
      command: full(">"),
      args: [...args, "--data", server.data],
    });

    assert.deepEqual([args[0], code, stderr.slice(-NO_ROOM.length)], [args[0], 1, NO_ROOM]);
  }
});

test("keys create revokes a key that could not be printed, and says of none to keep it", async (t) => {
  const data = temp(t);

  const { stderr } = await startProgram.toEnd(t, {
    command: full(">"),
    args: ["keys", "create", "--data", data],
  });
  const { stdout } = await startProgram.toEnd(t, {
    args: ["keys", "list", "--json", "--data", data],
  });

  assert.equal(stderr, NO_ROOM);
  assert.equal(typeof JSON.parse(stdout).revoked_at, "string");
});

test("keys create revokes a key that nobody can read", async (t) => {
  const data = temp(t);
  const unread = ["sh", "-c", '"$@" | true', "sh", ...OWN];

  const { stderr } = await startProgram.toEnd(t, {
    command: unread,
    args: ["keys", "create", "--data", data],
  });
  const { stdout } = await startProgram.toEnd(t, {
    args: ["keys", "list", "--json", "--data", data],
  });

  assert.doesNotMatch(stderr, /Keep it/);
  assert.equal(typeof JSON.parse(stdout).revoked_at, "string");
});

test("a command whose reader has left ends as other filters do, and quietly", async (t) => {
  const data = temp(t);
  const { id } = schemaOneLog(join(data, "log.db"));
  const unread = ["bash", "-c", 'exec 3> >(true); wait $!; "$@" >&3; exit $?', "bash", ...OWN];
  const commands = [["export", id], ["keys", "list", "--json"]];
  await startProgram.toEnd(t, { args: ["export", "--data", data] }); // migrates the log, aloud

  for (const args of [...commands.map((each) => [...each, "--data", data]), ["--help"]]) {
    const { code, stderr } = await startProgram.toEnd(t, { command: unread, args });

    assert.deepEqual([args[0], code, stderr], [args[0], 141, ""]);
  }
});

test("of help, the version and a link that cannot be printed nothing else is said", async (t) => {
  const { data } = await startProgram(t, { args: ["serve"], data: temp(t) });

  for (const args of [["--help"], ["keys", "create", "--help"], ["--version"], ["link"]]) {
    const { code, stderr } = await startProgram.toEnd(t, {
      command: full(">"),
      args: args.includes("link") ? [...args, "--data", data] : args,
    });

    assert.deepEqual([args[0], code, stderr], [args[0], 1, NO_ROOM]);
  }
});

test("a command that cannot write its words does what it was asked for", async (t) => {
  const { code, stdout } = await startProgram.toEnd(t, {
    command: full("2>"),
    args: ["keys", "create", "--data", temp(t)],
  });

  assert.equal(code, 0);
  assert.match(stdout, /^st_\S+\n$/);
});

test("a server whose output its disk does not take serves", async (t) => {
  const data = temp(t);
  const server = startProgram.raw(t, {
    command: full(">"),
    args: ["serve", "--port", "0", "--json", "--data", data],
  });
  await until(() => server.stderr().includes(NO_ROOM));

  const answer = await fetch(`${serverOf(data)?.url}/healthz`);

  assert.equal(answer.status, 200);
  assert.equal(await server.stop("SIGTERM"), 0);
});

test("a first key that could not be printed is none: the next start shows one", async (t) => {
  const data = temp(t);
  const unread = ["bash", "-c", 'exec 3> >(true); wait $!; exec "$@" >&3', "bash", ...OWN];
  const args = ["serve", "--port", "0", "--data", data];

  const left = await startProgram.toEnd(t, { command: unread, args });
  const filled = startProgram.raw(t, { command: full(">"), args });
  await until(() => filled.stderr().includes(NO_ROOM));
  const code = await filled.stop("SIGTERM");
  const next = startProgram.raw(t, { args });
  await next.until((stdout) => stdout.includes("Listening on"));

  assert.deepEqual([left.code, code], [0, 0]);
  assert.match(next.stdout(), /This is the first start.*\nst_\S+\n/);
});

test("a first key that waits for room in a pipe is one", async (t) => {
  const data = temp(t);
  const fifo = join(temp(t), "fifo");
  spawnSync("mkfifo", [fifo]);
  const server = startProgram.raw(t, {
    command: ["python3", "-c", WAITING, fifo, ...OWN],
    args: ["serve", "--port", "0", "--data", data],
  });
  await until(() => serverOf(data) !== undefined);

  writeFileSync(fifo, "");
  await server.until((stdout) => stdout.includes("Listening on"));
  const [key] = /^st_\S+$/m.exec(server.stdout()) ?? [];
  const { status } = await fetch(`${serverOf(data)?.url}/v1/sync/jobs`, {
    headers: { Authorization: `Bearer ${key}` },
  });

  assert.equal(status, 200);
  assert.equal(await server.stop("SIGTERM"), 0);
});

test("exec passes on all that its program writes, once, when a full pipe is read again", async (t) => {
  const fifo = join(temp(t), "fifo");
  spawnSync("mkfifo", [fifo]);
  const long = "l".repeat(5_000);
  // By the last of so many words, what it has begun with was tried to be written.
  const script =
    `printf begun; seq 20000 >&2; echo said >&2; printf '%s' ${long}; printf 'line\\nrest'`;
  const exec = startProgram.raw(t, {
    command: ["python3", "-c", WAITING, fifo, ...OWN],
    args: ["exec", "n", "--data", join(temp(t), "data"), "--", "sh", "-c", script],
  });
  await until(() => exec.stderr().includes("said\n"));

  writeFileSync(fifo, "");

  assert.equal(await exec.ended, 0, exec.stderr());
  assert.equal(exec.stdout(), `begun${long}line\nrest`);
});
