import assert from "node:assert/strict";
import { existsSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { END_MS, Teller } from "../../src/cli/exec/teller.ts";
import type { Posted } from "../../src/client/delivery.ts";
import { Spool } from "../../src/client/spool.ts";
import { type FlushOptions, SpoolDirectory } from "../../src/client/spool_directory.ts";
import { MEMORY } from "../../src/client/spool_file.ts";
import type { SourceProgress } from "../../src/sources/source.ts";
import { NO_PROGRESS } from "../../src/sync/progress.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { turns } from "../support/producer_bench.ts";
import type { Cleanup } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

const ID = "770e8400-e29b-41d4-a716-446655440002";
const SERVER = "http://test";
const NEVER = new AbortController().signal;

interface Given {
  readonly path?: string;
  readonly directory?: SpoolDirectory;
  readonly answers?: (path: string) => Response | Promise<Response>;
}

/** A teller in a time of the test's, and what its server is told. */
function bench({ path = MEMORY, directory, answers = () => taken() }: Given = {}) {
  const clock = new FakeClock();
  const spool = Spool.create(path, {
    id: ID,
    producer: "p",
    body: "{}",
    server: SERVER,
    keyPrint: "print",
  });
  // deno-lint-ignore no-explicit-any -- what was posted, as JSON
  const events: any[] = [];
  const faults: string[] = [];
  const cancels: number[] = [];
  const fetch = async (url: string, { body, signal }: Posted) => {
    const answer = answers(url.slice(SERVER.length));
    const late = new Promise<never>((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
    const response = await Promise.race([answer, late]);
    if (response.ok && body?.startsWith("[")) events.push(...JSON.parse(body));
    return response;
  };
  const target = {
    server: SERVER,
    keyPrint: "print",
    url: SERVER,
    pageOf: () => undefined,
    endpoint: () => Promise.resolve({ server: SERVER, key: "k", fetch, clock }),
    close: () => Promise.resolve(),
  };
  const teller = new Teller({
    spool,
    directory,
    target,
    clock,
    leaseMs: undefined,
    onCancel: () => void cancels.push(clock.monotonic()),
    onFault: (words) => void faults.push(words),
  });
  return { clock, spool, teller, events, faults, cancels };
}

const taken = (more = {}) =>
  Response.json({ id: "j", interval_ms: 1_000, cancel_requested: false, ...more });
const progress = (inserted: number): SourceProgress => ({
  type: "progress",
  ...NO_PROGRESS,
  inserted,
});
const line = (message: string) => ({ type: "log", level: "info", message }) as const;
/** What of each event tells it from others. */
const told = (events: readonly Record<string, unknown>[]) =>
  events.map(({ entities_inserted, message, status }) => status ?? message ?? entities_inserted);
/** A server that never answers. */
const silent = () => new Promise<Response>(() => {});

/** A directory of spools, which notes what it is asked to tell. */
class Noting extends SpoolDirectory {
  readonly asked: FlushOptions[] = [];
  answer = () => {};

  static in(t: Cleanup): Noting {
    const { path, remove } = tempDirectory();
    t.after(remove);
    return new Noting(path, assert.fail);
  }

  override async flush(options: FlushOptions) {
    this.asked.push(options);
    await new Promise<void>((resolve) => this.answer = resolve);
    return { sent: 0, left: 0, others: new Map<string | null, number>(), reason: undefined };
  }
}

test("a program that says nothing is under way all the same", async () => {
  const { teller, events } = bench();

  await turns();

  assert.deepEqual(events.map(({ type, entities_inserted }) => [type, entities_inserted]), [
    ["progress", 0],
  ]);
  await teller.end("completed", undefined, NEVER);
});

test("the last totals are told before the end, which waits for nothing else", async () => {
  const { teller, events, clock } = bench();
  await turns();
  for (const inserted of [1, 2, 3]) teller.event(progress(inserted));
  teller.event(line("last words"));

  const end = await teller.end("failed", { code: "c", message: "why" }, NEVER);

  assert.equal(end, "delivered");
  assert.deepEqual(told(events), [0, 1, "last words", 3, "failed"]);
  assert.deepEqual(events.at(-1)?.error, { code: "c", message: "why" });
  assert.deepEqual([clock.monotonic(), clock.waiting], [0, 0]);
});

test("totals come as often as the server wants them", async () => {
  const { teller, events, clock } = bench();
  await turns();
  teller.event(progress(1));
  teller.event(progress(2));

  for (let ms = 0; ms < 2_000; ms += 100) {
    clock.advance(100);
    await turns();
  }

  assert.deepEqual(told(events), [0, 1, 2]);
  await teller.end("completed", undefined, NEVER);
});

test("what comes after a delivery that broke is stored for another process", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "one.job");
  const { spool, teller, faults } = bench({ path: file });
  spool.take = () => {
    throw new Error("no memory");
  };
  await turns();

  teller.event(line("later"));
  const end = await teller.end("completed", undefined, NEVER);

  const left = Spool.open(file);
  assert.ok(left instanceof Spool);
  assert.deepEqual(told(JSON.parse(left.take()?.body ?? "")), [0, "later", "completed"]);
  left.close();
  const why = "its spool cannot be used: no memory";
  assert.deepEqual([end, faults], ["left", [`Cannot tell the server of job ${ID}: ${why}`]]);
});

test("a spool that takes nothing more is said to be so once, also where its delivery breaks", async () => {
  const { spool, teller, faults } = bench();
  const broken = () => {
    throw new Error("no memory");
  };
  Object.assign(spool, { appendAll: broken, take: broken });

  teller.event(line("one"));
  await turns();
  teller.event(line("two"));
  const end = await teller.end("completed", undefined, NEVER);

  const untold = "nothing more can be told of this run: no memory";
  const why = "its spool cannot be used: no memory";
  assert.deepEqual(faults, [untold, `Cannot tell the server of job ${ID}: ${why}`]);
  assert.equal(end, "left");
});

test("end() waits 5 s for a server that does not answer, and leaves its spool to the next one", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "one.job");
  const { teller, clock, faults } = bench({ path: file, answers: silent });
  await turns();
  let end: string | undefined;

  const ended = teller.end("completed", undefined, NEVER).then((told) => end = told);
  clock.advance(END_MS - 1);
  await turns();
  const before = end;
  clock.advance(1);
  await ended;
  await turns();

  assert.deepEqual([before, end, faults], [undefined, "left", []]);
  const next = Spool.open(file);
  assert.ok(next instanceof Spool, `${next}`);
  assert.equal(next.ended, true);
  next.remove();
  assert.equal(clock.waiting, 0);
});

