import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { type Cleanup, OWN, type RunningProgram, startProgram } from "../support/program.ts";
import { receiver } from "../support/receiver.ts";
import { schemaOneLog } from "../support/schema_one.ts";
import { framesOf } from "../support/stream_bench.ts";
import { tempDirectory } from "../support/temp.ts";

const ONE = "770e8400-e29b-41d4-a716-446655440002";
const OTHER = "770e8400-e29b-41d4-a716-446655440003";

/** A server with the job of a worker, which has made three entries. */
async function served(t: Cleanup) {
  const server = await startProgram(t, { args: ["serve"] });
  const key = await server.firstKey();
  const post = async (path: string, body: object) => {
    const response = await fetch(server.url + path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    });
    return await response.json();
  };
  const { id } = await post("/v1/sync/job", { sync: "nightly" });
  await post(`/v1/sync/job/${id}/events`, [
    { type: "progress", inserted: 1 },
    { type: "log", message: "x" },
    { type: "end", status: "completed" },
  ]);
  return { server, key, id, post };
}

/** A key, as `keys create` prints it. */
async function keyOf(t: Cleanup, data: string, tenant: string, scopes: string): Promise<string> {
  const args = ["keys", "create", "--tenant", tenant, "--scopes", scopes, "--data", data];
  return (await startProgram.toEnd(t, { args })).stdout.trim();
}

const subscribe = async (server: RunningProgram, key: string, id: string, cursor?: string) => {
  const response = await fetch(`${server.url}/v1/sync/job/${id}/subscribe`, {
    headers: { Authorization: `Bearer ${key}`, ...(cursor && { "Last-Event-ID": cursor }) },
  });
  return framesOf(await response.text());
};

const lines = (text: string) => text.trim().split("\n").map((line) => JSON.parse(line));

test("a backup taken while serving is restored, and cursors from before are told of a gap", async (t) => {
  const { server, key, id, post } = await served(t);
  const file = join(server.data, "..", "backup.db");
  const data = ["--data", server.data];

  const taken = await startProgram.toEnd(t, { args: ["backup", file, "--json", ...data] });
  const again = await startProgram.toEnd(t, { args: ["backup", file, ...data] });
  await post("/v1/sync/job", { sync: "after-the-backup" });
  const [, { id: cursor }] = await subscribe(server, key, id);
  const busy = await startProgram.toEnd(t, { args: ["restore", file, ...data] });
  await server.stop("SIGTERM");
  const restored = await startProgram.toEnd(t, { args: ["restore", file, "--json", ...data] });
  const next = await startProgram(t, { args: ["serve"], data: server.data });
  const [connected, end] = await subscribe(next, key, id, cursor);

  assert.deepEqual([taken.code, JSON.parse(taken.stdout), statSync(file).mode & 0o777], [
    0,
    { file },
    0o600,
  ]);
  assert.deepEqual([again.code, busy.code], [2, 2]);
  assert.match(again.stderr, /there is a file already/);
  const nowhere = await startProgram.toEnd(t, { args: ["backup", "/nowhere/x", ...data] });
  const directory = await startProgram.toEnd(t, { args: ["backup", server.data, ...data] });
  assert.deepEqual(nowhere.code, 2);
  assert.match(
    nowhere.stderr,
    /Cannot back up to "\/nowhere\/x": there is no directory "\/nowhere"/,
  );
  assert.match(directory.stderr, /Cannot back up to ".*": it is a directory, not a new file/);
  assert.match(busy.stderr, /another synctail has it/);
  assert.deepEqual([restored.code, JSON.parse(restored.stdout)], [0, { jobs: 1 }]);
  assert.deepEqual([connected.data.resume, end.data.status], ["gap", "completed"]);
  assert.ok(existsSync(join(server.data, "log.db.replaced")));
});

test("a backup is done although the server writes all the time", async (t) => {
  const { server, id: _, post } = await served(t);
  const { id } = await post("/v1/sync/job", {});
  const path = `/v1/sync/job/${id}/events`;
  const long = Array.from({ length: 15 }, () => ({ type: "log", message: "x".repeat(60_000) }));
  for (let n = 0; n < 80; n++) await post(path, long);
  const file = join(server.data, "..", "backup.db");

  let done = false;
  const backedUp = startProgram.toEnd(t, { args: ["backup", file, "--data", server.data] })
    .finally(() => done = true);
  let posts = 0;
  while (!done && posts < 20_000) {
    await post(path, { type: "progress", inserted: ++posts });
  }

  assert.ok(done, "it begins anew with each commit");
  assert.equal((await backedUp).code, 0);
});

