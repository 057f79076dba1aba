import assert from "node:assert/strict";
import { test } from "node:test";
import { type JobOptions, openJob, type Producer, runJob } from "../../src/client/producer.ts";
import { type TestServer, testServer } from "../support/server.ts";

interface Came {
  // deno-lint-ignore no-explicit-any -- the server's JSON
  readonly job: any;
  // deno-lint-ignore no-explicit-any -- the server's JSON
  readonly lines: any[];
  readonly faults: readonly string[];
  readonly thrown: unknown;
}

/** What the server has of a job in which one odd thing was done, between two that are not. */
async function came(
  server: TestServer,
  odd: (job: Producer) => void,
  options: Partial<JobOptions> = {},
): Promise<Came> {
  const id = crypto.randomUUID();
  const faults: string[] = [];
  const at = {
    id,
    server: server.url,
    key: server.key(),
    onFault: (words: string) => faults.push(words),
  };
  const thrown = await runJob({ ...at, ...options }, (job) => {
    job.inserted(3);
    odd(job);
    job.inserted(4);
    return Promise.resolve();
  }).catch((cause) => cause);
  const job = await (await server.ask(`/v1/sync/job/${id}`)).json();
  const { items: lines } = await (await server.ask(`/v1/sync/job/${id}/logs`))
    .json();
  return { job, lines, faults, thrown };
}

/** `levels` objects, one in the other. */
const nested = (levels: number): object => levels === 1 ? {} : { in: nested(levels - 1) };
/** `levels` lists, one in the other. */
const lists = (levels: number): unknown[] => levels === 1 ? [] : [lists(levels - 1)];
// deno-lint-ignore no-explicit-any -- what nobody with types would pass
const any = (value: unknown) => value as any;

test("whatever is said of a job, its counts and its end arrive", async (t) => {
  const server = await testServer(t);
  const says: Record<string, (job: Producer) => void> = {
    "large fields": (job) => job.log("info", "x", { big: "x".repeat(2 << 20) }),
    "a long line": (job) => job.log("info", "\0".repeat(1 << 20)),
    "deep fields": (job) => job.log("info", "x", nested(30) as Record<string, unknown>),
    "deep lists": (job) => job.log("info", "x", { in: lists(30) }),
    "fields of a long name": (job) => job.log("info", "x", { ["k".repeat(101)]: 1 }),
    "fields that JSON has no word for": (job) => job.log("info", "x", { n: 10n, s: Symbol() }),
    "fields of a name that is taken": (job) => job.log("info", "x", { ["__proto__"]: 1 }),
    "fields that throw": (job) =>
      job.log("info", "x", {
        get a() {
          throw new Error("no");
        },
      }),
    "an unknown level": (job) => job.log(any("warn"), "x"),
    "an error in the place of words": (job) => job.log("error", any(new Error("x"))),
    "an object without a text": (job) => job.log("error", any(Object.create(null))),
    "no phase": (job) => job.phase(any(undefined)),
    "a long phase": (job) => job.phase("x".repeat(1_001)),
    "a phase that is a number": (job) => job.phase(any(7)),
    "half a surrogate pair": (job) => job.current("\ud800"),
    "no totals": (job) => job.progress(any(undefined)),
    "an unknown total": (job) => job.progress(any({ entities_lost: 5 })),
    "an empty type": (job) => job.kept(1, ""),
    "a long type": (job) => job.kept(1, "t".repeat(201)),
    "a type of a name that is taken": (job) => job.kept(1, "__proto__"),
    "many long types": (job) => {
      for (let n = 0; n < 1_100; n++) job.kept(1, `${n} ${"\0".repeat(200)}`);
    },
    "counts beyond all counting": (job) => {
      job.skipped(Number.MAX_SAFE_INTEGER);
      job.skipped(Number.MAX_SAFE_INTEGER);
    },
  };

  for (const [what, say] of Object.entries(says)) {
    const { job, faults, thrown } = await came(server, say);

    const { status, entities_inserted } = job;
    assert.deepEqual([what, status, entities_inserted], [what, "completed", 7]);
    assert.deepEqual([what, faults, thrown], [what, [], undefined]);
  }
});

