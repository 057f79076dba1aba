import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { Spool, SpoolBrokenError } from "../../src/client/spool.ts";
import {
  copyToMemory,
  fillSpoolFile,
  NEW_STATE,
  openSpoolFile,
  readSpoolFile,
  type SpooledJob,
  type SpoolState,
  writeSpoolState,
} from "../../src/client/spool_file.ts";
import { SpoolStore } from "../../src/client/spool_store.ts";
import type { Cleanup } from "../support/program.ts";
import { RUN } from "../support/runtime.ts";
import { tempDirectory } from "../support/temp.ts";

const JOB: SpooledJob = {
  id: "770e8400-e29b-41d4-a716-446655440002",
  producer: "exec-1",
  body: '{"id":"770e8400-e29b-41d4-a716-446655440002"}',
  server: "http://127.0.0.1:8017",
  keyPrint: "abc",
};

function place(t: Cleanup): string {
  const { path, remove } = tempDirectory();
  t.after(remove);
  return join(path, "one.job");
}

const log = (message: string) => JSON.stringify({ type: "log", message });
const progress = (n: number) => JSON.stringify({ type: "progress", entities_inserted: n });
const END = '{"type":"end","status":"completed"}';

function reopened(path: string): Spool {
  const spool = Spool.open(path);
  assert.ok(spool instanceof Spool, `${spool}`);
  return spool;
}

/** What a script says that is run with a limit on its files: a write beyond fails as on a full disk. */
function limited(kib: number, name: string, ...args: readonly string[]) {
  const script = new URL(`../support/${name}`, import.meta.url).pathname;
  const { stdout, stderr } = spawnSync("bash", [
    "-c",
    `trap '' XFSZ; ulimit -f ${kib}; exec "$@"`,
    "bash",
    ...RUN,
    script,
    ...args,
  ], { encoding: "utf8" });
  return JSON.parse(stdout || JSON.stringify(stderr));
}

test("Spool gives what was told in order, and the same request until it is delivered", (t) => {
  const path = place(t);
  const spool = Spool.create(path, JOB);
  spool.append("progress", progress(1));
  spool.append("log", log("one"));
  const first = spool.take();
  spool.append("log", log("two"));
  const again = spool.take();
  spool.close();
  const other = reopened(path);

  assert.deepEqual(first, {
    number: 0,
    body: '[{"type":"progress","entities_inserted":1},{"type":"log","message":"one"}]',
    events: 2,
    last: false,
  });
  assert.deepEqual(again, first);
  assert.deepEqual(other.job, JOB);
  assert.deepEqual(other.take(), first);
  other.delivered({ number: 0, body: "", events: 1, last: false });
  assert.deepEqual(other.take(), {
    number: 1,
    body: '[{"type":"log","message":"two"}]',
    events: 1,
    last: false,
  });
  other.close();
});

test("Spool is its owner's alone, and one process's at a time", (t) => {
  const path = place(t);
  const spool = Spool.create(path, JOB);

  assert.equal(Spool.open(path), "busy");
  for (const name of readdirSync(join(path, ".."))) {
    assert.equal(statSync(join(path, "..", name)).mode & 0o777, 0o600, name);
  }
  spool.close();
  reopened(path).close();
});

test("Spool without room drops the oldest progress, then the oldest lines, never the end, and says so", (t) => {
  const spool = Spool.create(place(t), JOB, 10_000);
  for (let n = 1; n <= 40; n++) {
    spool.append("progress", progress(n));
    spool.append("log", log(`${n}`.padEnd(100, ".")));
  }
  const early = JSON.parse(spool.take()?.body ?? "");
  spool.delivered({ number: 0, body: "", events: 1, last: false });
  for (let n = 1; n <= 200; n++) {
    if (n <= 20) spool.append("progress", progress(100 + n));
    spool.append("log", log(`${n}`.padEnd(100, ".")));
  }
  spool.append("end", END);
  const late = JSON.parse(spool.take()?.body ?? "");

  const kinds = (events: { type: string }[], type: string) =>
    events.filter((event) => event.type === type);
  // Everything that was told fits, so nothing is missing.
  assert.equal(kinds(early, "progress").length, 40);
  assert.equal(kinds(early, "log").length, 40);
  const [told, ...lines] = kinds(late, "log") as { type: string; message: string }[];
  const [newest] = kinds(late, "progress").slice(-1) as unknown as { entities_inserted: number }[];
  assert.equal(kinds(late, "progress").length, 1);
  assert.equal(newest.entities_inserted, 120);
  const dropped = 200 - lines.length;
  assert.equal(
    told.message,
    `${dropped} log lines and 19 progress updates left out: the server could not be told of them in time`,
  );
  assert.equal(lines.at(-1)?.message, "200".padEnd(100, "."));
  assert.deepEqual(late.at(-1), { type: "end", status: "completed" });
  assert.ok(spool.bytes <= 10_500, `${spool.bytes}`);
  spool.close();
});

