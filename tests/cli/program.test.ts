import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { DataDirectory } from "../../src/log/data_directory.ts";
import { freePort } from "../support/free_port.ts";
import { type Cleanup, OWN, startProgram } from "../support/program.ts";
import { receiver } from "../support/receiver.ts";
import { framesOf, type Seen } from "../support/stream_bench.ts";
import { tempDirectory } from "../support/temp.ts";
import { until as waitUntil } from "../support/until.ts";

/** A configuration with a quick sync and one that runs until it is stopped. */
function configured(t: Cleanup) {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "tree"));
  for (const name of ["a.txt", "b.txt", "c.md"]) writeFileSync(join(path, "tree", name), name);
  const sync = (name: string, source: object) => ({
    name,
    source: { type: "directory", path: "tree", ...source },
    destination: { type: "sqlite", path: `${name}.db` },
  });
  const config = join(path, "synctail.json");
  const write = (...syncs: object[]) => writeFileSync(config, JSON.stringify({ syncs }));
  write(sync("docs", {}), sync("slow", { max_per_s: 0.01 }));
  return { path, config, data: join(path, "data"), write, sync };
}

async function key(t: Cleanup, data: string): Promise<string> {
  const { stdout } = await startProgram.toEnd(t, {
    args: ["keys", "create", "--json", "--data", data],
  });
  return JSON.parse(stdout).key;
}

const json = async (url: string, key: string, method = "GET") =>
  await (await fetch(url, { method, headers: { Authorization: `Bearer ${key}` } })).json();

test("a -- before the command is left out, and only that one", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const { code, stderr } = await startProgram.toEnd(t, {
    args: ["--", "exec", "n", "--quiet", "--data", path, "--", "sh", "-c", "echo ran >&2; exit 5"],
  });
  const version = await startProgram.toEnd(t, { args: ["--", "--version"] });

  assert.deepEqual([code, stderr], [5, "ran\n"]);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
});

/** Takes a port until the end of the test; false where somebody else has it. */
function holds(t: Cleanup, port: number): Promise<boolean> {
  const server = createServer();
  t.after(() => void server.close());
  return new Promise((resolve) =>
    server.listen(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false))
  );
}

/** Reads a stream until a frame passes the test; the connection stays open until the end of the test. */
async function until(
  t: Cleanup,
  url: string,
  key: string,
  passes: (frame: Seen) => boolean,
): Promise<Seen[]> {
  const leave = new AbortController();
  t.after(() => leave.abort());
  const answer = await fetch(url, {
    headers: { Authorization: `Bearer ${key}` },
    signal: leave.signal,
  });
  assert.ok(answer.body);
  const frames: Seen[] = [];
  let rest = "";
  for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
    const end = (rest + chunk).lastIndexOf("\n\n") + 2;
    frames.push(...framesOf((rest + chunk).slice(0, end)));
    rest = (rest + chunk).slice(end);
    if (frames.some(passes)) break;
  }
  return frames;
}

test("serve prints a key once, at the first start, and keeps its data to its owner", async (t) => {
  const first = await startProgram(t, { args: ["serve"] });
  const printed = await first.firstKey();
  const jobs = await json(`${first.url}/v1/sync/jobs`, printed);
  const code = await first.stop("SIGTERM");
  const second = await startProgram(t, { args: ["serve"], data: first.data });
  const again = await json(`${second.url}/v1/sync/jobs`, printed);

  assert.deepEqual([jobs, again], [{ items: [], next_cursor: null }, {
    items: [],
    next_cursor: null,
  }]);
  assert.equal(code, 0);
  assert.doesNotMatch(second.stderr() + second.stdout(), /\bst_/);
  assert.equal(statSync(first.data).mode & 0o777, 0o700);
  for (const name of ["keys.db", "log.db", "lock.db"]) {
    assert.equal(statSync(join(first.data, name)).mode & 0o777, 0o600, name);
  }
  assert.doesNotMatch(
    readFileSync(join(first.data, "keys.db"), "latin1"),
    new RegExp(printed.slice(20)),
  );
  assert.equal(await second.stop("SIGINT"), 0);
});

