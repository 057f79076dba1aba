import assert from "node:assert/strict";
import { test } from "node:test";
import { JOB_NAMES } from "../../../src/jobs/notify/placeholders.ts";
import { tryTarget } from "../../../src/jobs/notify/try_target.ts";
import { JobSchema } from "../../../src/http/schemas.ts";
import { deriveSyncId, newJobId } from "../../../src/sync/ids.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { TENANT } from "../../support/log_contract.ts";
import { begun, ended, jobOf, notifyBench, targetsOf, turns } from "../../support/notify_bench.ts";
import { type Receiver, receiver, type Taken } from "../../support/receiver.ts";
import type { Cleanup } from "../../support/program.ts";

const ID = newJobId();
const KEY = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ALL = ["started", "completed", "warning", "failed", "stalled", "recovered"];
const ERROR = { code: "disk_full", message: 'no room on "<@U1> *sda*" & [x](http://evil.test)' };

/** Has one target of that form; `failed` runs a job that fails and takes what the target got. */
async function bench(t: Cleanup, form: (to: Receiver) => object) {
  const to = await receiver(t);
  const { start, show } = notifyBench(t, [{ name: "ops", on: ALL, ...form(to) }]);
  const { run } = await start();
  return {
    to,
    run,
    async failed(changes: object = {}): Promise<Taken & { readonly job: Record<string, unknown> }> {
      const job = await run(jobOf("docs", { id: ID, ...changes }), {
        status: "failed",
        error: ERROR,
      });
      await to.until(2); // started comes first
      return { ...to.taken[1], job: show(job) };
    },
  };
}

/** As the specification has it, with nothing of ours. */
async function verified({ headers, body }: Taken, secret: string): Promise<boolean> {
  const raw = Uint8Array.from(atob(secret.replace("whsec_", "")), (char) => char.charCodeAt(0));
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", raw, algorithm, false, ["sign"]);
  const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  const mac = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(signed));
  const expected = btoa(String.fromCharCode(...new Uint8Array(mac)));
  return String(headers["webhook-signature"]).split(" ").includes(`v1,${expected}`);
}

test("a webhook gets the job as the API shows it, signed as of Standard Webhooks", async (t) => {
  const { failed } = await bench(t, ({ url }) => ({
    type: "webhook",
    url: `${url}/hook?a=b`,
    secret: `whsec_${KEY}`,
  }));

  const taken = await failed();

  assert.deepEqual([taken.method, taken.path], ["POST", "/hook?a=b"]);
  assert.equal(taken.headers["content-type"], "application/json");
  assert.match(String(taken.headers["webhook-id"]), /^msg_[A-Za-z0-9_-]{24}$/);
  assert.equal(taken.headers["webhook-timestamp"], "1000");
  assert.equal(await verified(taken, `whsec_${KEY}`), true);
  assert.equal(await verified({ ...taken, body: `${taken.body} ` }, `whsec_${KEY}`), false);
  assert.deepEqual(JSON.parse(taken.body), {
    type: "sync.job.failed",
    timestamp: "1970-01-01T00:16:40.000Z",
    data: JSON.parse(JSON.stringify(taken.job)),
    tenant: "default",
    link: `http://sync.test/job/${ID}`,
  });
});

test("ntfy gets title, priority, tags and a link to the job's page, with its token", async (t) => {
  const { failed } = await bench(t, ({ url }) => ({
    type: "ntfy",
    url: `${url}/my-topic`,
    secret: "tk_1",
  }));

  const taken = await failed();

  assert.deepEqual([taken.method, taken.path, taken.headers.authorization], [
    "POST",
    "/",
    "Bearer tk_1",
  ]);
  assert.deepEqual(JSON.parse(taken.body), {
    topic: "my-topic",
    title: "docs failed",
    message: `disk_full: ${ERROR.message}\n12 inserted in 0 s`,
    priority: 4,
    tags: ["x", "failed"],
    click: `http://sync.test/job/${ID}`,
  });
});

test("ntfy gets of a start, of which there is no more to say, its title as its text", async (t) => {
  const { to, failed } = await bench(t, ({ url }) => ({ type: "ntfy", url: `${url}/my-topic` }));

  await failed();

  const { title, message } = JSON.parse(to.taken[0].body);
  assert.deepEqual([title, message], ["docs has started", "docs has started"]);
});

test("user and password of a URL go as a header, and not in the URL", async (t) => {
  const { failed } = await bench(t, ({ url }) => ({
    type: "ntfy",
    url: `${url.replace("http://", "http://phil:m%40il@")}/my-topic`,
  }));

  const { headers, path } = await failed();

  assert.equal(headers.authorization, `Basic ${btoa("phil:m@il")}`);
  assert.equal(path, "/");
});

