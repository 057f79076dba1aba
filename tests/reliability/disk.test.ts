import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { RESERVE_BYTES, reserveOf } from "../../src/log/reserve.ts";
import { SqliteLog } from "../../src/log/sqlite_log.ts";
import type { Job } from "../../src/sync/job.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { faultDisk } from "../support/fault_disk.ts";
import { line, newJob, progress } from "../support/log_contract.ts";
import { loggedEntries } from "../support/log_file.ts";
import { mortalServer } from "../support/mortal_server.ts";
import { startProgram } from "../support/program.ts";
import { Random } from "../support/seed.ts";
import { type Seen, streamBench } from "../support/stream_bench.ts";
import { tempDirectory } from "../support/temp.ts";
import { until } from "../support/until.ts";
import { ViewerModel } from "../support/viewer_model.ts";

const DISKS = [
  { fault: "eio", status: 503, problem: "storage-fault", words: /disk I\/O error/ },
  { fault: "enospc", status: 507, problem: "storage-full", words: /full/ },
] as const;

for (const { fault, status, problem, words } of DISKS) {
  test(`a disk that answers ${fault} costs nothing that was acknowledged, and streams stay`, async (t) => {
    const disk = faultDisk(t);
    const server = await mortalServer(t, new Random(1), [], disk);
    const { key } = server;
    const { id } = await server.ask("/v1/sync/job", "POST");
    const own = await server.ask("/v1/sync/slow/run", "POST");
    const over = new AbortController();
    t.after(() => over.abort());
    const viewers = [id, own.id].map((job) =>
      new ViewerModel({ url: `${server.url}/v1/sync/job/${job}/subscribe`, key, cursor: "0" })
    );
    const watching = viewers.map((viewer) => viewer.watch(over.signal));
    const post = (number: number, event: object) =>
      fetch(`${server.url}/v1/sync/job/${id}/events`, {
        method: "POST",
        headers: {
          "Authorization": `Bearer ${key}`,
          "Content-Type": "application/json",
          "Producer-Id": "p",
          "Producer-Seq": `${number}`,
        },
        body: JSON.stringify(event),
      });
    const last = (place: number) => viewers[place].stretches.at(-1)?.held.at(-1)?.data;

    assert.equal((await post(0, { type: "progress", inserted: 1 })).status, 200);
    await until(() => last(1)?.inserted >= 1);
    disk.set(fault);
    const refused = await post(1, { type: "progress", inserted: 2 });
    const told = await refused.json();
    const stands = await server.ask(`/v1/sync/job/${id}`);
    // The own job cannot write either, and waits with its end.
    const ofJob = () =>
      server.process().stderr().split("\n").filter((line) => /\.server"/.test(line));
    await until(() => ofJob().length > 0);
    disk.set();
    for (let again = 0; again !== 200;) {
      again = (await post(1, { type: "progress", inserted: 2 })).status;
      if (again !== 200) assert.equal(again, status);
    }
    await post(2, { type: "end", status: "completed" });
    await Promise.all(watching);
    await server.process().stop("SIGKILL");

    assert.equal(refused.status, status);
    assert.equal(told.type, `/problems/${problem}`);
    assert.doesNotMatch(JSON.stringify(told), /SQLITE|I\/O|\.ts/);
    assert.match(ofJob()[0], words);
    assert.equal(stands.entities_inserted, 1);
    assert.deepEqual(viewers.map(({ connections }) => connections), [2, 2]); // one each, and the 204
    for (const [place, job] of [id, own.id].entries()) {
      viewers[place].assertHolds(loggedEntries(server.data, job), true);
    }
    assert.equal(last(0)?.inserted, 2);
    assert.equal(last(1)?.is_failed, true);
  });
}

test("a log that cannot be read breaks a stream off with words for people, or asks for it to come back, and is read again later", async (t) => {
  const disk = faultDisk(t);
  const server = await mortalServer(t, new Random(1), [], disk);
  const { id } = await server.ask("/v1/sync/job", "POST");
  const url = `${server.url}/v1/sync/job/${id}`;
  const headers = {
    "Authorization": `Bearer ${server.key}`,
    "Content-Type": "application/json",
  };
  const lines = Array.from({ length: 200 }, (_, n) => ({
    type: "log",
    message: `${n}${"x".repeat(4_000)}`,
  }));
  const body = JSON.stringify(lines);
  const posted = await fetch(`${url}/events`, { method: "POST", headers, body });
  assert.equal(posted.status, 200, await posted.text());
  await server.process().stop("SIGTERM"); // so that nothing is in its memory
  await server.start();

  await server.ask(`/v1/sync/job/${id}`);
  disk.set("reads");
  const broken = async (query: string) => {
    const { status, body } = await fetch(`${url}/subscribe?logs=debug&${query}`, { headers });
    let text = `${status} `;
    try {
      for await (const chunk of body ?? []) text += new TextDecoder().decode(chunk);
    } catch {
      // That is how it is broken off.
    }
    return text;
  };
  const text = await broken("last_event_id=0");
  // What comes first has to be read.
  const unopened = await Promise.all(["last_event_id=other", "tail=5"].map(broken));
  const read = await fetch(`${url}/logs?limit=1000`, { headers });
  const problem = await read.json();
  disk.set();
  const viewer = new ViewerModel({
    url: `${url}/subscribe`,
    key: server.key,
    cursor: "0",
    logs: "debug",
  });
  const watching = viewer.watch(new AbortController().signal);
  const end = JSON.stringify({ type: "end", status: "completed" });
  await fetch(`${url}/events`, { method: "POST", headers, body: end });
  await watching;

  assert.match(text, /"code": "stream_fault"/);
  assert.doesNotMatch(text, /SQLITE|I\/O/);
  for (const each of unopened) {
    assert.match(each, /^200 retry: \d+\ndata: {"type": "heartbeat"}\n\n$/);
  }
  assert.equal(read.status, 503);
  assert.equal(read.headers.get("Retry-After"), "5");
  assert.equal(problem.type, "/problems/storage-fault");
  assert.match(problem.detail, /cannot be read/);
  assert.doesNotMatch(problem.detail, /SQLITE|I\/O|malformed/);
  viewer.assertHolds(loggedEntries(server.data, id), true);
});

test("a damaged page breaks the streams off that need it, told in words, and no others", async (t) => {
  const { path, remove } = tempDirectory();
  const file = join(path, "log.db");
  const clock = new FakeClock();
  const open = () => new SqliteLog({ path: file, durability: "normal", clock });
  const first = open();
  const jobs: Job[] = [];
  for (let n = 0; n < 3; n++) {
    const { job } = await first.create(newJob());
    jobs.push(job);
    const lines = Array.from({ length: 400 }, () => line("x".repeat(500)));
    await first.append(job, () => ({ facts: [...lines, progress("completed", 1)] }));
  }
  await first.close();
  const bytes = readFileSync(file);
  const page = Math.floor(bytes.length / 4096 / 2); // of the entries of the second job
  bytes.fill(0xff, page * 4096, (page + 1) * 4096);
  writeFileSync(file, bytes);

  const store = open();
  t.after(async () => {
    await store.close();
    remove();
  });
  const bench = streamBench({ store, heartbeatMs: 1e12 });
  const ends: [number, string][] = [];
  for (const job of jobs) {
    const reader = await bench.open(job, "0", "debug");
    const frames: Seen[] = [];
    for (let last = ""; !["stream_fault", "completed"].includes(last);) {
      const chunk = await reader.next();
      assert.ok(chunk.length > 0, "it ended as if it were whole");
      frames.push(...chunk);
      last = frames.at(-1)?.data.code ?? frames.at(-1)?.data.status ?? "";
      if (last !== "") ends.push([frames.filter(({ id }) => id).length, last]);
    }
    await reader.cancel();
  }

  assert.deepEqual(ends.map(([, end]) => end), ["completed", "stream_fault", "completed"]);
  assert.deepEqual([ends[0][0], ends[2][0]], [401, 401]);
  assert.match(`${bench.faults}`, /malformed/);
});

test("a data directory that is read-only is told in words, and nothing else", async (t) => {
  const disk = faultDisk(t);
  disk.set("readonly");

  const { code, stderr } = await startProgram.toEnd(t, {
    args: ["serve", "--port", "0", "--data", disk.data],
    env: disk.env,
  });

  assert.equal(code, 1);
  assert.match(stderr, /Cannot .*data/);
  assert.doesNotMatch(stderr, /\bat .*\.ts:\d+/);
});

test("a server starts on a full disk with the room of its reserve", async (t) => {
  const disk = faultDisk(t);
  reserveOf(join(disk.data, "log.db")).hold();
  disk.set("full");

  const server = await startProgram(t, { args: ["serve"], data: disk.data, env: disk.env });

  assert.match(await server.firstKey(), /^st_/);
});

test("a server that finds its disk full, and has no reserve, says so", async (t) => {
  const disk = faultDisk(t);
  disk.set("enospc");

  const { code, stderr } = await startProgram.toEnd(t, {
    args: ["serve", "--port", "0", "--data", disk.data],
    env: disk.env,
  });

  assert.deepEqual(
    [code, stderr.match(/there is no room left on its disk/)?.length],
    [1, 1],
    stderr,
  );
});

test(
  "a start that fails for another reason on a disk with little room is tried twice, and keeps the reserve",
  { timeout: 60_000 },
  async (t) => {
    const disk = faultDisk(t);
    const { data, env } = disk;
    const first = await startProgram(t, { args: ["serve"], data: `${data}2` });
    disk.set("scant");

    const { port } = new URL(first.url);
    const args = ["serve", "--port", port, "--data", data];
    const { code, stderr } = await startProgram.toEnd(t, { args, env });

    assert.deepEqual([code, stderr.match(/taken/g)?.length], [2, 1], stderr);
    assert.equal(statSync(join(data, "log.db.reserve")).size, RESERVE_BYTES);
  },
);

test("a server whose data directory has become read-only stops as any other", async (t) => {
  const disk = faultDisk(t);
  const { data, env } = disk;
  const server = await startProgram(t, { args: ["serve"], data, env });
  await server.firstKey();

  disk.set("readonly");
  const code = await server.stop("SIGTERM");

  assert.equal(code, 0, server.stderr());
  assert.doesNotMatch(server.stderr(), /EROFS|read-only file system/);
});