test("serve ends with 2 on a taken port and says how to find who has it", async (t) => {
  const other = createServer();
  const port = await new Promise<number>((resolve) =>
    other.listen(0, "127.0.0.1", () => {
      const address = other.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    })
  );
  t.after(() => void other.close());
  const { data } = configured(t);

  const { code, stderr } = await startProgram.toEnd(t, {
    args: ["serve", "--port", `${port}`, "--data", data],
  });

  assert.equal(code, 2);
  assert.match(
    stderr,
    new RegExp(`Cannot listen on 127.0.0.1:${port}: the port is taken.*ss -ltnp`),
  );
  assert.match(stderr, /; --port chooses another/);
  const metrics = await startProgram.toEnd(t, {
    args: ["serve", "--port", "0", "--data", data, "--metrics-listen", `127.0.0.1:${port}`],
  });
  assert.match(metrics.stderr, /the port is taken.*; --metrics-listen chooses another/);
  // The first key is made once it can be used, so the next start is the one that shows it.
  assert.doesNotMatch(stderr, /first start|st_/);
  const next = await startProgram(t, { args: ["serve"], data });
  await next.firstKey();
  assert.match(next.stderr(), /This is the first start.*\nst_\S+/);
});

test("a command that there is not is said to be none, with what may be meant; flags alone mean serve", async (t) => {
  const asked = (...args: string[]) => startProgram.toEnd(t, { args });

  const slip = await asked("sevre");
  const odd = await asked("frobnicate", "--data", "x");
  const flag = await asked("--port", "nonsense");
  const version = await asked("--version");
  const help = await asked("help", "watch");
  const noHelp = await asked("help", "wacth");

  assert.deepEqual([slip.code, slip.stdout], [2, ""]);
  assert.equal(slip.stderr, 'synctail: unknown command "sevre", did you mean "serve"?\n');
  assert.equal(odd.code, 2);
  assert.match(odd.stderr, /^synctail: unknown command "frobnicate", synctail --help shows/);
  assert.equal(flag.code, 2);
  assert.match(flag.stderr, /--port: got "nonsense"/);
  assert.deepEqual([version.code, help.code], [0, 0]);
  assert.deepEqual([noHelp.code, noHelp.stdout], [2, ""]);
  assert.match(noHelp.stderr, /^synctail: unknown command "wacth", did you mean "watch"\?\n$/);
});

test("flags before their command are said to be so; help of such words is given", async (t) => {
  const asked = (...args: string[]) => startProgram.toEnd(t, { args });

  const url = await asked("--server", "http://127.0.0.1:9", "watch", "x");
  const data = await asked("--data", "x", "serve");
  const value = await asked("--data", "demo", "serve");
  const mistake = await asked("--data", "demo", "--prot", "80");
  const help = await asked("--data", "demo", "--help");

  const expected = "synctail: expected the command before its flags: synctail";
  assert.deepEqual([url.code, url.stderr], [2, `${expected} watch --server ...\n`]);
  assert.deepEqual([data.code, data.stderr], [2, `${expected} serve --data ...\n`]);
  assert.deepEqual([value.code, value.stderr], [2, `${expected} serve --data ...\n`]);
  assert.match(mistake.stderr, /^error: unknown option '--prot'\n\(Did you mean --port\?\)\n/);
  assert.deepEqual([help.code, help.stderr], [0, ""]);
});

