import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { ask, execBench, startExec } from "../support/exec.ts";
import { runs } from "../support/processes.ts";
import { OWN, startProgram } from "../support/program.ts";
import { testServer } from "../support/server.ts";
import { until } from "../support/until.ts";

/** A server in this process, and the flags that name it. */
async function served(t: Parameters<typeof testServer>[0], options = {}) {
  const server = await testServer(t, options);
  const { path, data } = await execBench(t);
  const own = ["--server", server.url, "--key", server.key(), "--data", data];
  const jobs = async () => (await (await server.ask("/v1/sync/jobs")).json()).items;
  const logs = async (id: string) => {
    const headers = { Authorization: `Bearer ${server.key()}`, Accept: "application/x-ndjson" };
    const answer = await server.ask(`/v1/sync/job/${id}/logs`, { headers });
    return (await answer.text()).split("\n").filter(Boolean).map((line) => JSON.parse(line));
  };
  return { server, path, data, own, jobs, logs };
}

test("exec() leaves PATH as it is where Node is not installed", async (t) => {
  const { own } = await served(t);

  const { ended, stdout } = startExec(t, {
    own: [...own, "n", "--quiet"],
    program: ["/usr/bin/env"],
    env: { PATH: "/without/node" },
  });

  assert.equal(await ended, 0);
  const told = String(stdout()).split("\n").filter((line) => /^(PATH=|DENO_NODE_)/.test(line));
  assert.deepEqual(told, ["PATH=/without/node"]);
});

test("exec() ends with the program's own exit code, and its job as the program fared", async (t) => {
  const { own, jobs } = await served(t);

  const fine = await startExec(t, { own: [...own, "fine"], program: ["sh", "-c", "exit 0"] }).ended;
  const seven = await startExec(t, { own: [...own, "seven"], program: ["sh", "-c", "exit 7"] })
    .ended;

  const cancelled = await startExec(t, {
    own: [...own, "cancelled", "--format", "ndjson"],
    program: ["echo", '{"type": "end", "status": "cancelled"}'],
  }).ended;

  assert.deepEqual([fine, seven, cancelled], [0, 7, 0]);
  const [third, second, first] = await jobs();
  assert.deepEqual([third.status, third.error.code], ["cancelled", "program_cancelled"]);
  assert.deepEqual([first.sync, first.status, first.error], ["fine", "completed", null]);
  assert.deepEqual([second.sync, second.status], ["seven", "failed"]);
  assert.match(second.error.message, /exit code 7/);
});

test("exec() whose reader rests ends soon after the signal that has ended its program, its job also where that reads stderr, too", async (t) => {
  const { own, jobs, path } = await served(t);
  const resting = (name: string) => {
    const fifo = join(path, name);
    assert.equal(spawnSync("mkfifo", [fifo]).status, 0);
    const fd = openSync(fifo, constants.O_RDWR);
    t.after(() => closeSync(fd));
    return fd;
  };
  // More than a pipe holds that nobody reads.
  const script = 'head -c 70000 /dev/zero; touch "$0"; exec sleep 1000';
  const program = (said: string) => ["sh", "-c", script, join(path, said)];
  const [one, both] = [resting("one"), resting("both")];
  const run = startExec(t, { own: [...own, "one"], program: program("1"), stdout: one });
  const mute = startExec(t, {
    own: [...own, "both", "--quiet"], // so that not even its last words have room in the pipe
    program: program("2"),
    stdout: both,
    stderr: both,
  });
  await until(() => existsSync(join(path, "1")) && existsSync(join(path, "2")), 10);

  run.signal("SIGTERM");
  mute.signal("SIGTERM");

  assert.equal(await run.ended, "SIGTERM");
  const ended = async () =>
    (await jobs()).filter(({ ended_at }: { ended_at: string | null }) => ended_at !== null);
  await until(async () => (await ended()).length === 2, 10);
  for (const { status, error } of await ended()) {
    assert.deepEqual([status, error.code], ["cancelled", "interrupted"]);
    assert.match(error.message, /its reader did not read, and a signal came/);
  }
});

