import assert from "node:assert/strict";
import { mkdirSync, readdirSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { Posted } from "../../src/client/delivery.ts";
import { Spool } from "../../src/client/spool.ts";
import { type FlushOptions, SpoolDirectory } from "../../src/client/spool_directory.ts";
import { openSpoolFile } from "../../src/client/spool_file.ts";
import { newJobId } from "../../src/sync/ids.ts";
import { FakeClock } from "../support/fake_clock.ts";
import type { Cleanup } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

const OURS = "http://ours";
const MIB = 1024 * 1024;

/** What a server answers that has taken what was sent. */
const taken = () => Response.json({ id: "j", interval_ms: 5_000 });

/** Spools that are made one after another, each with a line and an end, and left. */
function leaving(t: Cleanup) {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const faults: string[] = [];
  const spools = new SpoolDirectory(path, (message) => faults.push(message));
  let made = 0;
  const create = () =>
    spools.create(
      { id: newJobId(), producer: "p", body: "{}", server: null, keyPrint: null },
      ++made,
    );
  const left = () => {
    const spool = create();
    spool.append("log", '"a line"');
    spool.append("end", '"the end"');
    spool.close();
    return spool.path;
  };
  return { path, faults, create, left };
}

/** What is told of one that was left, and how that is called when it is no spool. */
function toldOf(path: string) {
  const spool = Spool.open(path);
  if (!(spool instanceof Spool)) return spool;
  const told = spool.take()?.body;
  spool.close();
  return told;
}

test("flush() tells a server of its own jobs alone, of all of the key's, and each once", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const faults: string[] = [];
  const spools = new SpoolDirectory(path, (message) => faults.push(message));
  const left = (server: string | null, keyPrint: string) => {
    const id = newJobId();
    const spool = spools.create({ id, producer: "p", body: "{}", server, keyPrint }, 1);
    spool.append("log", '"a line"');
    spool.close();
    return id;
  };
  const ours = left(OURS, "k1");
  left(OURS, "k2");
  left("http://theirs", "k1");
  left(null, "k1");
  const clock = new FakeClock();
  const bodies: string[] = [];
  const fetch = (url: string, { body = "" }: Posted) => {
    bodies.push(`${url.slice(OURS.length)} ${body}`);
    return Promise.resolve(taken());
  };
  const flush = () =>
    spools.flush({
      server: OURS,
      keyPrint: "k1",
      endpoint: () => Promise.resolve({ server: OURS, key: "k", fetch, clock }),
      clock,
      signal: new AbortController().signal,
      onFault: (message) => faults.push(message),
    });

  const first = await flush();
  const again = await flush();

  const others = new Map([[OURS, 1], ["http://theirs", 1], [null, 1]]);
  assert.deepEqual([first.sent, first.left, first.others], [1, 0, others]);
  assert.deepEqual([again.sent, again.left, again.others], [0, 0, others]);
  assert.equal(bodies.length, 2);
  assert.equal(bodies[0], "/v1/sync/job {}");
  const [said, end] = JSON.parse(bodies[1].replace(`/v1/sync/job/${ours}/events `, ""));
  assert.deepEqual([said, end.status, end.error.code], ["a line", "failed", "exec_killed"]);
  assert.deepEqual([readdirSync(path).filter((name) => name.includes(ours)), faults], [[], []]);
});

test("flush() tells another server what it is told to, from the job's making on", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const spools = new SpoolDirectory(path, assert.fail);
  const job = { id: newJobId(), producer: "p", keyPrint: "k1" };
  const begun = spools.create({ ...job, body: "{}", server: "http://typo" }, 1);
  begun.wasCreated();
  begun.append("log", '"told there"');
  begun.delivered(begun.take() ?? assert.fail());
  begun.append("end", '"the end"');
  begun.close();
  const clock = new FakeClock();
  const requests: string[] = [];
  let away = true;
  const fetch = (url: string, { body = "", headers }: Posted) => {
    if (away) return Promise.resolve(new Response(null, { status: 503 }));
    const number = headers["Producer-Seq"] ?? "";
    requests.push(`${url.slice(OURS.length).replace(job.id, "ID")} ${number} ${body}`);
    const type = "https://s/problems/producer-out-of-order";
    const behind = Response.json({ type, expected_seq: 0 }, { status: 409 });
    return Promise.resolve(number === "1" ? behind : taken());
  };
  const flush = async (from?: string) => {
    let over = false;
    const done = spools.flush({
      server: OURS,
      from,
      keyPrint: "k1",
      endpoint: () => Promise.resolve({ server: OURS, key: "k", fetch, clock }),
      clock,
      signal: new AbortController().signal,
      onFault: assert.fail,
    }).finally(() => over = true);
    while (!over) {
      clock.advance(1_000);
      await setImmediate();
    }
    const { sent, left, others } = await done;
    return [sent, left, [...others]];
  };

  assert.deepEqual(await flush(), [0, 0, [["http://typo", 1]]]);
  assert.deepEqual(await flush("http://typo"), [0, 1, []]);
  away = false;
  assert.deepEqual(await flush(), [1, 0, []]);
  assert.deepEqual(requests, [
    "/v1/sync/job  {}",
    '/v1/sync/job/ID/events 1 ["the end"]',
    '/v1/sync/job/ID/events 0 ["the end"]',
  ]);
});