test("words that a command does not take are followed by where its help is", async (t) => {
  const asked = (...args: string[]) => startProgram.toEnd(t, { args });

  const option = await asked("watch", "--tial", "x");
  const inner = await asked("keys", "revoke");
  const program = await asked("exec", "mirror", "rsync", "-a", "here", "there");

  assert.deepEqual([option.code, inner.code, program.code], [2, 2, 2]);
  assert.match(option.stderr, /\n\(synctail watch --help shows what there is\)\n$/);
  assert.match(inner.stderr, /\n\(synctail keys revoke --help shows what there is\)\n$/);
  assert.match(program.stderr, /\n\(the program stands after --; synctail exec --help shows/);
});

test("serve refuses a data directory that another server has, and names it", async (t) => {
  const first = await startProgram(t, { args: ["serve"] });

  const { code, stderr } = await startProgram.toEnd(t, {
    args: ["serve", "--port", "0", "--data", first.data],
  });

  assert.equal(code, 2);
  assert.ok(stderr.includes(`process ${first.pid} serves it at ${first.url}`), stderr);
});

test("serve refuses to listen for others without a key", async (t) => {
  const { data: directory } = configured(t);
  const data = `${directory} of mine`;

  const { code, stderr } = await startProgram.toEnd(t, {
    args: ["serve", "--hostname", "0.0.0.0", "--port", "0", "--data", data],
  });
  const advice = /synctail (keys create .+)/.exec(stderr)?.[1];
  const made = await startProgram.toEnd(t, {
    command: ["sh", "-c", `"$@" ${advice}`, "sh", ...OWN],
    args: [],
  });

  assert.equal(code, 2);
  assert.match(stderr, /Cannot listen on 0\.0\.0\.0: there is no key yet/);
  assert.match(made.stdout, /^st_/);
});

test("serve needs no key to listen on localhost, in capital letters too", async (t) => {
  const { data } = configured(t);
  const args = ["serve", "--hostname", "LocalHost", "--port", "0", "--data", data];

  const server = startProgram.raw(t, { args });
  await server.until((stdout) => stdout.includes("Listening"));

  assert.equal(server.stderr(), "");
});

test("serve says of an address or a name that is not the machine's what is wrong with it", async (t) => {
  const { data } = configured(t);
  await key(t, data);
  const said = async (...args: string[]) => {
    const all = ["serve", "--port", "0", "--data", data, ...args];
    return (await startProgram.toEnd(t, { args: all })).stderr;
  };
  const reason = "it is no address of this machine; `ip address` shows those\n";

  for (const hostname of ["192.0.2.7", "::2", "256.0.0.1"]) {
    const shown = hostname === "::2" ? "[::2]" : hostname;
    assert.equal(
      await said("--hostname", hostname),
      `synctail: Cannot listen on ${shown}:0 (--hostname): ${reason}`,
    );
  }
  assert.equal(
    await said("--metrics-listen", "256.0.0.1:0"),
    `synctail: Cannot listen on 256.0.0.1:0 (--metrics-listen): ${reason}`,
  );
});

test("serve with a wrong configuration does not start and names every fault", async (t) => {
  const { config, data, write } = configured(t);
  write({ name: "x", source: { type: "directory", path: 42 }, destination: { type: "sqlite" } });

  const served = await startProgram.toEnd(t, {
    args: ["serve", "--config", config, "--data", data],
  });
  const checked = await startProgram.toEnd(t, { args: ["check", config] });
  const json = await startProgram.toEnd(t, { args: ["check", config, "--json"] });

  assert.deepEqual([served.code, checked.code], [2, 2]);
  assert.deepEqual([json.code, json.stdout, json.stderr], [2, "", checked.stderr]);
  assert.match(served.stderr, /syncs\[0\]\.source\.path: got 42/);
  assert.match(served.stderr, /syncs\[0\]\.destination\.path/);
  assert.equal(served.stderr.replace(/^synctail: /, ""), checked.stderr.replace(/^synctail: /, ""));
  assert.ok(!existsSync(data));
});

test("check reads stdin by both of its names", async (t) => {
  const { path, config, write } = configured(t);
  const docs = { type: "directory", path: join(path, "tree") };
  write({ name: "docs", source: docs, destination: { type: "sqlite", path: "docs.db" } });
  const checked = (name: string, how: string) =>
    startProgram.toEnd(t, {
      command: ["sh", "-c", how, config, ...OWN],
      args: ["check", name],
    });

  for (const name of ["-", "/dev/stdin"]) {
    const fromFile = await checked(name, `exec "$@" < "$0"`);
    const fromPipe = await checked(name, `cat "$0" | "$@"`);
    const wrong = await checked(name, `echo '{"syncs": 1}' | "$@"`);

    for (const { code, stdout } of [fromFile, fromPipe]) {
      assert.deepEqual([code, stdout], [0, "stdin is right: 1 sync (docs)\n"]);
    }
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /^synctail: stdin: syncs: got 1: /);
  }
});

test("check of a name that is empty, as of a variable that is not set, says so", async (t) => {
  const { code, stderr } = await startProgram.toEnd(t, { args: ["check", ""] });

  assert.deepEqual([code, stderr], [2, 'synctail: Cannot check "": expected the name of a file\n']);
});

test("a data directory whose name is no UTF-8 is refused, not made under another name", async (t) => {
  const { path } = configured(t);

  const { code, stderr } = await startProgram.toEnd(t, {
    command: ["sh", "-c", `exec "$@" --data "$0/$(printf '\\377')"`, path, ...OWN],
    args: ["keys", "list"],
  });

  assert.equal(code, 2);
  assert.match(stderr, /--data: got ".*\/\ufffd": expected a path .*UTF-8/);
  assert.deepEqual(readdirSync(path).sort(), ["synctail.json", "tree"]);
});

test("a data directory in whose place a file is is said to be so", async (t) => {
  const { config } = configured(t);
  const said = async (data: string) =>
    (await startProgram.toEnd(t, { args: ["serve", "--port", "0", "--data", data] })).stderr;

  assert.equal(
    await said(config),
    `synctail: Cannot make the data directory "${config}": ` +
      "there is a file of that name, or a link that leads nowhere\n",
  );
  assert.equal(
    await said(join(config, "data")),
    `synctail: Cannot make the data directory "${join(config, "data")}": ` +
      "there is a file in the place of a directory that it lies in\n",
  );
});