test("exec() says on stderr which job it is, and nothing at all with --quiet", async (t) => {
  const { own, jobs, server } = await served(t);
  const program = ["sh", "-c", "echo out; echo err >&2"];

  const loud = startExec(t, { own: [...own, "n"], program });
  await loud.ended;
  const quiet = startExec(t, { own: [...own, "n", "--quiet"], program });
  await quiet.ended;
  const json = startExec(t, { own: [...own, "n", "--json"], program });
  await json.ended;

  const [third, , first] = await jobs();
  assert.equal(loud.stdout().toString(), "out\n");
  const [words, rest] = loud.stderr().split("\n");
  assert.equal(
    words,
    `synctail: job ${first.id}: ${server.url}/job/${first.id}`,
  );
  assert.equal(rest, "err");
  assert.deepEqual([quiet.stdout().toString(), quiet.stderr()], ["out\n", "err\n"]);
  assert.equal(json.stdout().toString(), "out\n");
  assert.deepEqual(JSON.parse(json.stderr().split("\n")[0]), {
    type: "job",
    job_id: third.id,
    page_url: `${server.url}/job/${third.id}`,
    api_url: `${server.url}/v1/sync/job/${third.id}`,
  });
  const help = await startProgram.toEnd(t, { args: ["exec", "--help"] });
  assert.match(help.stdout, /--json +our own words as JSON, one object a line, on stderr/);
});

test("exec() ends by the signal that killed the program", async (t) => {
  const { own } = await served(t);
  const killed = async (signal: string) =>
    await startExec(t, { own: [...own, "n"], program: ["sh", "-c", `kill -${signal} $$`] }).ended;

  assert.equal(await killed("TERM"), "SIGTERM");
  assert.equal(await killed("KILL"), "SIGKILL");
  assert.equal(await killed("INT"), "SIGINT");
  // A core dump of ours would tell nobody anything: 128 and the signal's number.
  assert.equal(await killed("SEGV"), 139);
});

test("exec() tells of a program that a signal without a name has killed", async (t) => {
  const { own, jobs } = await served(t);

  const run = startExec(t, { own: [...own, "n"], program: ["sh", "-c", "kill -34 $$"] });

  assert.equal(await run.ended, 162);
  const [{ error }] = await jobs();
  assert.deepEqual([error.code, error.message.includes("killed by signal 34")], [
    "program_killed",
    true,
  ]);
});

test("exec() ends with 127 or 126 where a program cannot be started, and its job as failed", async (t) => {
  const { own, jobs, path } = await served(t);
  writeFileSync(join(path, "plain"), "echo plain\n", { mode: 0o644 });
  writeFileSync(join(path, "script"), "echo script $1\n", { mode: 0o755 });

  const none = startExec(t, { own: [...own, "n", "--quiet"], program: ["no-such-program-here"] });
  assert.equal(await none.ended, 127);
  const plain = startExec(t, { own: [...own, "n"], program: [join(path, "plain")] });
  assert.equal(await plain.ended, 126);
  const script = startExec(t, { own: [...own, "n"], program: [join(path, "script"), "one"] });
  assert.equal(await script.ended, 0);
  const folder = startExec(t, { own: [...own, "n"], program: [path] });
  assert.equal(await folder.ended, 126);

  assert.match(folder.stderr(), /^synctail: Cannot run ".*": .* is a directory\n/);
  assert.match(none.stderr(), /^synctail: Cannot run "no-such-program-here": there is no such/);
  assert.match(plain.stderr(), /is not executable/);
  assert.equal(script.stdout().toString(), "script one\n");
  const codes = (await jobs()).map(({ status, error }: { status: string; error: unknown }) => [
    status,
    (error as { code: string } | null)?.code,
  ]);
  assert.deepEqual(codes, [
    ["failed", "program_not_executable"],
    ["completed", undefined],
    ["failed", "program_not_executable"],
    ["failed", "program_not_found"],
  ]);
});

