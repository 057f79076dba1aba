import assert from "node:assert/strict";
import { test } from "node:test";
import { Admission, NO_LIMITS } from "../../src/stream/admission.ts";
import type { JobId, TenantId } from "../../src/sync/ids.ts";
import { progress } from "../support/log_contract.ts";
import { streamBench, type StreamReader } from "../support/stream_bench.ts";

const applicant = (tenant: string, id = "a", key = "k") => {
  const job = { tenant: tenant as TenantId, id: id as JobId };
  return { tenant, job, key };
};

test("admit() names the limit that is reached, and a place that is given back is free again", () => {
  const admission = new Admission({ all: 3, tenant: 2, job: Infinity, key: Infinity });

  const answers = ["acme", "acme", "acme", "other", "third"].map((tenant) =>
    admission.admit(applicant(tenant))
  );
  admission.leave(applicant("acme"));
  const later = ["acme", "fifth"].map((tenant) => admission.admit(applicant(tenant)));

  assert.deepEqual(answers, [undefined, undefined, "tenant", undefined, "all"]);
  assert.deepEqual(later, [undefined, "all"]);
});

for (const kind of ["job", "key"] as const) {
  test(`admit() counts viewers of one ${kind}`, () => {
    const admission = new Admission({ ...NO_LIMITS, [kind]: 1 });
    const another = kind === "job" ? applicant("acme", "b") : applicant("acme", "a", "l");

    const answers = [applicant("acme"), applicant("acme"), another].map((each) =>
      admission.admit(each)
    );

    assert.deepEqual(answers, [undefined, kind, undefined]);
  });
}

test("admit() counts jobs of the same id in two tenants apart, and no key as a tenant", () => {
  const admission = new Admission({ ...NO_LIMITS, tenant: 1, job: 1, key: 1 });

  const answers = [
    { ...applicant("acme"), key: "other" },
    { ...applicant("other"), key: "acme" },
  ].map((each) => admission.admit(each));

  assert.deepEqual(answers, [undefined, undefined]);
});

test("admit() counts who watches no one job, or has no key, with nobody else of that kind", () => {
  const admission = new Admission({ ...NO_LIMITS, job: 1, key: 1 });

  const answers = [1, 2].map(() =>
    admission.admit({ tenant: "acme", job: undefined, key: undefined })
  );

  assert.deepEqual(answers, [undefined, undefined]);
});

test("leave() gives one place back, and no other", () => {
  const admission = new Admission({ ...NO_LIMITS, tenant: 2 });
  for (let viewers = 0; viewers < 2; viewers++) admission.admit(applicant("acme"));

  admission.leave(applicant("acme"));
  const answers = [1, 2].map(() => admission.admit(applicant("acme")));

  assert.deepEqual(answers, [undefined, "tenant"]);
});

test("a viewer without a place is asked to come back, and another tenant's is let in", async () => {
  const limits = { ...NO_LIMITS, tenant: 1 };
  const { job, open, viewers } = streamBench({ limits });
  const ours = await job();
  const theirs = await job({ tenant: "other" as TenantId });
  const first = await open(ours);
  await first.next();

  const second = await open(ours);
  const frames = await second.next();
  await assert.rejects(second.next());
  const other = await open(theirs);
  const opening = await other.next();

  assert.deepEqual(frames.map(({ data }) => data.type), ["heartbeat"]);
  assert.ok((frames[0].retry ?? 0) >= 3_000);
  assert.equal(opening[0].data.type, "connected");
  assert.deepEqual([viewers.totals.refused, viewers.size], [
    { all: 0, tenant: 1, job: 0, key: 0 },
    2,
  ]);
  await first.cancel();
  const back = await open(ours);
  assert.equal((await back.next())[0].data.type, "connected");
  await Promise.all([back.cancel(), other.cancel()]);
  assert.equal(viewers.size, 0);
});

test("streams of one job and of many count for the key that opens them", async () => {
  const { job, open, openJobs, viewers } = streamBench({ limits: { ...NO_LIMITS, key: 2 } });
  const running = await job();
  const right = (holder: string) => ({ name: holder, holder, lapsed: () => undefined });
  const types = async (reader: StreamReader) => (await reader.next()).map(({ data }) => data.type);
  const readers = [
    await open(running, undefined, undefined, right("a")),
    openJobs({ right: right("a") }),
    await open(running, undefined, undefined, right("a")),
    openJobs({ right: right("a") }),
    await open(running, undefined, undefined, right("b")),
  ];

  const told = await Promise.all(readers.map(types));

  const [inside, away] = [["connected"], ["heartbeat"]];
  assert.deepEqual(told, [inside, inside, away, away, inside]);
  assert.deepEqual(viewers.totals.refused, { all: 0, tenant: 0, job: 0, key: 2 });
  for (const place of [0, 1, 4]) await readers[place].cancel();
});

test("a viewer whose opening cannot be read gives its place back", async () => {
  const { job, open, add, log, viewers } = streamBench({ limits: { ...NO_LIMITS, all: 1 } });
  const running = await job();
  await add(running, progress("in_progress", 1));
  const broken = new Error("disk I/O error");
  const firstSeq = log.firstSeq.bind(log);
  log.firstSeq = () => Promise.reject(broken);

  await assert.rejects(open(running, "elsewhere-7"), broken);
  log.firstSeq = firstSeq;
  const reader = await open(running, "elsewhere-7");

  assert.equal((await reader.next())[0].data.resume, "gap");
  await reader.cancel();
  assert.equal(viewers.size, 0);
});