test("healthchecks is pinged at the start, the end and the failure of a run, by its id", async (t) => {
  const { run, to } = await bench(t, ({ url }) => ({
    type: "healthchecks",
    url: `${url}/ping/5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278`,
    on: undefined,
  }));
  const other = newJobId();

  await run(jobOf("docs", { id: ID }), { status: "failed", error: ERROR });
  await run(jobOf("docs", { id: other }), { status: "completed", warnings: 1 });
  await to.until(4);

  const check = "/ping/5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278";
  assert.deepEqual(to.taken.map(({ method, path }) => `${method} ${path}`), [
    `POST ${check}/start?rid=${ID}`,
    `POST ${check}/fail?rid=${ID}`,
    `POST ${check}/start?rid=${other}`,
    `POST ${check}?rid=${other}`,
  ]);
  assert.equal(to.taken[1].body, `docs failed\ndisk_full: ${ERROR.message}\n12 inserted in 0 s`);
});

test("healthchecks takes a recovery for a success only where the job has completed", async (t) => {
  const to = await receiver(t);
  const { start, clock } = notifyBench(t, [
    { name: "ops", type: "healthchecks", url: `${to.url}/x`, on: ["recovered"] },
  ]);
  const { log, notifications } = await start();
  const recovered = { kind: "recovered", tenant: TENANT, atMs: clock.now() } as const;
  const late = await begun(log, jobOf("docs"));
  const failed = await ended(log, await begun(log, jobOf("mail")), {
    status: "failed",
    error: ERROR,
  });
  const completed = await ended(log, await begun(log, jobOf("photos")), { status: "completed" });

  for (const job of [late, failed, completed]) {
    notifications.occurred({ ...recovered, sync: job.sync, job });
  }
  // Its deadline is longer now.
  notifications.occurred({ ...recovered, sync: jobOf("longer").sync, job: undefined });
  await to.until(4);

  assert.deepEqual(to.taken.map(({ path }) => path), [
    `/x/log?rid=${late.id}`,
    `/x/log?rid=${failed.id}`,
    `/x?rid=${completed.id}`,
    "/x",
  ]);
});

test("Slack gets a text in which nothing of the job's is markup or calls anybody", async (t) => {
  const { failed } = await bench(t, ({ url }) => ({ type: "slack", url: `${url}/services/T/B/x` }));

  const { method, path, body } = await failed();

  assert.deepEqual([method, path], ["POST", "/services/T/B/x"]);
  assert.deepEqual(JSON.parse(body), {
    text: `*<http://sync.test/job/${ID}|docs failed>*\n` +
      'disk_full: no room on "&lt;@U1&gt; *sda*" &amp; [x](http://evil.test)\n' +
      "12 inserted in 0 s",
  });
});

test("Discord gets a text in which nothing of the job's is markup or calls anybody", async (t) => {
  const { failed } = await bench(
    t,
    ({ url }) => ({ type: "discord", url: `${url}/api/webhooks/1` }),
  );

  const { body } = await failed();

  assert.deepEqual(JSON.parse(body), {
    content: `**docs failed**\nhttp://sync.test/job/${ID}\n` +
      'disk\\_full: no room on "\\<@U1\\> \\*sda\\*" & \\[x\\]\\(http://evil.test\\)\n' +
      "12 inserted in 0 s",
    allowed_mentions: { parse: [] },
  });
});

test("a template is filled in with the job, escaped for JSON", async (t) => {
  const { failed } = await bench(t, ({ url }) => ({
    type: "template",
    url: `${url}/alerts`,
    method: "PUT",
    secret: "s3cr3t",
    headers: { "X-Api-Key": "{{secret}}", "X-Sync": "{{ sync }} {{job.name}}" },
    body: '{"status": "{{job.status}}", "why": "{{job.error.message}}", "n": {{job.seq}},' +
      ' "run": "{{job.meta.run}}", "none": "{{job.meta.none.such}}{{job.meta.constructor}}", "at": "{{time}}"}',
  }));

  const taken = await failed({ name: "näme\r\nX-Evil: 1" });

  assert.deepEqual([taken.method, taken.path], ["PUT", "/alerts"]);
  assert.equal(taken.headers["x-api-key"], "s3cr3t");
  assert.equal(taken.headers["x-sync"], "docs n?me??X-Evil: 1");
  assert.equal(taken.headers["content-type"], "application/json");
  assert.deepEqual(JSON.parse(taken.body), {
    status: "failed",
    why: ERROR.message,
    n: 2,
    run: "7",
    none: "",
    at: "1970-01-01T00:16:40.000Z",
  });
});