test("exec() gives wrong usage 2 before anything is started", async (t) => {
  const { path } = await execBench(t);
  const touch = ["touch", join(path, "started")];
  const wrong = [
    ["n", "--format", "nonsense"],
    ["n", "--lease", "0s"],
    ["n", "--stop-grace", "soon"],
    ["n", "--server", "nonsense"],
    ["n", "--nonsense"],
    [],
    ["--flush"],
    ["n", "--from", "http://127.0.0.1:9"],
  ];

  for (const own of wrong) {
    const run = startExec(t, { own, program: touch });
    assert.equal(await run.ended, 2, `${own}: ${run.stderr()}`);
  }

  assert.deepEqual(readdirSync(path).filter((name) => name === "started"), []);
});

test("exec() runs the program whatever the settings of a server are that it does not start", async (t) => {
  const { own, jobs } = await served(t);
  const env = { SYNCTAIL_LOG_LEVEL: "warn", SYNCTAIL_PORT: "none", SYNCTAIL_HOSTNAME: "" };

  const run = startExec(t, { own: [...own, "n"], program: ["echo", "ran"], env });
  const code = await run.ended;

  const [job] = await jobs();
  assert.deepEqual([code, run.stdout().toString(), job.status], [0, "ran\n", "completed"]);
});

test("exec() passes binary output and input through, byte by byte", async (t) => {
  const { own, path } = await served(t);
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7 + (at >> 8)) % 256));
  writeFileSync(join(path, "bytes"), bytes);

  const output = startExec(t, {
    own: [...own, "n", "-q"].slice(0, -1).concat("--quiet"),
    program: [
      "sh",
      "-c",
      'cat "$0"; cat "$0" >&2',
      join(path, "bytes"),
    ],
  });
  const err: Buffer[] = [];
  output.child.stderr?.on("data", (chunk) => err.push(chunk));
  await output.ended;
  const input = startExec(t, { own: [...own, "n", "--quiet"], program: ["cat"], input: true });
  input.child.stdin?.end(bytes);
  await input.ended;

  assert.ok(output.stdout().equals(bytes));
  assert.ok(Buffer.concat(err).equals(bytes));
  assert.ok(input.stdout().equals(bytes));
});

test("exec() shows output the moment it comes, and /dev/stdout can be opened again", async (t) => {
  const { own } = await served(t);
  const script = 'printf one; echo two > /dev/stderr; read line; echo "$line" > /dev/stdout';
  const run = startExec(t, {
    own: [...own, "n", "--quiet"],
    program: ["sh", "-c", script],
    input: true,
  });

  // It waits for its input, so what is seen now was not held back until its end.
  await run.until(() => run.stdout().toString() === "one" && run.stderr() === "two\n");
  run.child.stdin?.end("three\n");

  assert.equal(await run.ended, 0);
  assert.equal(run.stdout().toString(), "onethree\n");
});

test("exec() survives a flood: the bytes pass, the log is thinned and says so", async (t) => {
  const { own, jobs, logs } = await served(t);
  const program = ["sh", "-c", "seq 1 500000"];

  const run = startExec(t, { own: [...own, "n", "--quiet"], program });
  const hash = createHash("sha256");
  run.child.stdout?.on("data", (chunk) => hash.update(chunk));
  assert.equal(await run.ended, 0);

  const expected = createHash("sha256");
  for (let from = 1; from <= 500_000; from += 1_000) {
    const lines = Array.from({ length: 1_000 }, (_, at) => `${from + at}\n`);
    expected.update(lines.join(""));
  }
  assert.equal(hash.digest("hex"), expected.digest("hex"));
  const [job] = await jobs();
  const lines: { message: string; source?: string }[] = await logs(job.id);
  const shown = lines.filter(({ source }) => source === undefined).length;
  const leftOut = lines.map(({ message }) => /^(\d+) lines left out: more than/.exec(message))
    .reduce((sum, match) => sum + Number(match?.[1] ?? 0), 0);
  assert.equal(job.status, "completed");
  assert.equal(shown + leftOut, 500_000);
  assert.ok(shown < 20_000, `${shown} lines`);
});

