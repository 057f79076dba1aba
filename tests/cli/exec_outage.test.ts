import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { namedTarget } from "../../src/cli/exec/target.ts";
import { SpoolDirectory } from "../../src/client/spool_directory.ts";
import { newJobId } from "../../src/sync/ids.ts";
import { ask, execBench, type RunningExec, startExec } from "../support/exec.ts";
import { freePort } from "../support/free_port.ts";
import { type Cleanup, OWN, startProgram } from "../support/program.ts";
import { receiver } from "../support/receiver.ts";
import { until } from "../support/until.ts";

/** The log lines of a job. */
async function linesOf(url: string, key: string, id: string): Promise<string[]> {
  const headers = { Authorization: `Bearer ${key}`, Accept: "application/x-ndjson" };
  const text = await (await fetch(`${url}/v1/sync/job/${id}/logs`, { headers })).text();
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line).message);
}

/** Starts a server on a given port, and waits until it serves. */
async function serveOn(t: Cleanup, data: string, port: number) {
  const args = ["serve", "--json", "--data", data, "--port", `${port}`];
  const server = startProgram.raw(t, { args });
  await server.until((stdout) => stdout.includes("listening"));
  return server;
}

/** Where spools are below XDG_STATE_HOME. */
const SPOOLS = join("synctail", "spool");

const spooled = (state: string, below = SPOOLS) => readdirSync(join(state, below));

/** The bytes of all spools. */
function spoolText(state: string, below = SPOOLS): string {
  return spooled(state, below).map((name) => readFileSync(join(state, below, name), "latin1"))
    .join("");
}

/**
 * A program that waits after two lines, and after one more that it is asked for. Lines that come at
 * once are one transaction, of several writes: only when the file has text of the next one are the
 * first two surely kept.
 */
const TWO_KEPT = ["sh", "-c", "echo one; echo two; read go; echo more; read line"];
async function twoAreKept({ child }: RunningExec, state: string, below?: string): Promise<void> {
  await until(() => spoolText(state, below).includes('"two"'));
  child.stdin?.write("go\n");
  await until(() => spoolText(state, below).includes('"more"'));
}

test("an unreachable server changes nothing for the program; the next exec tells of it, once", async (t) => {
  const { data, key, path } = await execBench(t);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const own = { SYNCTAIL_DATA: "", XDG_STATE_HOME: path }; // an empty variable names nothing
  const env = { SYNCTAIL_SERVER: url, SYNCTAIL_KEY: key, ...own };

  const away = startExec(t, {
    own: ["away", "--server", url],
    program: ["sh", "-c", "seq 1 20; exit 5"],
    env,
  });
  const code = await away.ended;
  const left = spooled(path).length;
  await serveOn(t, data, port);
  // It waits until the server has what was left.
  const next = startExec(t, { own: ["next"], program: ["true"], env });
  await next.ended;

  assert.equal(code, 5);
  assert.equal(
    away.stdout().toString(),
    Array.from({ length: 20 }, (_, n) => `${n + 1}\n`).join(""),
  );
  assert.match(away.stderr(), /could not be told of everything/);
  assert.ok(away.stderr().includes(`\`synctail exec --flush --server ${url}\``), away.stderr());
  assert.equal(left, 1);
  assert.deepEqual(spooled(path), []);
  const { items } = await ask(url, key, "/v1/sync/jobs");
  assert.deepEqual(
    items.map(({ sync, status }: Record<string, string>) => [sync, status]),
    [["away", "failed"], ["next", "completed"]],
  );
  assert.deepEqual(
    await linesOf(url, key, items[0].id),
    Array.from({ length: 20 }, (_, n) => `${n + 1}`),
  );
});

test("exec asked a second time to end waits no longer for a server that does not answer", async (t) => {
  const { key, path } = await execBench(t);
  const silent = await receiver(t);
  silent.answer = () => {};
  const env = { SYNCTAIL_SERVER: silent.url, SYNCTAIL_KEY: key, XDG_STATE_HOME: path };
  const program = [
    "sh",
    "-c",
    "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.02; done",
  ];
  const ended: string[] = [];
  const start = (name: string) => {
    const run = startExec(t, { own: [name], program, env });
    run.ended.then(() => ended.push(name));
    return run;
  };
  const runs = [start("asked once"), start("asked again")];
  await silent.until(2);
  for (const run of runs) {
    await run.until(() => run.stdout().includes("up"));
    run.signal("SIGTERM");
    await run.until(() => run.stdout().includes("bye"));
  }

  await until(() => {
    if (ended.length > 0) return true;
    try {
      runs[1].signal("SIGTERM"); // more than once: it is the program's until that has ended
    } catch {
      // It has just ended.
    }
    return false;
  }, 10);

  assert.deepEqual(ended, ["asked again"]);
  assert.equal(await runs[1].ended, 3);
  assert.match(runs[1].stderr(), /could not be told of everything/);
});