test("what has to be cut says so, and the rest of it is there", async (t) => {
  const server = await testServer(t);

  const { job, lines } = await came(server, (job) => {
    job.kept(2, "t".repeat(300));
    job.kept(1, "__proto__");
    job.log("info", `${"x".repeat(65_534)}😀!`, {
      deep: nested(30),
      failure: new RangeError("no"),
    });
    job.log("info", "large", { big: "x".repeat(1 << 20) });
    job.log("info", "larger as JSON", { big: "\0".repeat(30_000) });
  });

  assert.deepEqual(job.entities_encountered, { [`${"t".repeat(199)}…`]: 2, "(__proto__)": 1 });
  assert.equal(lines[0].message, `${"x".repeat(65_534)}…`);
  assert.equal(lines[0].fields.failure, "RangeError: no");
  assert.equal(JSON.stringify(lines[0].fields.deep).match(/\{/g)?.length, 19);
  const long = { left_out: "more than 65536 characters of JSON" };
  assert.deepEqual([lines[1].fields, lines[2].fields], [long, long]);
});

test("what a row does not have is no name and no type", async (t) => {
  const server = await testServer(t);

  const { job } = await came(server, (job) => {
    job.kept(1, any(null));
    job.phase(any(null));
    job.current(any(undefined));
    job.progress({ total: 9, bytes_total: 5 });
  });

  const { entities_kept, entities_encountered, phase, current, total, bytes_total } = job;
  assert.deepEqual([entities_kept, entities_encountered, phase, current], [
    1,
    {},
    undefined,
    undefined,
  ]);
  assert.deepEqual([total, bytes_total], [9, 5]);
});

test("a job of too many types counts what is over as others", async (t) => {
  const server = await testServer(t);

  const { job } = await came(server, (job) => {
    for (let n = 0; n < 1_500; n++) job.kept(1, `${n}`.padEnd(300, "-"));
    job.kept(1, "0".padEnd(300, "-"));
  });

  assert.equal(job.entities_kept, 1_501);
  assert.equal(Object.keys(job.entities_encountered).length, 1_000);
  assert.equal(job.entities_encountered["(other)"], 501);
  assert.equal(job.entities_encountered[`${"0".padEnd(199, "-")}…`], 2);
});

test("whatever is thrown fails the job, and is thrown on as it was", async (t) => {
  const server = await testServer(t);
  const named = (name: string) => Object.assign(new Error("words"), { name });
  const ends: [thrown: unknown, code: string, message: string][] = [
    [new Error("x".repeat(100_000)), "Error", `${"x".repeat(65_535)}…`],
    [named(""), "worker_failed", "words"],
    [named("N".repeat(101)), `${"N".repeat(99)}…`, "words"],
    [new TypeError(""), "TypeError", "TypeError"],
    ["words", "Error", "words"],
    [Object.create(null), "Error", "<object>"],
  ];

  for (const [throws, code, message] of ends) {
    const { job, thrown } = await came(server, () => {
      throw throws;
    });

    assert.equal(thrown, throws);
    const { status, entities_inserted, error } = job;
    assert.deepEqual([status, entities_inserted, error], ["failed", 3, { code, message }]);
  }
});

test("a job is created whatever it is asked to be", async (t) => {
  const server = await testServer(t);
  const long = "x".repeat(500);

  const { job } = await came(server, () => {}, {
    sync: `\0\ud800${long}`,
    name: long,
    tags: ["", long, ...Array.from({ length: 30 }, (_, n) => `${n}`)],
    meta: { b: 10n, in: nested(30), [long]: 1, ["__proto__"]: 2 },
    total: -1,
    bytesTotal: NaN,
    attempt: 0.5,
    leaseS: 1e9,
  });
  const empty = await came(server, () => {}, {
    ...{ sync: "", name: "", tags: any(null), meta: any(null), leaseS: NaN },
  });

  const { status, sync, name, tags, meta, attempt, lease_s } = job;
  assert.deepEqual([status, attempt, lease_s], ["completed", 1, 604_800]);
  assert.deepEqual([sync, name], [`??${"x".repeat(97)}…`, `${"x".repeat(199)}…`]);
  assert.deepEqual([tags.length, tags[0], tags[19]], [20, `${"x".repeat(99)}…`, "18"]);
  assert.deepEqual(Object.keys(meta), ["b", "in", `${"x".repeat(99)}…`, "(__proto__)"]);
  assert.equal(meta.b, "10");
  assert.deepEqual([empty.job.status, empty.job.sync, empty.job.lease_s], ["completed", null, 900]);
});

test("openJob() throws nothing where an argument cannot be read", async (t) => {
  const server = await testServer(t);
  const meta = Object.defineProperty({}, "a", {
    enumerable: true,
    get() {
      throw new RangeError("no");
    },
  });

  const job = openJob({ server: server.url, key: server.key(), meta });
  await job.end();

  const created = await (await server.ask(`/v1/sync/job/${job.id}`)).json();
  assert.deepEqual(created.meta, { left_out: "it cannot be read: RangeError" });
});