test("exec() stops the program with its reader, as a pipe does", async (t) => {
  const { own } = await served(t);
  const run = startExec(t, { own: [...own, "n", "--quiet"], program: ["yes"] });

  await run.until(() => run.stdout().length > 0);
  run.child.stdout?.destroy();

  // SIGPIPE, as shells say it.
  assert.equal(await run.ended, 141);
});

test("output that its disk does not take fails the run, whatever the program says", async (t) => {
  const { own, jobs } = await served(t);
  const full = openSync("/dev/full", "w");
  t.after(() => closeSync(full));

  const short = startExec(t, { own: [...own, "short"], program: ["echo", "x"], stdout: full });
  const shortCode = await short.ended;
  const noise = startExec(t, {
    own: [...own, "noise"],
    program: ["sh", "-c", "echo x >&2; echo y >&2"],
    stderr: full,
  });
  const noiseCode = await noise.ended;

  const [beside, lost] = await jobs();
  assert.equal(shortCode, 1);
  assert.match(short.stderr(), /Cannot write all of its output to stdout: no space left on device/);
  assert.deepEqual([lost.status, lost.error.code], ["failed", "output_lost"]);
  assert.deepEqual([noiseCode, beside.status], [0, "completed"]);
});

test("exec() does not wait for a daemon that keeps the output and says nothing", async (t) => {
  const { own } = await served(t);
  const run = startExec(t, {
    own: [...own, "n", "--quiet"],
    program: ["sh", "-c", "sleep 1000 & echo $!; exit 4"],
  });

  const code = await run.ended;
  const daemon = Number(run.stdout().toString());
  t.after(() => void process.kill(daemon, "SIGKILL"));

  assert.equal(code, 4);
  assert.equal(await runs(daemon), true);
});

test("exec() tells of host, command without secrets, process, tags and lease", async (t) => {
  const { own, jobs, logs } = await served(t);
  const program = ["sh", "-c", "echo $PPID", "--password", "hunter2", "--token=abc"];
  const flags = ["n", "--tag", "nightly", "--tag", "eu", "--lease", "5m", "--quiet"];

  const run = startExec(t, { own: [...own, ...flags], program });
  await run.ended;

  const [job] = await jobs();
  const { host, command, pid, format, added_flags } = job.meta;
  assert.deepEqual(
    { host: typeof host, command, pid: typeof pid, format, added_flags },
    {
      host: "string",
      command: ["sh", "-c", "echo $PPID", "--password", "***", "--token=***"],
      pid: "number",
      format: "lines",
      added_flags: undefined,
    },
  );
  assert.deepEqual([job.tags, job.lease_s], [["nightly", "eu"], 300]);
  assert.equal((await logs(job.id))[0].message, run.stdout().toString().trim());
});

test("exec() forwards SIGTERM, and the job was stopped, not failed", async (t) => {
  const { own, jobs } = await served(t);
  const script = "trap 'echo stopping; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
  const run = startExec(t, { own: [...own, "n", "--quiet"], program: ["sh", "-c", script] });

  await run.until(() => run.stdout().includes("ready"));
  run.signal("SIGTERM");

  assert.equal(await run.ended, 9);
  assert.equal(run.stdout().toString(), "ready\nstopping\n");
  const [job] = await jobs();
  assert.deepEqual([job.status, job.error.code], ["cancelled", "interrupted"]);
});

test("exec() forwards a signal that asks for no end, which stops no job", async (t) => {
  const { own, jobs } = await served(t);
  const script = "trap 'echo told; exit 3' USR2; echo ready; while :; do sleep 0.05; done";
  const run = startExec(t, { own: [...own, "n", "--quiet"], program: ["sh", "-c", script] });

  await run.until(() => run.stdout().includes("ready"));
  run.signal("SIGUSR2");

  assert.equal(await run.ended, 3);
  assert.equal(run.stdout().toString(), "ready\ntold\n");
  const [job] = await jobs();
  assert.deepEqual([job.status, job.error.code], ["failed", "program_failed"]);
});