test("check refuses what serve would: files that are not there, half of a pair, the server's own; SYNCTAIL_CONFIG is read", async (t) => {
  const { path, config } = configured(t);
  const intoLog = {
    name: "docs",
    source: { type: "directory", path: "." },
    destination: { type: "sqlite", path: "data/log.db" },
  };
  const ticketKey = { kid: "shop", tenant: "default", algorithm: "HS256", key_file: "shop.secret" };
  const faults: [object, RegExp][] = [
    [{ auth: { ticket_keys: [ticketKey] } }, /shop\.secret: there is no such file/],
    [{ server: { keys_file: "keys" } }, /keys: there is no such file/],
    [{ server: { ticket_secret_file: "secret" } }, /secret: there is no such file/],
    [{ server: { tls_cert: "chain.pem" } }, /--tls-key: got nothing/],
    [{ server: { data: "data" }, syncs: [intoLog] }, /path: got ".*": .* server does not keep/],
  ];

  for (const [written, words] of faults) {
    writeFileSync(config, JSON.stringify({ syncs: [], ...written }));
    const { code, stdout, stderr } = await startProgram.toEnd(t, {
      args: ["check"],
      env: { SYNCTAIL_CONFIG: config },
    });
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, words);
  }
  writeFileSync(join(path, "shop.secret"), "x".repeat(32));
  writeFileSync(config, JSON.stringify({ syncs: [], ...faults[0][0] }));
  const { code, stdout } = await startProgram.toEnd(t, { args: ["check", config] });
  assert.deepEqual([code, stdout], [0, `${config} is right: 0 syncs\n`]);
});

test("check tells at once of sources that cannot be read, the server's own files and files written twice", async (t) => {
  const { path, config, sync } = configured(t);
  const syncs = [
    sync("gone", { path: "none" }),
    sync("file", { path: "tree/a.txt" }),
    { ...sync("own", {}), destination: { type: "sqlite", path: "data/log.db" } },
    { ...sync("twice", {}), destination: { type: "sqlite", path: "gone.db" } },
  ];
  writeFileSync(config, JSON.stringify({ server: { data: "data" }, syncs }));

  const { code, stdout, stderr } = await startProgram.toEnd(t, { args: ["check", config] });

  const at = (index: number, field: string, given: string) =>
    `${config}: syncs[${index}].${field}.path: got "${join(path, given)}": `;
  assert.deepEqual([code, stdout], [2, ""]);
  assert.deepEqual(stderr.replace(/^synctail: /, "").trimEnd().split("\n"), [
    `${at(3, "destination", "gone.db")}expected a file that syncs[0] does not write to`,
    `${at(2, "destination", "data/log.db")}` +
    "expected a file that the server does not keep for itself in its data directory",
    `${at(0, "source", "none")}there is no such directory`,
    `${at(1, "source", "tree/a.txt")}it is not a directory`,
  ]);
});

test("SIGTERM ends a running job as cancelled by the server, within its promise", async (t) => {
  const { config, data } = configured(t);
  const secret = await key(t, data);
  const server = await startProgram(t, { args: ["serve", "--config", config], data });
  const job = await json(`${server.url}/v1/sync/slow/run`, secret, "POST");
  const stream = `${server.url}/v1/sync/job/${job.id}/subscribe`;
  const following = until(t, stream, secret, ({ data }) => "is_complete" in data);
  while ((await json(`${server.url}/v1/sync/job/${job.id}`, secret)).viewers === 0);

  const code = await server.stop("SIGTERM");
  const frames = await following;
  const again = await startProgram(t, { args: ["serve"], data });
  const after = await json(`${again.url}/v1/sync/job/${job.id}`, secret);

  assert.equal(code, 0);
  assert.equal(frames.at(-1)?.data.status, "cancelled");
  assert.deepEqual([after.status, after.error.code], ["cancelled", "server_stopped"]);
});

test("a stop says nothing of the streams that it breaks off", async (t) => {
  const { config, data } = configured(t);
  const secret = await key(t, data);
  const server = await startProgram(t, {
    args: ["serve", "--config", config, "--log-level", "warning"],
    data,
  });
  const headers = { Authorization: `Bearer ${secret}` };
  const list = await fetch(`${server.url}/v1/sync/jobs/subscribe`, { headers });

  const code = await server.stop("SIGTERM");

  await assert.rejects(list.text());
  assert.equal(code, 0);
  assert.equal(server.stderr(), "");
});