test("a template is JSON whatever its values are, also of a run that did not come", async (t) => {
  const to = await receiver(t);
  const { start } = notifyBench(t, [{
    name: "ops",
    type: "template",
    url: to.url,
    on: ["failed", "overdue"],
    body:
      '{"n": {{job.entities_inserted}}, "x": {{job.meta.x}}, "\\"sync": {{sync}}, "t": "{{title}}"}',
  }]);
  const { notifications, run } = await start();
  const evil = '1, "severity": "none"';

  for (const x of [evil, { a: 1 }, "007", true]) {
    await run(jobOf("7", { meta: { x } }), { status: "failed", error: ERROR });
  }
  await to.until(4);
  const sync = { id: deriveSyncId(TENANT, "docs"), name: "docs" };
  notifications.occurred({
    kind: "overdue",
    tenant: TENANT,
    sync,
    job: undefined,
    atMs: 1_000_000,
  });
  await to.until(5);

  const sent = to.taken.map(({ body }) => JSON.parse(body));
  const failed = { n: 12, '"sync': 7, t: "7 failed" };
  assert.deepEqual(sent, [
    { ...failed, x: evil },
    { ...failed, x: { a: 1 } },
    { ...failed, x: "007" },
    { ...failed, x: true },
    { n: null, x: null, '"sync': "docs", t: "docs is overdue" },
  ]);
});

test("a template may be of another type than JSON", async (t) => {
  const { failed } = await bench(t, ({ url }) => ({
    type: "template",
    url,
    headers: { "content-type": "text/plain" },
    body: "{{title}}",
  }));

  const { headers, body } = await failed();

  assert.deepEqual([headers["content-type"], body], ["text/plain", "docs failed"]);
});

test("placeholders know every name that a job has in the API", () => {
  assert.deepEqual([...JOB_NAMES].sort(), Object.keys(JobSchema.shape).sort());
});

test("a target is told of what it asks for alone", async (t) => {
  const to = await receiver(t);
  const target = (name: string, filter: object) => ({
    name,
    type: "slack",
    url: `${to.url}/${name}`,
    on: ["failed", "completed"],
    ...filter,
  });
  const { start } = notifyBench(t, [
    target("all", {}),
    target("docs", { syncs: ["docs"] }),
    target("other-tenant", { tenant: "acme" }),
    target("warned", { on: ["completed", "warning"] }),
  ]);
  const { run, log, done, deliveries } = await start();

  await run(jobOf("docs"), { status: "completed", warnings: 1 });
  await run(jobOf("mail"), { status: "failed" });
  await run(jobOf("mail", { sync: null }), { status: "failed" });
  await begun(log, jobOf("docs"));
  await done(5);
  await turns();

  const counts = new Map<string, number>();
  for (const { path } of to.taken) counts.set(path, (counts.get(path) ?? 0) + 1);
  assert.deepEqual(Object.fromEntries(counts), { "/all": 3, "/docs": 1, "/warned": 1 });
  assert.equal(deliveries().filter((line) => line.startsWith("warning")).length, 1);
});

test("tryTarget() sends a test by the way of real messages, and says what comes back", async (t) => {
  const to = await receiver(t);
  to.answer = ({ path, headers }, response) => {
    response.statusCode = 403;
    response.end(`no ${headers.authorization} at http://${headers.host}${path} for s3cr3t-token`);
  };
  const [ntfy, hook, ping] = targetsOf([
    { name: "a", type: "ntfy", url: `${to.url}/secret-topic`, secret: "s3cr3t-token" },
    { name: "b", type: "webhook", url: `${to.url}/hook`, secret: `whsec_${KEY}` },
    { name: "c", type: "healthchecks", url: `${to.url}/ping/x` },
  ]);
  const { signal } = new AbortController();

  const refused = await tryTarget(ntfy, new FakeClock(), signal);
  to.answer = (_, response) => void response.end("thank you");
  const told = await tryTarget(hook, new FakeClock(), signal);
  to.answer = (_, response) => void response.end("x".repeat(5_000));
  const long = await tryTarget(ping, new FakeClock(), signal);

  assert.equal(refused.kind, "refused");
  assert.equal(refused.result, "HTTP 403");
  assert.equal(/s3cr3t/.test(refused.answer), false, refused.answer);
  assert.deepEqual([told.kind, told.result, told.answer], ["delivered", "HTTP 200", "thank you"]);
  assert.equal(long.answer.length, 300);
  assert.equal(await verified(to.taken[1], `whsec_${KEY}`), true);
  const { type, data } = JSON.parse(to.taken[1].body);
  assert.equal(type, "sync.job.test");
  assert.deepEqual(JobSchema.parse(data), data, "a job as the API shows it");
  assert.match(to.taken[2].path, /^\/ping\/x\/log\?rid=/, "a test changes nothing at the check");
});