test("what is left is told to be sent by a command that finds it from anywhere", async (t) => {
  const { path, key } = await execBench(t);
  const data = join(path, "the robot's data");
  const url = `http://127.0.0.1:${await freePort()}`;
  const env = { SYNCTAIL_KEY: key };

  const run = startExec(t, {
    own: ["n", "--server", url, "--data", data],
    program: ["true"],
    env,
  });
  await run.ended;
  const words = /`synctail (exec --flush .+)`/.exec(run.stderr())?.[1];
  const command = ["sh", "-c", `"$@" ${words}`, "sh", ...OWN];
  const flush = await startProgram.toEnd(t, { command, args: [], env });

  assert.match(flush.stderr, /^synctail: jobs that were left behind: 0 sent, 1 left/);
});

test("what is left is told to be sent with the key's file, or by a key that is not shown", async (t) => {
  const { path, key } = await execBench(t);
  const file = join(path, "a key");
  writeFileSync(file, key);
  const url = `http://127.0.0.1:${await freePort()}`;
  const advice = async (env: Record<string, string>, ...own: string[]) => {
    const flags = ["n", "--server", url, "--data", path, ...own];
    const run = startExec(t, { own: flags, program: ["true"], env });
    await run.ended;
    return /`synctail exec --flush --server (.+)`/.exec(run.stderr())?.[1];
  };

  const told = await Promise.all([
    advice({}, "--key-file", file),
    advice({}, "--key", key),
    advice({}),
    advice({ SYNCTAIL_KEY_FILE: file }),
  ]);

  const ways = [` --key-file '${file}'`, " --key KEY", " --key KEY", ""];
  assert.deepEqual(told, ways.map((way) => `${url} --data ${path}${way}`));
});

test("exec --flush tells what was left, and says what stays", async (t) => {
  const { data, key, path } = await execBench(t);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = { SYNCTAIL_SERVER: url, SYNCTAIL_KEY: key, XDG_STATE_HOME: path };
  const other = { ...env, SYNCTAIL_SERVER: "http://127.0.0.1:9" };
  await startExec(t, { own: ["a", "--quiet"], program: ["true"], env }).ended;
  await startExec(t, { own: ["b", "--quiet"], program: ["true"], env: other }).ended;
  const flush = (more = {}) =>
    startProgram.toEnd(t, { args: ["exec", "--flush", "--json"], env: { ...env, ...more } });

  const early = await flush();
  await serveOn(t, data, port);
  const late = await flush();

  assert.deepEqual([early.code, JSON.parse(early.stderr)], [1, {
    type: "flushed",
    sent: 0,
    left: 1,
    others: 1,
    other_servers: [{ server: "http://127.0.0.1:9", jobs: 1 }],
    reason: `cannot reach ${url}: connection refused`,
  }]);
  assert.deepEqual([late.code, JSON.parse(late.stderr)], [0, {
    type: "flushed",
    sent: 1,
    left: 0,
    others: 1,
    other_servers: [{ server: "http://127.0.0.1:9", jobs: 1 }],
    reason: null,
  }]);
  const { items } = await ask(url, key, "/v1/sync/jobs");
  assert.deepEqual(items.map(({ sync, status }: Record<string, string>) => [sync, status]), [
    ["a", "completed"],
  ]);
});

test("exec --flush says for whom the others are, and tells them with --from", async (t) => {
  const { data, key, path } = await execBench(t);
  const url = `http://127.0.0.1:${await freePort()}`;
  await serveOn(t, data, Number(new URL(url).port));
  const env = { SYNCTAIL_SERVER: url, SYNCTAIL_KEY: key, XDG_STATE_HOME: path };
  const own = ["a", "--quiet", "--server", `${url}/v1`];
  await startExec(t, { own, program: ["true"], env }).ended;
  const flush = (...args: string[]) =>
    startProgram.toEnd(t, { args: ["exec", "--flush", ...args], env });

  const plain = await flush();
  const moved = await flush("--from", `${url}/v1/`);

  assert.deepEqual([plain.code, plain.stderr], [
    0,
    "synctail: jobs that were left behind: 0 sent, 0 left; " +
    `others stay: 1 for ${url}/v1; to tell this server of them add --from URL\n`,
  ]);
  assert.deepEqual([moved.code, moved.stderr], [
    0,
    "synctail: jobs that were left behind: 1 sent, 0 left\n",
  ]);
  const { items } = await ask(url, key, "/v1/sync/jobs");
  assert.deepEqual(items.map(({ status }: Record<string, string>) => status), ["completed"]);
});