test("restore says what became of the log that was there, where there was one", async (t) => {
  const { server } = await served(t);
  const directory = join(server.data, "..");
  const file = join(directory, "backup.db");
  await startProgram.toEnd(t, { args: ["backup", file, "--data", server.data] });
  await server.stop("SIGTERM");
  const restored = (data: string) =>
    startProgram.toEnd(t, { args: ["restore", file, "--data", data] });

  const over = await restored(server.data);
  const fresh = await restored(join(directory, "fresh"));

  const replaced = join(server.data, "log.db.replaced");
  assert.equal(over.stdout, `Restored 1 job; the log that was there is ${replaced}\n`);
  assert.equal(fresh.stdout, "Restored 1 job\n");
});

test("restore refuses what is no backup and leaves the log as it was", async (t) => {
  const { server } = await served(t);
  await server.stop("SIGTERM");
  const log = join(server.data, "log.db");
  const before = readFileSync(log);
  const file = join(server.data, "nonsense");
  writeFileSync(file, "nonsense".repeat(1_000));

  for (const path of [file, join(server.data, "keys.db"), join(server.data, "none")]) {
    const { code, stderr } = await startProgram.toEnd(t, {
      args: ["restore", path, "--data", server.data],
    });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^synctail: Cannot (open the backup|restore) /);
    assert.ok(stderr.includes(`"${path}"`), stderr);
    assert.doesNotMatch(stderr, /restoring/);
  }
  assert.deepEqual(readFileSync(log), before);
});

test("export prints jobs with their logs, beside a server and without one", async (t) => {
  const { server, id } = await served(t);
  const args = ["export", "--data", server.data];

  const beside = await startProgram.toEnd(t, { args });
  await server.stop("SIGTERM");
  const one = await startProgram.toEnd(t, { args: [...args, id] });
  const none = await startProgram.toEnd(t, { args: [...args, "--status", "failed"] });
  const both = await startProgram.toEnd(t, { args: [...args, id, "--status", "failed"] });
  const sync = await startProgram.toEnd(t, { args: [...args, id, "--sync", "nightly"] });

  for (const { code, stdout } of [beside, one]) {
    assert.equal(code, 0);
    const [job, ...entries] = lines(stdout);
    assert.deepEqual([job.type, job.id, job.status], ["job", id, "completed"]);
    assert.deepEqual(entries.map(({ type, seq }) => [type, seq]), [
      ["progress", 1],
      ["log", 2],
      ["progress", 3],
    ]);
  }
  assert.deepEqual([none.code, none.stdout, none.stderr], [0, "", "No job matches.\n"]);
  assert.deepEqual([both.code, both.stdout, sync.code, sync.stdout], [2, "", 2, ""]);
  assert.match(both.stderr, /expected no --sync and --status beside it/);
});

test("no command without a server removes what only the server's own settings keep", async (t) => {
  const { server, id } = await served(t);
  await server.stop("SIGTERM");
  const db = new DatabaseSync(join(server.data, "log.db"));
  const longAgo = Date.now() - 40 * 24 * 3_600_000; // above the 30 days of no settings at all
  db.prepare("UPDATE jobs SET ended_at_ms = ?").run(longAgo);
  db.close();
  const data = ["--data", server.data];

  const dry = await startProgram.toEnd(t, {
    args: ["prune", "--older-than", "365d", "--dry-run", ...data],
  });
  const exported = await startProgram.toEnd(t, { args: ["export", ...data] });

  assert.deepEqual([dry.code, exported.code], [0, 0]);
  assert.equal(lines(exported.stdout)[0].id, id);
});