test("a job that a killed server left behind ends once as worker_lost, and a viewer's cursor goes on", async (t) => {
  const { config, data } = configured(t);
  const secret = await key(t, data);
  const server = await startProgram(t, { args: ["serve", "--config", config], data });
  const job = await json(`${server.url}/v1/sync/slow/run`, secret, "POST");
  const seen = await until(
    t,
    `${server.url}/v1/sync/job/${job.id}/subscribe`,
    secret,
    ({ data }) => data.seq >= 2,
  );
  await server.stop("SIGKILL");

  const again = await startProgram(t, { args: ["serve"], data });
  const last = seen.findLast(({ id }) => id !== undefined)?.id ?? "";
  const answer = await fetch(`${again.url}/v1/sync/job/${job.id}/subscribe`, {
    headers: { Authorization: `Bearer ${secret}`, "Last-Event-ID": last },
  });
  const frames = framesOf(await answer.text());

  assert.equal(frames[0].data.resume, "resumed");
  const { code } = frames.at(-2)?.data ?? {};
  const { status, is_failed, seq } = frames.at(-1)?.data ?? {};
  assert.deepEqual([code, status, is_failed], ["worker_lost", "failed", true]);
  const seqs = frames.filter(({ id }) => id !== undefined).map(({ data }) => data.seq);
  const from = Number(last.split("-").at(-1)) + 1;
  assert.deepEqual(seqs, Array.from({ length: seq - from + 1 }, (_, n) => from + n));
});

test("SIGHUP reads the syncs again, and keeps the old ones when the file is wrong", async (t) => {
  const { config, data, write, sync } = configured(t);
  const secret = await key(t, data);
  const server = await startProgram(t, { args: ["serve", "--config", config], data });
  const names = async () =>
    (await json(`${server.url}/v1/sync`, secret)).items.map(({ name }: { name: string }) => name);
  const said = async (words: RegExp) => {
    while (!words.test(server.stderr())) await names();
  };

  write(sync("other", {}));
  process.kill(server.pid, "SIGHUP");
  await said(/was read again: 1 sync\b/);
  const after = await names();
  writeFileSync(config, "{");
  process.kill(server.pid, "SIGHUP");
  await said(/is not taken, so nothing has changed:\\n.*line 1, column 2/);
  rmSync(config);
  process.kill(server.pid, "SIGHUP");
  await said(/is not taken, so nothing has changed:\\n[^\n]*: there is no such file/);

  assert.deepEqual([after, await names()], [["other"], ["other"]]);
});

test("SIGHUP does not end a server that has no file to read again", async (t) => {
  const server = await startProgram(t, { args: ["serve"] });

  process.kill(server.pid, "SIGHUP");
  await waitUntil(() => server.stderr().includes("SIGHUP: there is no file to read again"));

  assert.equal(await server.stop("SIGTERM"), 0);
});

test("run needs no server, shows a run in lines, and ends with its end", async (t) => {
  const { config, data } = configured(t);
  const run = (...args: string[]) =>
    startProgram.toEnd(t, { args: ["run", ...args, "--config", config, "--data", data] });

  const words = await run("docs");
  const frames = await run("docs", "--json");
  const unknown = await run("nothing");

  assert.deepEqual([words.code, frames.code, unknown.code], [0, 0, 2]);
  assert.match(
    words.stdout,
    /^completed \(3 inserted, 0 updated, 0 deleted, 0 kept, 0 skipped, 14 B\)$/m,
  );
  const last = JSON.parse(frames.stdout.trim().split("\n").at(-1) ?? "");
  assert.deepEqual([last.type, last.status, last.is_complete], ["progress", "completed", true]);
  assert.match(unknown.stderr, /Cannot run sync "nothing"/);
});

test("run says what there is to run, and leaves nothing behind", async (t) => {
  const { path, config, data } = configured(t);
  const run = (...args: string[]) => startProgram.toEnd(t, { args: ["run", "y", ...args] });

  const bare = await run("--data", data);
  const named = await run("--data", data, "--config", config);
  const other = await run("--data", data, "--config", config, "--tenant", "acme");
  writeFileSync(config, JSON.stringify({ syncs: [] }));
  const none = await run("--data", data, "--config", config);

  assert.deepEqual([bare, named, other, none].map(({ code }) => code), [2, 2, 2, 2]);
  assert.deepEqual([bare, named, other, none].map(({ stderr }) => stderr), [
    'synctail: Cannot run sync "y": there is no ./synctail.json here (--config names one)\n',
    'synctail: Cannot run sync "y": there is no sync "y"; there are: docs, slow\n',
    'synctail: Cannot run sync "y": there is no sync "y"; there are none of the tenant "acme"\n',
    'synctail: Cannot run sync "y": there is no sync "y"; there are none of the tenant "default"\n',
  ]);
  assert.ok(!existsSync(data));
  assert.ok(existsSync(path));
});

test("run says so too beside what a killed server has left", async (t) => {
  const { config, data } = configured(t);
  const server = await startProgram(t, { args: ["serve"], data });
  await server.stop("SIGKILL");

  const { code, stderr } = await startProgram.toEnd(t, {
    args: ["run", "y", "--data", data, "--config", config],
  });

  assert.equal(code, 2);
  assert.match(stderr, /there is no sync "y"; there are: docs, slow/);
});