test("exec --flush gives up what its server knows no more, and keeps what another key has made", async (t) => {
  const { data, key, path } = await execBench(t);
  const url = `http://127.0.0.1:${await freePort()}`;
  await serveOn(t, data, Number(new URL(url).port));
  const spools = new SpoolDirectory(join(path, SPOOLS), assert.fail);
  for (const each of [key, "another"]) {
    const { server, keyPrint } = namedTarget(url, each);
    const spool = spools.create({ id: newJobId(), producer: "p", body: "{}", server, keyPrint }, 1);
    spool.wasCreated();
    spool.append("end", '{"type": "end", "status": "completed"}');
    spool.close();
  }
  const env = { SYNCTAIL_SERVER: url, SYNCTAIL_KEY: key, XDG_STATE_HOME: path };

  const { code, stderr } = await startProgram.toEnd(t, { args: ["exec", "--flush"], env });

  assert.equal(code, 1);
  assert.match(stderr, /: 0 sent, 1 left \(it answers 404.*; another key has made it\)\n$/);
  assert.equal(spooled(path).length, 1);
});

test("what had to go on in memory is said to be lost when nobody could be told of it", async (t) => {
  const { key, path } = await execBench(t);
  const url = `http://127.0.0.1:${await freePort()}`;
  const env = { SYNCTAIL_SERVER: url, SYNCTAIL_KEY: key, XDG_STATE_HOME: path };

  const run = startExec(t, {
    own: ["n", "--json"],
    program: ["sh", "-c", "for n in 1 2 3; do head -c 60000 /dev/zero | tr '\\0' x; echo; done"],
    env,
    fileKib: 100,
  });

  assert.equal(await run.ended, 0);
  const said = run.stderr().trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(said.at(-1), {
    type: "left",
    job_id: said[0].job_id,
    reason: `cannot reach ${url}: connection refused`,
    kept: false,
  });
  assert.deepEqual(spooled(path), []);
});

test("a server that is killed and comes back has every line once", async (t) => {
  const { data, key, path } = await execBench(t);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = { SYNCTAIL_SERVER: url, SYNCTAIL_KEY: key, XDG_STATE_HOME: path };
  let server = await serveOn(t, data, port);
  // Each line that the program is given comes back as one of its output.
  const run = startExec(t, { own: ["n", "--quiet"], program: ["cat"], env, input: true });
  let said = 0;
  const say = async (lines: number) => {
    for (let n = 0; n < lines; n++) run.child.stdin?.write(`line ${++said}\n`);
    await run.until(() => run.stdout().includes(`line ${said}\n`));
  };
  const jobs = async () => (await ask(url, key, "/v1/sync/jobs")).items;
  let [job] = await jobs();
  while (!job) [job] = await jobs();

  for (let round = 0; round < 3; round++) {
    await say(10);
    // Once in the middle of a request, perhaps, and once surely after one.
    if (round > 0) { while ((await linesOf(url, key, job.id)).length < 5); }
    await server.stop("SIGKILL");
    await say(10);
    server = await serveOn(t, data, port);
  }
  run.child.stdin?.end();

  assert.equal(await run.ended, 0);
  // On a slow machine the last answer may come later than exec waits for it.
  await startProgram.toEnd(t, { args: ["exec", "--flush"], env });
  assert.deepEqual(
    await linesOf(url, key, job.id),
    Array.from({ length: 60 }, (_, n) => `line ${n + 1}`),
  );
  const [after] = await jobs();
  assert.equal(after.status, "completed");
  assert.deepEqual(spooled(path), []);
});

test("exec that is killed leaves a job that ends as failed when it is told", async (t) => {
  const { data, key, path } = await execBench(t);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = { SYNCTAIL_SERVER: url, SYNCTAIL_KEY: key, XDG_STATE_HOME: path };
  const run = startExec(t, {
    own: ["n", "--quiet"],
    program: TWO_KEPT,
    env,
    input: true,
  });
  // What the program says goes out before it is kept.
  await run.until(() => run.stdout().includes("two"));
  await twoAreKept(run, path);
  run.signal("SIGKILL");
  assert.equal(await run.ended, "SIGKILL");
  await serveOn(t, data, port);

  const { code } = await startProgram.toEnd(t, { args: ["exec", "--flush"], env });

  assert.equal(code, 0);
  const [job] = (await ask(url, key, "/v1/sync/jobs")).items;
  assert.deepEqual([job.status, job.error.code], ["failed", "exec_killed"]);
  const lines = await linesOf(url, key, job.id);
  assert.deepEqual(lines.slice(0, 2), ["one", "two"]);
  assert.deepEqual(spooled(path), []);
});