/** Tells a server, with as much time passing as that takes. */
async function flushed(
  path: string,
  answers: (body: string, url: string) => Response,
  keys: Pick<FlushOptions, "keyPrint" | "everyKey"> = { keyPrint: null },
) {
  const clock = new FakeClock();
  const [bodies, faults]: [string[], string[]] = [[], []];
  const fetch = (url: string, { body = "" }: Posted) => {
    bodies.push(body);
    return Promise.resolve(answers(body, url));
  };
  const onFault = (message: string) => void faults.push(message);
  let over = false;
  const done = new SpoolDirectory(path, onFault).flush({
    server: null,
    ...keys,
    endpoint: () => Promise.resolve({ server: OURS, key: "k", fetch, clock }),
    clock,
    signal: new AbortController().signal,
    onFault,
  }).finally(() => over = true);
  while (!over) {
    clock.advance(1_000);
    await setImmediate();
  }
  return { ...await done, bodies, faults };
}

test("flush() lets others work between the spools of other servers, however many there are", async (t) => {
  const { path, left } = leaving(t);
  for (let n = 0; n < 20; n++) left();
  let over = false;
  let turns = 0;

  const flushed = new SpoolDirectory(path, assert.fail).flush({
    server: OURS,
    keyPrint: null,
    endpoint: () => assert.fail("there is nothing to send"),
    clock: new FakeClock(),
    signal: new AbortController().signal,
    onFault: assert.fail,
  }).finally(() => over = true);
  for (; !over; turns++) await setImmediate();

  assert.deepEqual((await flushed).others, new Map([[null, 20]]));
  assert.ok(turns >= 20, `${turns} turns`);
});

test("flush() tells the end that a program had, and no other", async (t) => {
  const { path, left } = leaving(t);
  left();

  const { sent, bodies } = await flushed(path, () => taken());

  assert.deepEqual([sent, bodies], [1, ["{}", '["a line","the end"]']]);
});

test("flush() keeps what the given key may not see of another key's jobs, and tells the rest", async (t) => {
  const { path, create, left } = leaving(t);
  const hidden = create();
  hidden.wasCreated();
  hidden.append("end", '"the end"');
  hidden.close();
  left();
  const problem = (name: string, status: number) =>
    Response.json({ type: `https://s/problems/${name}` }, { status });
  const answers = (body: string, url: string) => {
    if (url.includes(hidden.job.id)) return problem("not-found", 404);
    return body === "{}" ? taken() : problem("job-ended", 409); // it was given up as lost
  };

  const { sent, left: kept, faults, reason } = await flushed(path, answers, {
    keyPrint: "k2",
    everyKey: true,
  });
  const mine = await flushed(path, answers);

  const words = "it answers 404; another key has made it";
  assert.deepEqual([sent, kept, reason], [1, 1, words]);
  assert.deepEqual(faults, [`Cannot tell the server of job ${hidden.job.id}: ${words}`]);
  assert.deepEqual([mine.sent, mine.left, toldOf(hidden.path)], [0, 0, "empty"]); // of its key it is gone
});

test("flush() asks once where there is nothing at the address, also for another key's jobs", async (t) => {
  const { path, left } = leaving(t);
  left();
  left();
  const type = "https://s/problems/not-found";

  const told = await flushed(path, () => Response.json({ type }, { status: 404 }), {
    keyPrint: "k2",
    everyKey: true,
  });

  assert.deepEqual([told.sent, told.left, told.bodies.length], [0, 2, 1]);
  assert.equal(told.reason, `it answers 404 at ${OURS}/v1/sync/job`);
});

for (
  const [what, page] of [
    ["that does not answer", undefined],
    ["that a gateway answers for once", "<html>Forbidden"],
  ] as const
) {
  test(`flush() tries a server ${what} three times, and leaves all jobs as they are`, async (t) => {
    const { path, create, left } = leaving(t);
    const known = create();
    known.wasCreated();
    known.append("end", '"the end"');
    known.close();
    const paths = [known.path, left()];
    const pages = page ? [page] : [];

    const { sent, reason, bodies, ...rest } = await flushed(path, () => {
      const answer = pages.pop();
      return new Response(answer, { status: answer ? 403 : 503 });
    });

    assert.deepEqual([sent, rest.left, bodies.length], [0, 2, 3]);
    assert.equal(reason, `${OURS} answers 503`);
    assert.deepEqual(paths.map((path) => toldOf(path)), ['["the end"]', '["a line","the end"]']);
  });
}