test("run uses the server of the data directory, and a failed job ends it with 1", async (t) => {
  const { config, data, write, sync } = configured(t);
  write({ ...sync("gone", {}), source: { type: "directory", path: "nowhere" } }, sync("docs", {}));
  const server = await startProgram(t, { args: ["serve", "--config", config], data });

  const good = await startProgram.toEnd(t, { args: ["run", "docs", "--data", data] });
  const bad = await startProgram.toEnd(t, { args: ["run", "gone", "--data", data] });

  assert.deepEqual([good.code, bad.code], [0, 1]);
  assert.ok(good.stderr.includes(server.url));
  assert.match(bad.stdout, /there is no such directory \(source_unreadable\)/);
});

test("run ends at Ctrl-C where its server is gone, and says why it cannot cancel", async (t) => {
  const { config, data } = configured(t);
  const server = await startProgram(t, { args: ["serve", "--config", config], data });
  const run = startProgram.raw(t, { args: ["run", "slow", "--data", data] });
  await run.until((stdout) => stdout !== "");
  await server.stop("SIGKILL");
  await run.until((stdout) => stdout.includes("trying again"));

  const code = await run.stop("SIGINT");

  assert.equal(code, 130);
  const words = `cannot reach ${server.url}: connection refused`;
  assert.match(run.stdout().split("\n").at(-2) ?? "", /^Cannot cancel job "\S+": cannot reach/);
  assert.ok(run.stdout().endsWith(`${words}\n`), run.stdout());
});

test("run hears Ctrl-C while its server answers nothing, as one that is halted", async (t) => {
  const { data } = configured(t);
  const to = await receiver(t);
  const directory = new DataDirectory(data);
  t.after(() => directory.release());
  directory.announce({ url: to.url, pid: process.pid });
  const job = { id: "770e8400-e29b-41d4-a716-446655440002" };
  let taken = false;
  to.answer = ({ path }, response) => {
    if (path.endsWith("/run") && taken) response.end(JSON.stringify(job));
  };
  const start = () => startProgram.raw(t, { args: ["run", "docs", "--data", data] });

  const early = start();
  await to.until(1);
  const unanswered = await early.stop("SIGINT");
  taken = true;
  const late = start();
  await to.until(3); // the run, then the stream
  const ended = late.stop("SIGINT");
  await late.until((stdout) => stdout.includes("Cancelling"));
  const twice = await late.stop("SIGINT");

  const words = `${to.url} has not answered yet: it may run the sync later\n`;
  assert.deepEqual([unanswered, early.stdout(), early.stderr()], [130, "", words]);
  const cancelling = "Cancelling the job; a second signal ends this command at once\n";
  assert.deepEqual([twice, await ended, late.stdout()], [130, 130, cancelling]);
});

test("run says where a sync is not known that is in the file by now", async (t) => {
  const { config, data, write, sync } = configured(t);
  const server = await startProgram(t, { args: ["serve", "--config", config], data });
  write(sync("late", {}));

  const { code, stderr } = await startProgram.toEnd(t, {
    args: ["run", "late", "--data", data, "--config", config],
  });

  assert.equal(code, 2);
  assert.equal(
    stderr,
    `synctail: Cannot run sync "late": the server at ${server.url} does not know it; it reads its ` +
      "configuration when it starts and at SIGHUP\n",
  );
});

test("watch follows a job to its end with the exit code of its end", async (t) => {
  const { config, data } = configured(t);
  const secret = await key(t, data);
  const server = await startProgram(t, { args: ["serve", "--config", config], data });
  const job = await json(`${server.url}/v1/sync/slow/run`, secret, "POST");
  const watch = (...args: string[]) => startProgram.toEnd(t, { args: ["watch", ...args] });

  const watching = watch(job.id, "--server", server.url, "--key", secret, "--json");
  while ((await json(`${server.url}/v1/sync/job/${job.id}`, secret)).viewers === 0);
  await json(`${server.url}/v1/sync/job/${job.id}/cancel`, secret, "POST");
  const { code, stdout } = await watching;
  const late = await watch(job.id, "--data", data);
  const unknown = await watch("770e8400-e29b-41d4-a716-446655440002", "--data", data);
  const nonsense = await watch("nonsense", "--data", data);

  assert.deepEqual([code, late.code, unknown.code, nonsense.code], [3, 3, 2, 2]);
  assert.ok(stdout.trim().split("\n").every((line) => JSON.parse(line).type));
  assert.match(unknown.stderr, /There is nothing here under this id.*404/);
});

