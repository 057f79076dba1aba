import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { configure, reset } from "@logtape/logtape";
import { loadLog } from "../../src/logger.ts";
import { newJobId } from "../../src/sync/ids.ts";
import { targetsOf } from "../support/notify_bench.ts";
import { receiver } from "../support/receiver.ts";
import { testServer } from "../support/server.ts";

test("GET /v1/notify/deliveries lists a tenant's own, by the targets' names alone", async (t) => {
  const to = await receiver(t);
  to.answer = ({ body }, response) => {
    response.statusCode = body.includes("mail") ? 400 : 200;
    response.end();
  };
  const targets = targetsOf([{ name: "ops", type: "slack", url: `${to.url}/x`, on: ["failed"] }]);
  const { ask, key, url } = await testServer(t, { notify: () => targets });
  const run = async (sync: string) => {
    const id = newJobId();
    const headers = { Authorization: `Bearer ${all}`, "Content-Type": "application/json" };
    await fetch(`${url}/v1/sync/job`, {
      method: "POST",
      headers,
      body: JSON.stringify({ id, sync }),
    });
    await fetch(`${url}/v1/sync/job/${id}/events`, {
      method: "POST",
      headers,
      body: JSON.stringify({ type: "end", status: "failed" }),
    });
    return id;
  };
  const all = key();
  const docs = await run("docs-elsewhere");
  await to.until(1);
  const mail = await run("mail");
  await to.until(2);

  const list = async (query = "", with_ = all) =>
    await (await fetch(`${url}/v1/notify/deliveries${query}`, {
      headers: { Authorization: `Bearer ${with_}` },
    })).json();
  let page = await list("?limit=1");
  while (page.items[0].status === "waiting") page = await list("?limit=1");
  const rest = await list(`?limit=1&cursor=${page.next_cursor}`);
  const others = await list("", key(["read"], "acme"));
  const forbidden = await fetch(`${url}/v1/notify/deliveries`, {
    headers: { Authorization: `Bearer ${key(["write"])}` },
  });
  const wrong = await ask("/v1/notify/deliveries?limit=201");

  const { id, occurred_at, created_at, done_at, ...shown } = page.items[0];
  assert.match(id, /^msg_/);
  for (const time of [occurred_at, created_at, done_at]) assert.ok(Date.parse(time) > 0);
  assert.deepEqual(shown, {
    target: "ops",
    kind: "failed",
    sync: "mail",
    job_id: mail,
    status: "refused",
    tries: 1,
    result: "HTTP 400",
    next_try_at: null,
  });
  assert.deepEqual([rest.items[0].job_id, rest.items[0].status], [docs, "delivered"]);
  assert.deepEqual([rest.next_cursor, others.items], [null, []]);
  assert.deepEqual([forbidden.status, wrong.status], [403, 400]);
});

test("no URL, password or secret of a target is ever shown, logged or kept", async (t) => {
  const CANARY = "canary93f1";
  const lines: string[] = [];
  await loadLog();
  await configure({
    reset: true,
    sinks: { lines: (record) => lines.push(JSON.stringify([record.message, record.properties])) },
    loggers: [
      { category: "synctail", lowestLevel: "debug", sinks: ["lines"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["lines"] },
    ],
  });
  t.after(() => reset());
  const to = await receiver(t);
  to.answer = ({ path, headers, body }, response) => {
    // A receiver that says all it was told, as some do in their errors.
    response.statusCode = path.includes("later") ? 500 : 400;
    response.end(JSON.stringify({ path, headers, body }));
  };
  const at = to.url.replace("http://", `http://${CANARY}:${CANARY}@`);
  const whsec = `whsec_${btoa(CANARY.repeat(3))}`;
  const targets = targetsOf([
    { name: "hook", type: "webhook", url: `${at}/${CANARY}/later`, secret: whsec },
    { name: "ntfy", type: "ntfy", url: `${to.url}/${CANARY}`, secret: `tk_${CANARY}` },
    { name: "slack", type: "slack", url: `${to.url}/${CANARY}` },
    { name: "dead", type: "discord", url: `http://${CANARY}.invalid/${CANARY}` },
    {
      name: "own",
      type: "template",
      url: `${to.url}/${CANARY}`,
      secret: CANARY,
      headers: { "X-Key": "{{secret}}" },
      body: "{}",
    },
  ].map((target) => ({ ...target, on: ["completed"] })));
  const server = await testServer(t, { notify: () => targets });

  await server.ask("/v1/sync/docs/run", {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key()}` },
  });
  const list = async () => await (await server.ask("/v1/notify/deliveries")).text();
  let shown = await list();
  const tried = (text: string) =>
    JSON.parse(text).items.filter(({ tries }: { tries: number }) => tries > 0).length;
  while (tried(shown) < 5) shown = await list();
  await server.stop();

  assert.ok(to.taken.some(({ headers }) => headers["x-key"] === CANARY), "it was really sent");
  const hidden = [CANARY, btoa(`${CANARY}:${CANARY}`), whsec.slice(6, 26)];
  const data = join(server.temp, "data");
  const files = readdirSync(data).map((name) => readFileSync(join(data, name), "latin1")).join();
  assert.match(lines.join("\n"), /could not be told/);
  assert.ok(files.includes("slack"), "the queue is among the files");
  for (const secret of hidden) {
    assert.equal(shown.includes(secret), false, shown);
    assert.equal(lines.join("\n").includes(secret), false, lines.join("\n"));
    assert.equal(files.includes(secret), false);
  }
});

test("a reload takes other targets", async (t) => {
  const to = await receiver(t);
  const target = (name: string) =>
    targetsOf([{ name, type: "slack", url: `${to.url}/${name}`, on: ["completed"] }]);
  const server = await testServer(t, { notify: () => target("first") });
  const { items } = await (await server.ask("/v1/sync")).json();
  assert.equal(items.length, 2);

  server.reload([], target("second"));
  const headers = {
    Authorization: `Bearer ${server.key()}`,
    "Content-Type": "application/json",
  };
  const id = newJobId();
  const post = (path: string, body: object) =>
    fetch(`${server.url}/v1/sync/job${path}`, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    });
  await post("", { id });
  await post(`/${id}/events`, { type: "end", status: "completed" });
  await to.until(1);

  assert.deepEqual(to.taken.map(({ path }) => path), ["/second"]);
});

test("a stop tells targets of the jobs that it ends", async (t) => {
  const to = await receiver(t);
  const targets = targetsOf([{ name: "ops", type: "slack", url: to.url, on: ["cancelled"] }]);
  const server = await testServer(t, { notify: () => targets });
  const headers = { Authorization: `Bearer ${server.key()}` };
  const run = await server.ask("/v1/sync/slow/run", { method: "POST", headers });

  await server.stop();

  assert.deepEqual([run.status, to.taken.length], [202, 1]);
});