test("flush() asks once where the key is refused, also of a job that the server knows", async (t) => {
  const { path, create, left } = leaving(t);
  const known = create();
  known.wasCreated();
  known.append("end", '"the end"');
  known.close();
  left();
  const type = "https://s/problems/unauthorized";

  const told = await flushed(path, () => Response.json({ type }, { status: 401 }));

  assert.deepEqual([told.sent, told.left, told.bodies], [0, 2, ['["the end"]']]);
});

for (
  const [what, refuse] of [
    ["in JSON", () => Response.json({ message: "Forbidden" }, { status: 403 })],
    ["by a page", () => new Response("<html>Forbidden", { status: 403 })],
  ] as const
) {
  test(`flush() tells of the other jobs where a gateway refuses the events of one ${what}`, async (t) => {
    const { path, create, left } = leaving(t);
    const odd = create();
    odd.append("log", '"<script>"');
    odd.append("end", '"the end"');
    odd.close();
    left();
    const gateway = (body: string) => body.includes("<script>") ? refuse() : taken();

    const first = await flushed(path, gateway);
    left();
    const again = await flushed(path, gateway);
    for (const _ of [1, 2]) left();
    const shut = await flushed(path, refuse);

    const counts = [first, again, shut].map(({ sent, left }) => [sent, left]);
    assert.deepEqual(counts, [[1, 1], [1, 1], [0, 3]]);
    const told = '["<script>","the end"]';
    assert.deepEqual([toldOf(odd.path), [...new Set(shut.bodies)]], [told, [told, "{}"]]);
    assert.ok(shut.bodies.length <= 6, `${shut.bodies}`);
  });
}

test("flush() keeps what is no spool aside, and says so", async (t) => {
  const { path, left } = leaving(t);
  const broken = join(path, "0-broken.job");
  writeFileSync(broken, "this is no database".repeat(100));
  left();

  const { sent, faults } = await flushed(path, () => taken());

  assert.deepEqual([sent, readdirSync(path)], [1, ["0-broken.job.broken"]]);
  assert.match(faults.join(), /^Cannot read the spool .* it is kept as .*0-broken\.job\.broken$/);
});

test("flush() leaves a spool that cannot be opened where it is, as it may be another user's", async (t) => {
  const { path, left } = leaving(t);
  mkdirSync(join(path, "0-closed.job")); // which nobody can open as a file, root neither
  left();

  const { sent, faults } = await flushed(path, () => taken());

  assert.deepEqual([sent, readdirSync(path), faults], [1, ["0-closed.job"], []]);
});

test("flush() removes a file in which there is nothing, unless somebody may be making it", async (t) => {
  const { path } = leaving(t);
  for (const name of ["old.job", "new.job"]) openSpoolFile(join(path, name), 0).close();
  const longAgo = new Date(0);
  utimesSync(join(path, "old.job"), longAgo, longAgo);

  await flushed(path, () => taken());

  assert.deepEqual(readdirSync(path), ["new.job"]);
});

test("SpoolDirectory is its owner's alone", (t) => {
  const path = join(leaving(t).path, "spools");

  new SpoolDirectory(path, assert.fail);

  assert.equal(statSync(path).mode & 0o777, 0o700);
});

test("create() forgets the oldest jobs beyond ten thousand, and says how many", (t) => {
  const { path, faults, create, left } = leaving(t);
  const busy = create();
  t.after(() => busy.close());
  const [second, third] = [left(), left()];
  for (let n = 0; n < 9_999; n++) {
    writeFileSync(join(path, `${20_000 + n}`.padStart(14, "0") + ".job"), "");
  }

  create().close();

  assert.deepEqual([toldOf(busy.path), toldOf(second)], ["busy", "empty"]);
  assert.equal(toldOf(third), '["a line","the end"]');
  assert.deepEqual(faults, ["1 job is forgotten that no server could be told of"]);
});

test("create() keeps no more than the ends of the oldest where all take too much room", (t) => {
  const { faults, create, left } = leaving(t);
  const [oldest, next, newest] = [left(), left(), left()];
  // They are as long without holding more.
  for (const path of [oldest, next, newest]) truncateSync(path, 100 * MIB);

  create().close();

  const dropped = "1 log line left out: the server could not be told of them in time";
  const [line, end] = JSON.parse(toldOf(oldest) ?? "");
  assert.deepEqual([line.message, end], [dropped, "the end"]);
  assert.deepEqual([next, newest].map(toldOf), Array(2).fill('["a line","the end"]'));
  assert.deepEqual(faults, []);
});