test("watch --logs begins with the last lines, as many as --tail says, also of a job that is over", async (t) => {
  const { path: data, remove } = tempDirectory();
  t.after(remove);
  const secret = await key(t, data);
  const { url } = await startProgram(t, { args: ["serve"], data });
  const headers = { "Authorization": `Bearer ${secret}`, "Content-Type": "application/json" };
  const post = async (path: string, body: unknown) =>
    await (await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) })).json();
  const { id } = await post("/v1/sync/job", { sync: "users" });
  const lines = Array.from({ length: 12 }, (_, n) => ({
    type: "log",
    level: n === 3 ? "warning" : "info",
    message: `line ${n}`,
  }));
  await post(`/v1/sync/job/${id}/events`, [...lines, { type: "end", status: "completed" }]);
  const watch = (...args: string[]) =>
    startProgram.toEnd(t, { args: ["watch", id, "--data", data, ...args] });
  const linesOf = ({ stdout }: { stdout: string }) => stdout.match(/line \d+/g);

  const info = await watch("--logs", "info");
  const warnings = await watch("--logs", "warning");
  const two = await watch("--logs", "info", "--tail", "2", "--json");
  const alone = await watch("--tail", "2");
  const wrong = await watch("--logs", "info", "--tail", "many");
  const most = await watch("--logs", "info", "--tail", "1001");
  const odd = await watch("--logs", "info", "--tail", "1e1");

  assert.deepEqual(linesOf(info), lines.slice(-10).map(({ message }) => message));
  assert.deepEqual(linesOf(warnings), ["line 3"]);
  assert.deepEqual(linesOf(two), ["line 10", "line 11"]);
  assert.deepEqual([info, alone, wrong, most, odd].map(({ code }) => code), [0, 2, 2, 2, 2]);
  assert.match(alone.stderr, /--tail: expected --logs beside it/);
  assert.match(wrong.stderr, /--tail: got "many": expected a whole number from 0 to 1000/);
  assert.match(most.stderr, /--tail: got "1001"/);
});

test("a data directory that was there before keeps its mode", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  chmodSync(path, 0o755);

  const { code } = await startProgram.toEnd(t, { args: ["keys", "create", "--data", path] });

  assert.equal(code, 0);
  assert.equal(statSync(path).mode & 0o777, 0o755);
  assert.equal(statSync(join(path, "keys.db")).mode & 0o777, 0o600);
});

test("watch says once that a job has fallen silent", async (t) => {
  const server = await startProgram(t, {
    args: ["serve", "--heartbeat-ms", "50", "--stall-after-ms", "100"],
  });
  const secret = await key(t, server.data);
  const job = await json(`${server.url}/v1/sync/job`, secret, "POST");

  const watching = startProgram.raw(t, { args: ["watch", job.id, "--data", server.data] });
  await watching.until((stdout) => stdout.includes("may be stuck"));
  await json(`${server.url}/v1/sync/job/${job.id}/cancel`, secret, "POST");
  await watching.until((stdout) => (stdout.match(/may be stuck/g) ?? []).length === 2);

  assert.match(watching.stdout(), /may be stuck[^]*cancelling[^]*may be stuck/);
});

test("keys create, list and revoke work beside a server", async (t) => {
  const server = await startProgram(t, { args: ["serve"] });
  const keys = async (...args: string[]) =>
    await startProgram.toEnd(t, { args: ["keys", ...args, "--data", server.data] });

  const created = JSON.parse(
    (await keys("create", "--json", "--tenant", "acme", "--scopes", "read")).stdout,
  );
  const list = (await keys("list", "--json")).stdout.trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  const before = await fetch(`${server.url}/v1/sync/jobs`, {
    headers: { "X-API-Key": created.key },
  });
  await before.body?.cancel();
  const revoked = await keys("revoke", created.id);
  const unknown = await keys("revoke", "nothing");
  const whole = JSON.parse((await keys("create", "--json")).stdout);
  const byKey = await keys("revoke", whole.key);
  const strange = await keys("revoke", `st_0123456789_${"s".repeat(43)}`);
  const wrong = await keys("create", "--scopes", "read,fly");

  assert.deepEqual([created.tenant, created.scopes, before.status], ["acme", ["read"], 200]);
  assert.ok(list.some(({ id }) => id === created.id));
  assert.ok(!JSON.stringify(list).includes(created.key));
  assert.deepEqual([revoked.code, unknown.code, wrong.code], [0, 2, 2]);
  assert.match(wrong.stderr, /fly/);
  assert.equal(byKey.code, 0);
  assert.match(byKey.stdout, new RegExp(`^${whole.id}  .* revoked `));
  const words = 'Cannot revoke key "0123456789": there is none of that id';
  assert.deepEqual([strange.code, strange.stderr], [2, `synctail: ${words}\n`]);
});

