import assert from "node:assert/strict";
import { test } from "node:test";
import { startProgram } from "../support/program.ts";
import { serverRecords } from "../support/server_log.ts";
import { type TestServer, testServer } from "../support/server.ts";

const JSON_TYPE = { "Content-Type": "application/json" };

/** A POST with a key of all scopes, and the id that its answer carries. */
async function post(server: TestServer, path: string, body: unknown = {}, method = "POST") {
  const answer = await server.ask(path, {
    method,
    headers: { ...JSON_TYPE, Authorization: `Bearer ${server.key()}` },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    requestId: answer.headers.get("X-Request-Id"),
    json: text === "" ? undefined : JSON.parse(text),
  };
}

test("a worker's job that ends is one line with its counts and the id of the request that ended it", async (t) => {
  const records = await serverRecords(t, "jobs");
  const server = await testServer(t);
  const { json: { id } } = await post(server, "/v1/sync/job", { sync: "users" });
  const path = `/v1/sync/job/${id}/events`;
  await post(server, path, { type: "progress", inserted: 3, updated: 2, deleted: 1, skipped: 4 });

  const ending = await post(server, path, {
    type: "end",
    status: "failed",
    error: { code: "no_route", message: "canary words" },
  });
  const late = await post(server, path, { type: "end", status: "completed" });

  assert.equal(late.status, 409);
  const [line, ...more] = records.filter((record) => record.job_id === id);
  const { ms, ...told } = line;
  assert.deepEqual(told, {
    job_id: id,
    tenant: "default",
    sync: "users",
    origin: "worker",
    status: "failed",
    code: "no_route",
    inserted: 3,
    updated: 2,
    deleted: 1,
    kept: 0,
    skipped: 4,
    request_id: ending.requestId,
  });
  assert.ok(typeof ms === "number" && ms >= 0);
  assert.deepEqual(more, []);
});

test("a run that a request stops names that request; one that ends by itself names none", async (t) => {
  const records = await serverRecords(t, "jobs");
  const server = await testServer(t);
  const line = (id: string) => {
    const [only, ...more] = records.filter((record) => record.job_id === id);
    assert.deepEqual(more, []);
    return [only.status, only.code, only.request_id];
  };
  const run = async (sync: string) => (await post(server, `/v1/sync/${sync}/run`)).json.id;
  const over = async (id: string) =>
    await (await server.ask(`/v1/sync/job/${id}/subscribe`)).text();
  const own = await run("docs");
  await over(own);
  const cancelled = await run("slow");
  const cancel = await post(server, `/v1/sync/job/${cancelled}/cancel`);
  await post(server, `/v1/sync/job/${cancelled}/cancel`);
  await over(cancelled);
  const removed = await run("slow");
  const remove = await post(server, `/v1/sync/job/${removed}`, {}, "DELETE");
  const stopped = await run("slow");

  await server.stop();

  assert.deepEqual(line(own), ["completed", undefined, undefined]);
  assert.deepEqual(line(cancelled), ["cancelled", undefined, cancel.requestId]);
  assert.deepEqual(line(removed), ["cancelled", undefined, remove.requestId]);
  assert.deepEqual(line(stopped), ["cancelled", "server_stopped", undefined]);
});

test("serve writes the line of a job's end as JSON, beside that of the request", async (t) => {
  const server = await startProgram(t, { args: ["serve"] });
  const key = await server.firstKey();
  const init = (body: unknown) => ({
    method: "POST",
    headers: { ...JSON_TYPE, Authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  });
  const { id } = await (await fetch(`${server.url}/v1/sync/job`, init({}))).json();
  const ending = await fetch(
    `${server.url}/v1/sync/job/${id}/events`,
    init([{ type: "progress", inserted: 7 }, { type: "end", status: "completed" }]),
  );
  await ending.text();
  await server.stop("SIGTERM");

  const lines = server.stderr().split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  const requestId = ending.headers.get("X-Request-Id");
  const [line, ...more] = lines.filter((line) => line.job_id === id);
  assert.deepEqual([line.level, line.status, line.inserted, line.tenant, line.request_id], [
    "INFO",
    "completed",
    7,
    "default",
    requestId,
  ]);
  assert.deepEqual(more, []);
});