test("exec --flush tells the data directory of a run that was killed with its server", async (t) => {
  const { data, key } = await execBench(t);
  const run = startExec(t, { own: ["n", "--data", data], program: TWO_KEPT, input: true });
  await run.until(() => run.stdout().includes("two"));
  await twoAreKept(run, data, "spool");
  run.signal("SIGKILL");
  await run.ended;

  const flushed = await startProgram.toEnd(t, { args: ["exec", "--flush", "--data", data] });

  assert.deepEqual([flushed.code, flushed.stderr], [
    0,
    "synctail: jobs that were left behind: 1 sent, 0 left\n",
  ]);
  const { url } = await startProgram(t, { args: ["serve"], data });
  const [job] = (await ask(url, key, "/v1/sync/jobs")).items;
  assert.deepEqual([job.status, job.error.code], ["failed", "exec_killed"]);
  const lines = await linesOf(url, key, job.id);
  assert.deepEqual(lines.slice(0, 2), ["one", "two"]);
});

test("a key that is missing or wrong keeps no program from running; the spool waits for a right one", async (t) => {
  const { data, key, path } = await execBench(t);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await serveOn(t, data, port);
  const env = { SYNCTAIL_SERVER: url, XDG_STATE_HOME: path };
  const program = ["sh", "-c", "echo done"];

  const none = startExec(t, { own: ["none"], program, env });
  assert.equal(await none.ended, 0);
  const file = startExec(t, { own: ["file", "--key-file", join(path, "nowhere")], program, env });
  assert.equal(await file.ended, 0);
  const wrong = startExec(t, {
    own: ["wrong", "--key", "st_0000_wrong"],
    program: ["sh", "-c", "read line; echo $line"],
    env,
    input: true,
  });
  await wrong.until(() => wrong.stderr().includes("it answers 401"));
  wrong.child.stdin?.end("later\n");
  assert.equal(await wrong.ended, 0);
  const { code } = await startProgram.toEnd(t, {
    args: ["exec", "--flush", "--key", key],
    env,
  });

  assert.equal(none.stdout().toString(), "done\n");
  assert.match(none.stderr(), /no key was given/);
  assert.match(file.stderr(), /Cannot read the key from "\S+nowhere": there is no such file/);
  assert.equal(code, 0);
  const { items } = await ask(url, key, "/v1/sync/jobs");
  assert.deepEqual(
    items.map(({ sync, status }: { sync: string; status: string }) => [sync, status]),
    ["wrong", "file", "none"].map((sync) => [sync, "completed"]),
  );
  assert.deepEqual(await linesOf(url, key, items[0].id), ["later"]);
});

test("the server of an exec is this machine's alone, whatever the settings say", async (t) => {
  const { data } = await execBench(t);
  const run = startExec(t, {
    own: ["n", "--data", data],
    program: ["sh", "-c", "echo ready; cat"],
    input: true,
    env: { SYNCTAIL_HOSTNAME: "0.0.0.0" },
  });
  const { url } = await run.page();

  const here = await fetch(`${url}/healthz`);
  const elsewhere = fetch(`${url.replace("127.0.0.1", "127.0.0.2")}/healthz`);

  await assert.rejects(elsewhere);
  assert.equal(here.status, 200);
  await here.body?.cancel();
  run.child.stdin?.end();
  assert.equal(await run.ended, 0);
});

test("an exec takes the place of the one that was the server, and every line is there once", async (t) => {
  const { data, key } = await execBench(t);
  const program = ["sh", "-c", "echo ready; cat"];
  const first = startExec(t, { own: ["first", "--data", data], program, input: true });
  const { url } = await first.page();
  const second = startExec(t, { own: ["second", "--data", data], program, input: true });
  await second.until(() => second.stdout().includes("ready"));
  const say = async (text: string) => {
    second.child.stdin?.write(`${text}\n`);
    await second.until(() => second.stdout().includes(text));
  };
  let jobs = [];
  while (jobs.length < 2) jobs = (await ask(url, key, "/v1/sync/jobs")).items;

  const beside = await startProgram.toEnd(t, { args: ["run", "docs", "--data", data] });
  await say("before");
  first.child.stdin?.end();
  assert.equal(await first.ended, 0);
  await say("after");
  // The page that was open comes back at the same place.
  let seen = [];
  while (seen.length < 2) {
    seen = await ask(url, key, "/v1/sync/jobs").then(({ items = [] }) => items, () => []);
  }
  second.child.stdin?.end();

  assert.equal(await second.ended, 0);
  assert.equal(beside.code, 2);
  assert.match(beside.stderr, /another synctail has it/);
  const kept = await startProgram(t, { args: ["serve"], data });
  const { items } = await ask(kept.url, key, "/v1/sync/jobs");
  assert.deepEqual(items.map(({ sync, status }: Record<string, string>) => [sync, status]), [
    ["second", "completed"],
    ["first", "completed"],
  ]);
  assert.deepEqual(await linesOf(kept.url, key, items[0].id), ["ready", "before", "after"]);
});