test("end() waits no longer than until its signal", async () => {
  const { teller, clock } = bench({ answers: silent });
  const hurry = new AbortController();
  await turns();

  const ended = teller.end("completed", undefined, hurry.signal);
  hurry.abort();

  assert.equal(await ended, "left");
  await turns();
  assert.equal(clock.waiting, 0);
});

test("what a program says after the server has refused its job is no fault, nor its end", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "one.job");
  const { teller, faults } = bench({
    path: file,
    answers: () => Response.json({ type: "/problems/job-exists", detail: "no" }, { status: 409 }),
  });
  await turns();

  teller.event(progress(1));
  teller.event(line("more"));
  const end = await teller.end("completed", undefined, NEVER);

  assert.deepEqual([end, existsSync(file)], ["refused", false]);
  assert.deepEqual(faults, [`Cannot tell the server of job ${ID}: it answers 409: no`]);
});

test("totals that cannot be stored when their time comes are a fault, and harm nobody", async () => {
  const { teller, spool, clock, faults } = bench();
  await turns();
  for (const inserted of [1, 2]) teller.event(progress(inserted));
  spool.appendAll = () => {
    throw new Error("disk I/O error");
  };

  clock.advance(10_000);
  teller.event(line("more"));
  const ended = teller.end("completed", undefined, NEVER);
  await turns();
  clock.advance(END_MS);

  assert.equal(await ended, "left");
  assert.deepEqual(faults, ["nothing more can be told of this run: disk I/O error"]);
});

test("what a program says at once is stored at once", async () => {
  const { teller, spool } = bench({ answers: silent });
  await turns();
  const commits: number[] = [];
  const { appendAll } = spool;
  spool.appendAll = (events) => {
    commits.push(events.length);
    appendAll.call(spool, events);
  };

  for (let n = 0; n < 50; n++) teller.event(line(`${n}`));
  await Promise.resolve();
  const inOneTurn = commits.splice(0);
  teller.event(line("last words"));
  const hurry = AbortSignal.abort();
  await teller.end("completed", undefined, hurry);

  assert.deepEqual(inOneTurn, [50]);
  assert.deepEqual(commits, [1, 1]); // the line, then the end
});

test("a cancel is passed on", async () => {
  const { teller, cancels } = bench({
    answers: (path) => taken({ cancel_requested: path.endsWith("/events") }),
  });

  await turns();

  assert.ok(cancels.length > 0);
  await teller.end("cancelled", undefined, NEVER);
});

test("what others have left is told of once, by the same key, when the server has answered", async (t) => {
  const directory = Noting.in(t);
  const { teller, clock } = bench({ directory });
  const before = directory.asked.length;

  await turns();
  teller.event(line("more"));
  clock.advance(10_000);
  await turns();
  let end: string | undefined;
  const ended = teller.end("completed", undefined, NEVER).then((told) => end = told);
  await turns();
  const whileOthersWait = end;
  directory.answer();
  await ended;

  assert.deepEqual([before, directory.asked.length], [0, 1]);
  const [{ server, keyPrint }] = directory.asked;
  assert.deepEqual([server, keyPrint], [SERVER, "print"]);
  assert.deepEqual([whileOthersWait, end], [undefined, "delivered"]);
  assert.equal(directory.asked[0].signal.aborted, true);
});

test("a directory of spools that was removed is said to be so, and the job goes on", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const directory = new SpoolDirectory(join(path, "spools"), assert.fail);
  const { teller, events, faults } = bench({ directory });
  rmdirSync(directory.path);
  await turns();
  teller.event(line("going on"));

  const end = await teller.end("completed", undefined, NEVER);

  assert.equal(end, "delivered");
  assert.deepEqual(told(events), [0, "going on", "completed"]);
  assert.equal(faults.length, 1);
  assert.match(faults[0], /^Cannot send what other processes have left: ENOENT/);
});

test("what others have left holds an end up for 5 s at most", async (t) => {
  const directory = Noting.in(t);
  const { teller, clock } = bench({ directory });
  await turns();

  const ended = teller.end("completed", undefined, NEVER);
  await turns();
  clock.advance(END_MS);

  assert.equal(await ended, "delivered");
  assert.equal(directory.asked[0].signal.aborted, true);
  directory.answer();
});