test("demo indexes a folder, says how to watch it, takes the next port, and shows what changed at the next start", async (t) => {
  const { path, data } = configured(t);
  const tree = join(path, "tree");
  // The tests of the other runtime do the same: one after the other, as each looks at free ports.
  await waitUntil(() => holds(t, 8016), 50);
  await holds(t, 8017); // or somebody else does
  const end = async (name: string) => {
    const program = startDemo(t, ["demo", tree, "--full-speed", "--data", data]);
    const stdout = await program.said(/Ctrl-C stops the server/);
    const [, bearer, url] = /curl -N -H "Authorization: Bearer (\S+)" (\S+)/.exec(stdout) ?? [];
    const frames = framesOf(
      await (await fetch(url, { headers: { Authorization: `Bearer ${bearer}` } })).text(),
    );
    const [, page, link] = /^Open (\S+)#link=(\S+)$/m.exec(stdout) ?? [];
    const signedIn = await fetch(new URL("/v1/session", url), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ link }),
    });
    assert.equal(await program.stop(), 0, name);
    return { stdout, url, page, session: await signedIn.json(), counts: frames.at(-1)?.data };
  };

  const first = await end("first");
  writeFileSync(join(tree, "a.txt"), "changed");
  writeFileSync(join(tree, "d.txt"), "new");
  const second = await end("second");

  assert.match(first.stdout, /Port 8017 is taken; using 80\d\d\./);
  assert.deepEqual([first.counts.inserted, first.counts.status], [3, "completed"]);
  assert.deepEqual([second.counts.inserted, second.counts.updated, second.counts.kept], [1, 1, 2]);
  assert.equal(new URL(first.url).port, new URL(second.url).port);
  assert.equal(first.page, first.url.replace("/v1/sync", "").replace("/subscribe", ""));
  assert.deepEqual([first.session.tenant, first.session.scopes], ["default", ["read", "run"]]);
});

test("demo comes back to its last port, also where the variable of the port is empty", async (t) => {
  const { path, data } = configured(t);
  const port = await freePort();
  mkdirSync(data);
  writeFileSync(join(data, "demo-port"), `${port}\n`);

  const args = ["demo", join(path, "tree"), "--full-speed", "--data", data];
  const program = startDemo(t, args, { SYNCTAIL_PORT: "" });
  const stdout = await program.said(/^Open \S+$/m);

  assert.equal(new URL(/^Open (\S+)$/m.exec(stdout)?.[1] ?? "").port, `${port}`);
  assert.equal(await program.stop(), 0);
});

test("demo refuses what is no directory, and starts nothing", async (t) => {
  const { path, data, config } = configured(t);
  const refused = async (folder: string) =>
    (await startProgram.toEnd(t, { args: ["demo", folder, "--data", data] })).stderr;

  const words = await Promise.all(["", config, join(path, "none")].map(refused));

  assert.deepEqual(words, [
    'synctail: Cannot index "": expected a directory\n',
    `synctail: Cannot read the directory "${config}": it is not a directory\n`,
    `synctail: Cannot read the directory "${join(path, "none")}": there is no such directory\n`,
  ]);
});

test("demo stopped in the middle ends with 0 and its job as cancelled; it paces a short run and says so", async (t) => {
  const { path, data } = configured(t);
  // At one a second it is still under way when it is stopped, on a busy machine too.
  for (let n = 0; n < 7; n++) writeFileSync(join(path, "tree", `${n}.txt`), `${n}`);
  const program = startDemo(t, ["demo", join(path, "tree"), "--data", data, "--port", "0"]);
  const stdout = await program.said(/curl -N .*subscribe/);
  const [, bearer, url] = /curl -N -H "Authorization: Bearer (\S+)" (\S+)/.exec(stdout) ?? [];
  const frames = await until(t, url, bearer, ({ data }) => data.paced === true);

  const code = await program.stop();
  const server = await startProgram(t, { args: ["serve"], data });
  const job = await json(
    url.replace(/^http:\/\/[^/]+/, server.url).replace("/subscribe", ""),
    bearer,
  );

  assert.match(stdout, /Held back to 1 files a second.*--full-speed/);
  assert.equal(frames.at(-1)?.data.paced, true);
  assert.equal(code, 0);
  assert.deepEqual([job.status, job.error.code], ["cancelled", "server_stopped"]);
});

function startDemo(t: Cleanup, args: string[], env = {}) {
  const child = startProgram.raw(t, { args, env });
  return {
    async said(words: RegExp) {
      await child.until((stdout) => words.test(stdout));
      return child.stdout();
    },
    stop: () => child.stop("SIGINT"),
  };
}