test("prune removes jobs that are over for long enough, and only says so when asked to", async (t) => {
  const { server, key, id, post } = await served(t);
  const running = await post("/v1/sync/job", { sync: "nightly" });
  const prune = (...more: string[]) =>
    startProgram.toEnd(t, { args: ["prune", "--json", "--data", server.data, ...more] });
  const left = async () => {
    const headers = { Authorization: `Bearer ${key}` };
    const { items } = await (await fetch(`${server.url}/v1/sync/jobs`, { headers })).json();
    return items.map((job: { id: string }) => job.id);
  };

  const young = await prune("--older-than", "1h");
  const dry = await prune("--older-than", "0d", "--dry-run");
  const before = await left();
  const all = await prune("--older-than", "0");
  const wrong = await prune("--older-than", "soon");
  const bare = await prune("--older-than", "7");

  assert.deepEqual([young.code, young.stdout], [0, ""]);
  assert.deepEqual(lines(dry.stdout).map((job) => job.id), [id]);
  assert.deepEqual(before, [running.id, id]);
  assert.deepEqual(lines(all.stdout).map((job) => job.id), [id]);
  assert.deepEqual(await left(), [running.id]);
  assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
  assert.equal(bare.code, 2);
  assert.match(
    bare.stderr,
    /--older-than: got "7": expected a duration with its unit, such as 30d/,
  );
});

test("prune removes several jobs at a time, and tells of each that is gone, in their order", async (t) => {
  const to = await receiver(t);
  const job = (n: number) => ({ id: `${n}`, status: "failed", ended_at: "2026-01-01T00:00:00Z" });
  const items = Array.from({ length: 10 }, (_, n) => job(n));
  const held: (() => void)[] = [];
  let faulty = true;
  to.answer = ({ method, path }, response) => {
    if (method === "GET") return void response.end(JSON.stringify({ items, next_cursor: null }));
    response.statusCode = faulty && path.endsWith("/3") ? 500 : 204;
    if (faulty) held.push(() => response.end());
    else response.end();
  };
  const args = ["prune", "--json", "--older-than", "0", "--server", to.url, "--key", "st_x"];

  const prune = startProgram.raw(t, { command: OWN, args });
  await to.until(1 + 8);
  const [first, ...others] = held.splice(0);
  for (const answer of others.reverse()) answer();
  first();
  const code = await prune.ended;
  const asked = to.taken.length;
  faulty = false;
  const all = await startProgram.toEnd(t, { command: OWN, args });

  assert.deepEqual([code, asked, held], [2, 9, []]);
  assert.deepEqual(lines(prune.stdout()).map(({ id }) => id), ["0", "1", "2", ..."4567"]);
  assert.deepEqual([all.code, all.stderr], [0, "10 jobs removed\n"]);
  assert.deepEqual(lines(all.stdout).map(({ id }) => id), [..."0123456789"]);
});

test("prune and export go on where another has removed a job since it was listed", async (t) => {
  const to = await receiver(t);
  const job = (id: string) => ({ id, status: "failed", ended_at: "2026-01-01T00:00:00Z" });
  const problem = JSON.stringify({ type: "/problems/not-found", detail: "gone" });
  let gone = problem;
  to.answer = ({ path }, response) => {
    const there = path.includes("/jobs?")
      ? JSON.stringify({ items: ["gone", "kept"].map(job), next_cursor: null })
      : '{"seq": 1}\n';
    if (path.includes("/job/gone")) response.writeHead(404).end(gone);
    else response.end(there);
  };
  const of = (...args: string[]) =>
    startProgram.toEnd(t, { args: [...args, "--json", "--server", to.url, "--key", "k"] });

  const exported = await of("export");
  const pruned = await of("prune", "--older-than", "0");
  gone = "<p>default backend</p>";
  const cut = await of("export");

  assert.deepEqual([exported.code, exported.stderr], [0, ""]);
  assert.deepEqual(lines(exported.stdout), [{ type: "job", ...job("kept") }, { seq: 1 }]);
  assert.deepEqual([pruned.code, pruned.stderr], [0, "1 job removed\n"]);
  assert.deepEqual(lines(pruned.stdout), [job("kept")]);
  assert.deepEqual([cut.code, cut.stdout], [2, ""]);
  assert.equal(cut.stderr, "synctail: Cannot export jobs: the server answered 404\n");
});