test("Spool drops nothing of a request that is under way", (t) => {
  const spool = Spool.create(place(t), JOB, 2_000);
  for (let n = 1; n <= 10; n++) spool.append("log", log(`${n}`.padEnd(100, ".")));
  const before = spool.take();
  for (let n = 11; n <= 60; n++) spool.append("log", log(`${n}`.padEnd(100, ".")));

  assert.deepEqual(spool.take(), before);
  spool.close();
});

test("Spool gives what was refused one by one, and is gone when it is over", (t) => {
  const path = place(t);
  const spool = Spool.create(path, JOB);
  spool.append("log", log("odd"));
  spool.append("end", END);
  const both = spool.take();
  spool.apart();
  const first = spool.take();
  spool.refused();
  const end = spool.take();

  assert.deepEqual([both?.events, both?.last], [2, true]);
  assert.deepEqual([first?.body, first?.last], [`[${log("odd")}]`, false]);
  assert.deepEqual([end?.body, end?.last], [`[${END}]`, true]);
  spool.remove();
  assert.equal(existsSync(path), false);
  assert.equal(Spool.open(path), "empty");
  assert.deepEqual(readdirSync(dirname(path)), []); // it makes no file
});

test("Spool.open() finds nothing to tell in one whose owner removes it at that moment", (t) => {
  const path = place(t);
  const spool = Spool.create(path, JOB);
  const { prototype } = DatabaseSync;
  const { exec } = prototype;
  t.after(() => prototype.exec = exec);
  prototype.exec = function (sql) { // the file is open, and no lock on it was asked for yet
    prototype.exec = exec;
    spool.remove();
    return exec.call(this, sql);
  };

  assert.equal(Spool.open(path), "empty");
  assert.deepEqual(readdirSync(dirname(path)), []);
});

test("SpoolStore.remove() lets go of its file only when it is gone", (t) => {
  const path = place(t);
  const db = openSpoolFile(path, 0);
  fillSpoolFile(db, JOB);
  const close = db.close.bind(db);
  let there: boolean | undefined;
  db.close = () => {
    there = existsSync(path);
    close();
  };

  new SpoolStore({ path, db, job: JOB, state: NEW_STATE, takenOver: false }).remove();

  assert.equal(there, false);
});

test("Spool.open() refuses what is no spool", (t) => {
  const path = place(t);
  writeFileSync(path, "this is no database, and is long enough to be looked at as one".repeat(20));

  assert.throws(() => Spool.open(path), SpoolBrokenError);
});

test("Spool goes on in memory when the disk takes nothing more, and tells nothing twice", (t) => {
  const path = place(t);

  const said = limited(200, "spool_child.ts", path);

  assert.deepEqual(said, { onDisk: false, lines: 5_000, twice: 0, last: true });
  assert.equal(Spool.open(path), "empty");
});

test("Spool goes on in memory also where its file cannot be removed", (t) => {
  const path = place(t);

  const said = limited(200, "spool_child.ts", path, "stays");

  assert.deepEqual(said, { onDisk: false, lines: 5_000, twice: 0, last: true });
});

test("SpoolDirectory.flush() leaves on a full disk what was left as it is", (t) => {
  const path = place(t);
  const spool = Spool.create(path, { ...JOB, server: null });
  for (let n = 0; n < 100; n++) spool.append("log", log("x".repeat(1_000)));
  const waiting = spool.take();
  spool.close();

  const { left, faults } = limited(1, "flush_child.ts", dirname(path));

  assert.equal(left, 1);
  assert.match(faults.join(), /^Cannot end the spool ".*": .*(full|I\/O error)/);
  const after = reopened(path);
  assert.deepEqual(after.take(), waiting);
  after.remove();
});

test("Spool.take() gives requests that a server takes, however long the lines are", (t) => {
  const spool = Spool.create(place(t), JOB);
  t.after(() => spool.close());
  for (let n = 0; n < 40; n++) spool.append("log", log("x".repeat(60 * 1024)));

  const lengths: number[] = [];
  for (let next = spool.take(); next; next = spool.take()) {
    lengths.push(next.body.length);
    spool.delivered(next);
  }

  assert.ok(lengths.length > 4 && lengths.every((length) => length < 512 * 1024), `${lengths}`);
});