test("a program that makes light of SIGTERM and succeeds has completed; a cancelled one has not", async (t) => {
  const { own, jobs, server } = await served(t);
  const script = "trap 'exit 0' TERM; echo ready; while echo on; do sleep 0.05; done";
  const start = async (name: string) => {
    const run = startExec(t, {
      own: [...own, name, "--quiet"],
      program: ["sh", "-c", script],
    });
    await run.until(() => run.stdout().includes("ready"));
    return run;
  };

  const first = await start("asked");
  first.signal("SIGTERM");
  const firstCode = await first.ended;
  const second = await start("cancelled");
  let [job] = await jobs();
  while (job.sync !== "cancelled") [job] = await jobs();
  await server.ask(`/v1/sync/job/${job.id}/cancel`, {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key()}` },
  });
  const secondCode = await second.ended;

  assert.deepEqual([firstCode, secondCode], [0, 0]);
  assert.deepEqual(
    (await jobs()).map(({ sync, status, error }: Record<string, unknown>) => [sync, status, error]),
    [["cancelled", "cancelled", null], ["asked", "completed", null]],
  );
});

test("a run whose spool cannot be kept is told of all the same, and says that it is not kept", async (t) => {
  const { own, jobs, path } = await served(t);
  writeFileSync(join(path, "file"), "");
  const data = own.indexOf("--data");
  const elsewhere = own.with(data + 1, join(path, "file", "state"));

  const run = startExec(t, { own: [...elsewhere, "n"], program: ["sh", "-c", "exit 5"] });

  assert.equal(await run.ended, 5);
  assert.match(run.stderr(), /^synctail: what the server cannot be told of is not kept: .+\n/);
  const [job] = await jobs();
  assert.deepEqual([job.sync, job.status], ["n", "failed"]);
});

// Deno itself does not start there.
test("exec() runs in a directory that was removed", { skip: !("Bun" in globalThis) }, async (t) => {
  const { own, jobs } = await served(t);
  const gone = `mkdir gone && cd gone && rmdir ../gone && exec "$@"`;
  const [runner, ...before] = OWN;
  const ends = async (flags: readonly string[]) => {
    const { code, stdout, stderr } = await startProgram.toEnd(t, {
      command: ["sh", "-c", gone, "sh", runner],
      args: [...before, "exec", ...flags, "n", "--", "sh", "-c", "echo ran; exit 5"],
    });
    return { ended: [code, stdout], stderr };
  };

  const told = await ends(own);
  const untold = await ends([]);

  assert.deepEqual(told.ended, [5, "ran\n"]);
  assert.deepEqual((await jobs()).map(({ status }: { status: string }) => status), ["failed"]);
  assert.deepEqual(untold.ended, [5, "ran\n"]);
  assert.match(untold.stderr, /no server can be had: .*\n(.*\n)*.* is not kept/);
});

test("exec() leaves ignored signals ignored, as nohup wants it", async (t) => {
  const { own } = await served(t);
  const [runner, ...before] = OWN;
  const script = `trap '' HUP; exec "$@"`;
  const inner = [...before, "exec", ...own, "n", "--quiet", "--"];
  const show = ["sh", "-c", "kill -HUP $PPID; kill -HUP $$; echo alive"];

  const { code, stdout } = await startProgram.toEnd(t, {
    command: ["sh"],
    args: ["-c", script, "sh", runner, ...inner, ...show],
  });

  assert.deepEqual([code, stdout], [0, "alive\n"]);
});

test("a cancel stops the program and all that it has started; the job ends as cancelled", async (t) => {
  const { own, jobs, server } = await served(t);
  const script = "sleep 1000 & echo child $!; wait";
  const run = startExec(t, {
    own: [...own, "n", "--quiet", "--lease", "9s"], // it asks three times in that
    program: ["sh", "-c", script],
  });
  await run.until(() => /child \d+/.test(run.stdout().toString()));
  const child = Number(/child (\d+)/.exec(run.stdout().toString())?.[1]);
  let [job] = await jobs();
  while (!job) [job] = await jobs();

  await server.ask(`/v1/sync/job/${job.id}/cancel`, {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key()}` },
  });

  assert.equal(await run.ended, "SIGTERM");
  [job] = await jobs();
  assert.deepEqual([job.status, job.error], ["cancelled", null]);
  assert.equal(await runs(child), false);
});