test("export goes on where a job is removed while its log comes, and prints whole lines alone", async (t) => {
  const to = await receiver(t);
  const job = (id: string) => ({ id, status: "failed", ended_at: "2026-01-01T00:00:00Z" });
  let there: boolean;
  let cut: () => void;
  to.answer = ({ path }, response) => {
    if (path.includes("/jobs?")) {
      response.end(JSON.stringify({ items: [ONE, OTHER].map(job), next_cursor: null }));
    } else if (path.endsWith(`${ONE}/events`)) {
      cut = () => void response.destroy();
      // Lines come in pieces of any size.
      response.write('{"seq": 1}\n{"se', () => response.write('q": 2}\n{"seq": 3, "mess'));
    } else if (path.endsWith("/events")) response.end('{"seq": 1}\n');
    else if (there) response.end(JSON.stringify(job(ONE)));
    else response.writeHead(404).end('{"type": "/problems/not-found", "detail": "gone"}');
  };
  const broken = [{ type: "job", ...job(ONE) }, { seq: 1 }, { seq: 2 }];
  const exported = async (stays: boolean, ...args: string[]) => {
    there = true;
    const run = startProgram.raw(t, {
      args: ["export", ...args, "--server", to.url, "--key", "k"],
    });
    await run.until((stdout) => stdout.includes('"seq": 2'));
    there = stays;
    cut();
    return [await run.ended, lines(run.stdout()), run.stderr()];
  };

  const all = await exported(false);
  const one = await exported(false, ONE);
  const lost = await exported(true);

  const words = `Job ${ONE} was removed meanwhile: its log breaks off\n`;
  assert.deepEqual(all, [0, [...broken, { type: "job", ...job(OTHER) }, { seq: 1 }], words]);
  assert.deepEqual(one, [1, broken, words]);
  const unreached = `cannot reach ${to.url}: the connection was closed`;
  assert.deepEqual(lost, [2, broken, `synctail: Cannot export jobs: ${unreached}\n`]);
});

test("prune and export wait where their key may make no more requests for now", async (t) => {
  const to = await receiver(t);
  const job = { id: "j", status: "failed", ended_at: "2026-01-01T00:00:00Z" };
  const busy = JSON.stringify({ type: "/problems/too-many-requests", detail: "wait" });
  to.answer = ({ path }, response) => {
    const first = to.taken.length % 2 === 1;
    if (first) response.writeHead(429, { "Retry-After": "0" }).end(busy);
    else if (!path.includes("/jobs?")) response.end('{"seq": 1}\n');
    else response.end(JSON.stringify({ items: [job], next_cursor: null }));
  };
  const of = (...args: string[]) =>
    startProgram.toEnd(t, { args: [...args, "--server", to.url, "--key", "k"] });

  const exported = await of("export");
  const pruned = await of("prune", "--older-than", "0");

  assert.deepEqual([exported.code, exported.stderr], [0, ""]);
  assert.deepEqual(lines(exported.stdout), [{ type: "job", ...job }, { seq: 1 }]);
  assert.deepEqual([pruned.code, pruned.stderr], [0, "1 job removed\n"]);
  assert.equal(to.taken.length, 8);
});

test("prune and export say that what answers is no synctail server, whatever JSON it sends", async (t) => {
  const to = await receiver(t);
  const of = ["--server", to.url, "--key", "k"];
  const ended = [];
  for (const text of ["null", "[]", '{"error": "no such path"}', "<html>"]) {
    to.answer = (_, response) => void response.end(text);
    ended.push(await startProgram.toEnd(t, { args: ["export", ...of] }));
    ended.push(await startProgram.toEnd(t, { args: ["prune", "--older-than", "0", ...of] }));
  }

  const stderr = `synctail: Cannot list jobs: what answers at ${to.url} is no synctail server\n`;
  assert.deepEqual(ended, ended.map(() => ({ code: 2, stdout: "", stderr })));
});

test("prune and export of a sync that nobody knows end with 2, and with 0 of one without jobs", async (t) => {
  const { server, post } = await served(t);
  await post("/v1/sync/job", { sync: "weekly" }); // on its way
  const prune = (...sync: string[]) =>
    startProgram.toEnd(t, {
      args: ["prune", "--older-than", "0", "--data", server.data, "--sync", ...sync],
    });

  const [slip, known] = [await prune("wekly"), await prune("weekly")];
  await server.stop("SIGTERM");
  const exported = await startProgram.toEnd(t, {
    args: ["export", "--data", server.data, "--sync", "other"],
  });

  assert.deepEqual([slip.code, known.code, exported.code], [2, 0, 2]);
  assert.match(
    slip.stderr,
    /Cannot prune jobs of sync "wekly": no sync .* is known; did you mean "weekly"\?/,
  );
  assert.equal(known.stderr, "0 jobs removed\n");
  assert.match(exported.stderr, /Cannot export jobs of sync "other": no sync .* is known\n/);
});