test("Spool.open() finds nothing to tell in one that was told to its end", (t) => {
  const path = place(t);
  const spool = Spool.create(path, JOB);
  spool.append("end", END);
  const request = spool.take();
  assert.ok(request?.last);
  spool.delivered(request);
  spool.close();

  assert.equal(Spool.open(path), "empty");
});

test("Spool gathers again what comes after those that were sent one by one", (t) => {
  const spool = Spool.create(place(t), JOB);
  t.after(() => spool.close());
  const events = () => {
    const request = spool.take();
    if (request) spool.delivered(request);
    return request?.events;
  };
  for (const text of ["one", "two"]) spool.append("log", log(text));
  spool.take();
  spool.apart();
  for (const text of ["three", "four"]) spool.append("log", log(text));

  const sent = [events(), events(), events(), events()];

  assert.deepEqual(sent, [1, 1, 2, undefined]);
});

test("Spool gathers again what comes after it was empty, and nothing of it is urgent", (t) => {
  const spool = Spool.create(place(t), JOB);
  t.after(() => spool.close());
  for (const text of ["one", "two"]) spool.append("log", log(text));
  spool.take();
  spool.apart();
  for (let n = 0; n < 2; n++) {
    const request = spool.take();
    assert.equal(request?.events, 1);
    spool.delivered(request);
  }

  for (const text of ["three", "four"]) spool.append("log", log(text));

  assert.deepEqual([spool.singly, spool.take()?.events], [false, 2]);
});

test("Spool says once of what was dropped, counts on, and is empty when all was told", (t) => {
  const spool = Spool.create(place(t), JOB, 1_000);
  t.after(() => spool.close());
  const told = () => {
    const request = spool.take();
    assert.ok(request);
    spool.delivered(request);
    return JSON.parse(request.body).filter(({ source }: { source?: string }) => source);
  };
  for (let n = 1; n <= 20; n++) spool.append("log", log("x".repeat(100)));

  const first = told();
  spool.append("log", log("one more"));
  const second = told();

  assert.deepEqual([first.length, second.length], [1, 0]);
  assert.deepEqual([spool.bytes, spool.empty, spool.take()], [0, true, undefined]);
});

test("Spool that is taken over counts its requests on, and tells what was dropped", (t) => {
  const path = place(t);
  const spool = Spool.create(path, JOB, 1_000);
  spool.append("log", log("first"));
  const first = spool.take();
  assert.ok(first);
  spool.delivered(first);
  for (let n = 1; n <= 3; n++) {
    spool.append("progress", progress(n));
    for (let line = 0; line < 10; line++) spool.append("log", log("x".repeat(100)));
  }
  spool.close();

  const other = reopened(path);
  const next = other.take();
  other.close();

  const [{ message }] = JSON.parse(next?.body ?? "");
  assert.equal(next?.number, 1);
  assert.match(message, /^2\d log lines and 2 progress updates left out: /);
});

test("a spool's copy in memory holds all of it: events with their kinds, and how far it has come", (t) => {
  const path = place(t);
  const db = openSpoolFile(path, 0);
  t.after(() => db.close());
  const state: SpoolState = {
    created: 1,
    number: 7,
    sending: 2,
    linesDropped: 3,
    progressDropped: 4,
    over: 0,
  };
  fillSpoolFile(db, JOB);
  for (const kind of ["progress", "log", "end"]) {
    db.prepare("INSERT INTO event (kind, bytes, body) VALUES (?, 2, '{}')").run(kind);
  }
  writeSpoolState(db, state);

  const copy = copyToMemory(db, JOB, state);
  t.after(() => copy.close());

  const events = "SELECT * FROM event ORDER BY n";
  assert.deepEqual(readSpoolFile(db), { job: JOB, state });
  assert.deepEqual(readSpoolFile(copy), { job: JOB, state });
  assert.deepEqual(copy.prepare(events).all(), db.prepare(events).all());
});

test("Spool.onlyEnd() leaves the end alone, without a word of what was dropped", (t) => {
  const spool = Spool.create(place(t), JOB, 1_000);
  t.after(() => spool.close());
  for (let n = 1; n <= 20; n++) spool.append("log", log("x".repeat(100)));
  spool.append("end", END);

  spool.onlyEnd();

  assert.equal(spool.take()?.body, `[${END}]`);
});

test("Spool.take() gives five hundred events, which is as many as a server takes", (t) => {
  const spool = Spool.create(place(t), JOB);
  t.after(() => spool.close());
  for (let n = 0; n <= 500; n++) spool.append("log", '""');

  assert.equal(spool.take()?.events, 500);
});