test("a program that does not stop is killed after the grace", async (t) => {
  const { own, jobs, server } = await served(t);
  const script = "trap '' TERM; echo ready; while echo on; do sleep 0.05; done";
  const run = startExec(t, {
    own: [...own, "n", "--quiet", "--stop-grace", "1s"],
    program: ["sh", "-c", script],
  });
  await run.until(() => run.stdout().includes("ready"));
  let [job] = await jobs();
  while (!job) [job] = await jobs();

  await server.ask(`/v1/sync/job/${job.id}/cancel`, {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key()}` },
  });

  assert.equal(await run.ended, "SIGKILL");
  assert.equal((await jobs())[0].status, "cancelled");
});

test("exec does not end before what a cancelled program has left behind is killed", async (t) => {
  const { own, jobs, server } = await served(t);
  const deaf = "trap '' TERM; echo child $$; exec sleep 1000 > /dev/null 2>&1";
  const run = startExec(t, {
    own: [...own, "n", "--quiet", "--stop-grace", "1s"],
    program: [
      "sh",
      "-c",
      "sh -c \"$0\" & trap 'exit 3' TERM; while echo on; do sleep 0.05; done",
      deaf,
    ],
  });
  await run.until(() => /child \d+\n/.test(run.stdout().toString()));
  const child = Number(/child (\d+)/.exec(run.stdout().toString())?.[1]);
  let [job] = await jobs();
  while (!job) [job] = await jobs();

  await server.ask(`/v1/sync/job/${job.id}/cancel`, {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key()}` },
  });
  await run.ended;

  assert.equal(await runs(child), false);
  assert.equal((await jobs())[0].status, "cancelled");
});

test("exec({--percent}) shows how far a program is by what it prints", async (t) => {
  const { own, jobs } = await served(t);
  const wrong = startExec(t, { own: [...own, "p", "--percent", "("], program: ["true"] });
  assert.equal(await wrong.ended, 2);

  const run = startExec(t, {
    own: [...own, "p", "--percent", "(\\d+)%"],
    program: ["sh", "-c", "echo done 40%; read line; exit 1"],
    input: true,
  });
  let [job] = await jobs();
  while (job?.percent === undefined) [job] = await jobs();
  run.child.stdin?.end("go\n");

  assert.equal(await run.ended, 1);
  assert.equal(run.stdout().toString(), "done 40%\n");
  assert.deepEqual([job.percent, (await jobs())[0].percent], [40, 40]);
  assert.match(wrong.stderr(), /--percent: got "\(": expected a regular expression/);
});

test("without a server exec starts one, whose URL answers while the program runs", async (t) => {
  const { data, key } = await execBench(t);
  const run = startExec(t, {
    own: ["--data", data, "n"],
    program: ["sh", "-c", "echo ready; read line"],
    input: true,
  });
  const { url, id } = await run.page();
  let job = await ask(url, key, `/v1/sync/job/${id}`);
  while (job.status !== "in_progress") job = await ask(url, key, `/v1/sync/job/${id}`);
  const stream = await fetch(`${url}/v1/sync/job/${id}/subscribe`, {
    headers: { Authorization: `Bearer ${key}` },
  });
  const seen = stream.text();

  // A second one beside it uses the same server.
  const beside = startExec(t, { own: ["--data", data, "m"], program: ["true"] });
  assert.equal(await beside.ended, 0);
  assert.ok(beside.stderr().includes(`${url}/job/`), beside.stderr());
  run.child.stdin?.end("go\n");

  assert.equal(await run.ended, 0);
  assert.match(await seen, /"status": "completed".*"is_complete": true/);
  const kept = await startProgram(t, { args: ["serve"], data });
  const { items } = await ask(kept.url, key, "/v1/sync/jobs");
  assert.deepEqual(items.map(({ sync, status }: Record<string, string>) => [sync, status]), [
    ["m", "completed"],
    ["n", "completed"],
  ]);
  assert.deepEqual(readdirSync(join(data, "spool")), []);
  assert.equal(statSync(join(data, "spool")).mode & 0o777, 0o700);
});