test("prune asks for the one sync that it is to know, which may stand behind many others", async (t) => {
  const to = await receiver(t);
  const listed = (...names: string[]) =>
    JSON.stringify({ items: names.map((name) => ({ name })), next_cursor: null });
  to.answer = ({ path }, response) =>
    void response.end(path === "/v1/sync?sync=weekly" ? listed("weekly") : listed());

  const { code, stderr } = await startProgram.toEnd(t, {
    args: ["prune", "--older-than", "0", "--sync", "weekly", "--server", to.url, "--key", "k"],
  });

  assert.deepEqual([code, stderr], [0, "0 jobs removed\n"]);
});

test("prune knows only the sync that it asked for, also where an older server lists all", async (t) => {
  const to = await receiver(t);
  const id = "0E9D1B5C-7F2A-4C3B-9A66-5D1F0C2B7E84";
  const all = [{ id: id.toLowerCase(), name: "weekly" }];
  to.answer = ({ path }, response) => {
    const items = path.startsWith("/v1/sync/jobs") ? [] : all;
    response.end(JSON.stringify({ items, next_cursor: null }));
  };
  const of = ["--server", to.url, "--key", "k"];

  const ended = [];
  for (const sync of ["wekly", "weekly", id]) {
    const args = ["prune", "--older-than", "0", "--sync", sync, ...of];
    ended.push(await startProgram.toEnd(t, { args }));
  }

  assert.deepEqual(ended.map(({ code }) => code), [2, 0, 0]);
  assert.match(ended[0].stderr, /no sync .* is known; did you mean "weekly"\?/);
});

test("--data beats SYNCTAIL_SERVER: nothing is asked of the server that the variable names", async (t) => {
  const { server, key, id } = await served(t);
  const other = join(server.data, "..", "other");
  const env = { SYNCTAIL_SERVER: server.url, SYNCTAIL_KEY: key };
  const there = async (...args: string[]) =>
    await startProgram.toEnd(t, { args: [...args, "--json", "--data", other], env });

  const pruned = await there("prune", "--older-than", "0");
  const exported = await there("export");
  const health = await there("health");
  const watched = await there("watch", id);
  const listed = await there("keys", "list");
  const revoked = await there("keys", "revoke", "770e8400");
  const flushed = await there("exec", "--flush");
  const [, end] = await subscribe(server, key, id);

  assert.deepEqual([pruned.code, pruned.stdout], [2, ""]);
  assert.equal(pruned.stderr, `synctail: Cannot prune jobs: there is no log in "${other}"\n`);
  assert.deepEqual([exported.code, exported.stdout], [2, ""]);
  assert.equal(exported.stderr, `synctail: Cannot export jobs: there is no log in "${other}"\n`);
  assert.deepEqual([listed.code, listed.stdout], [2, ""]);
  assert.equal(listed.stderr, `synctail: Cannot list keys: there are no keys in "${other}"\n`);
  assert.deepEqual([revoked.code, revoked.stdout], [2, ""]);
  assert.match(revoked.stderr, /Cannot revoke key "770e8400": there are no keys in ".*other"/);
  assert.deepEqual([flushed.code, flushed.stdout], [2, ""]);
  assert.match(flushed.stderr, /Cannot tell of jobs .*: there is no directory ".*other"/);
  assert.ok(!existsSync(other), "it is not made");
  assert.equal(health.code, 1);
  assert.equal(watched.code, 2);
  assert.match(watched.stderr, /no server runs on ".*other"/);
  assert.equal(end.data.status, "completed");
});

test("a data directory of an older schema is copied and brought up to date, with the program's own permissions", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const { id } = schemaOneLog(join(path, "log.db"));

  const server = await startProgram(t, { args: ["serve"], data: path });
  const key = await server.firstKey();
  const frames = await subscribe(server, key, id);

  assert.equal(frames.at(-1)?.data.status, "failed");
  assert.ok(existsSync(join(path, "log.db.v1.bak")));
});

test("a server removes what a restore that was killed has left", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  for (const end of ["", "-wal", "-shm"]) {
    writeFileSync(join(path, `log.db.restoring${end}`), "a part of it");
  }

  await startProgram(t, { args: ["serve"], data: path });

  assert.deepEqual(readdirSync(path).filter((name) => name.includes("restoring")), []);
});

test("a server says that it brings the log up to date before it begins to", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  schemaOneLog(join(path, "log.db"));
  const vandal = new DatabaseSync(join(path, "log.db"));
  vandal.exec("DROP TABLE entries"); // so the first step fails
  vandal.close();

  const { code, stderr } = await startProgram.toEnd(t, {
    args: ["serve", "--port", "0", "--data", path],
  });

  const said = "the log is brought up to date, which may take minutes; " +
    `a copy of it stays in ${path}/log.db.v1.bak`;
  assert.equal(code, 1);
  assert.ok(stderr.indexOf(said) > 0, stderr);
  assert.ok(stderr.indexOf(said) < stderr.indexOf("Cannot open the event log"), stderr);
});

test("exec says that it brings the log up to date before its program starts", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  schemaOneLog(join(path, "log.db"));
  const exec = () =>
    startProgram.toEnd(t, {
      args: ["exec", "--data", path, "n", "--", "sh", "-c", "echo started >&2"],
    });

  const first = await exec();
  const second = await exec();

  const said = "synctail: the log is brought up to date, which may take minutes; " +
    `a copy of it stays in ${path}/log.db.v1.bak\n`;
  assert.equal(first.code, 0);
  assert.ok(first.stderr.startsWith(said), first.stderr);
  assert.ok(first.stderr.includes("\nstarted\n"), first.stderr);
  assert.ok(!second.stderr.includes("up to date"), second.stderr);
});

test("restore says that it brings an older backup up to date before it begins to, and nothing of another", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const older = join(path, "older.db");
  schemaOneLog(older);
  const restored = (file: string, data: string) =>
    startProgram.toEnd(t, { args: ["restore", file, "--data", join(path, data)] });

  const first = await restored(older, "a");
  const again = await restored(join(path, "a", "log.db"), "b");
  const vandal = new DatabaseSync(older);
  vandal.exec("DROP TABLE entries"); // so the first step fails
  vandal.close();
  const failed = await restored(older, "c");

  const said = "The backup is brought up to date, which may take minutes\n";
  assert.deepEqual([first.code, first.stdout, first.stderr], [0, "Restored 1 job\n", said]);
  assert.deepEqual([again.code, again.stderr], [0, ""]);
  assert.equal(failed.code, 2);
  assert.ok(failed.stderr.startsWith(`${said}synctail: Cannot `), failed.stderr);
});

test("prune and export take the jobs of the tenant that is named, or that the key is of", async (t) => {
  const { server, key, id } = await served(t);
  const acme = await keyOf(t, server.data, "acme", "read,write");
  const any = await keyOf(t, server.data, "default", "read,write,tenants");
  const created = await fetch(`${server.url}/v1/sync/job`, {
    method: "POST",
    headers: { Authorization: `Bearer ${acme}` },
  });
  const { id: theirs } = await created.json();
  const exported = async (...args: string[]) => {
    const { stdout } = await startProgram.toEnd(t, { args: ["export", ...args] });
    return lines(stdout).flatMap((line) => line.type === "job" ? [line.id] : []);
  };
  const at = ["--server", server.url];

  const named = await exported(...at, "--key", any, "--tenant", "acme");
  const own = await exported(...at, "--key", any);
  const here = ["--data", server.data];
  const byKey = await exported(...here, "--key", acme);
  const anyBeside = await exported(...here, "--key", any, "--tenant", "acme");
  const beside = await exported(...here, "--tenant", "acme");
  const refused = await startProgram.toEnd(t, {
    args: ["prune", "--older-than", "0", ...at, "--key", key, "--tenant", "acme"],
  });
  await server.stop("SIGTERM");
  const alone = await exported(...here, "--key", acme);
  const keyless = await exported(...here, "--tenant", "acme");

  assert.deepEqual([named, own, byKey, anyBeside], [[theirs], [id], [theirs], [theirs]]);
  assert.deepEqual([beside, alone, keyless], [[theirs], [theirs], [theirs]]);
  assert.deepEqual([refused.code, refused.stdout], [2, ""]);
  assert.match(refused.stderr, /needs a key with the scope "tenants"/);
});
