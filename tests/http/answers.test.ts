/** Real answers of the API beside what /openapi.json says of them. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { schemaFaults } from "../support/schema_faults.ts";
import type { Schema, Schemas } from "../support/schema_values.ts";
import { testServer } from "../support/server.ts";

interface Document {
  readonly paths: Record<string, Record<string, { responses: Record<string, Answer | undefined> }>>;
  readonly components: { readonly schemas: Schemas };
}

interface Answer {
  readonly content?: Record<string, { readonly schema: Schema }>;
}

const JOB = "/v1/sync/job/{job_id}";
const SAID = [
  { type: "progress", inserted: 3, entities_encountered: { user: 3 }, bytes_done: 10, phase: "a" },
  { type: "log", level: "warning", message: "b", source: "c", fields: { d: 1 } },
  { type: "total", total: 10, bytes_total: 100 },
];

test("every answer is as /openapi.json says: its status, its type, each member", async (t) => {
  const server = await testServer(t);
  const { paths, components: { schemas } }: Document =
    await (await fetch(`${server.url}/openapi.json`)).json();
  const told: string[] = [];
  /** Asks as `POST /v1/...`; the status and the answer. */
  const ask = async (
    operation: string,
    { values = {}, query = "", body }: {
      readonly values?: Readonly<Record<string, string>>;
      readonly query?: string;
      readonly body?: unknown;
    } = {},
  ) => {
    const [method, path] = operation.split(" ");
    const filled = path.replace(/\{(\w+)\}/g, (_, name) => values[name]);
    const answer = await server.ask(filled + query, {
      method,
      headers: {
        "Authorization": `Bearer ${server.key(["read", "run", "write", "tenants"])}`,
        "Content-Type": "application/json",
      },
      ...body !== undefined && { body: JSON.stringify(body) },
    });
    const text = await answer.text();
    const { status } = answer;
    const described = paths[path][method.toLowerCase()].responses[status];
    const type = (answer.headers.get("Content-Type") ?? "").replace(/;.*/, "");
    const schema = described?.content?.[type]?.schema;
    const known = schema ?? (text === "" && described && !described.content);
    const json = schema && JSON.parse(text);
    const faults = schema ? schemaFaults(schemas, schema, json) : known ? [] : [`: ${type}`];
    told.push(...faults.map((fault) => `${operation} ${status} ${fault}`));
    return { status, json };
  };
  const new_ = async (body: object) => (await ask("POST /v1/sync/job", { body })).json.id;
  const event = (id: string, body?: unknown) =>
    ask(`POST ${JOB}/events`, { values: { job_id: id }, body });

  const id = await new_({ sync: "users", name: "n", tags: ["t"], meta: { a: [1] }, attempt: 2 });
  const values = { job_id: id };
  const again = await ask("POST /v1/sync/job", { body: { id, sync: "users" } });
  const other = await ask("POST /v1/sync/job", { body: { id, sync: "others" } });
  const silent = await event(id);
  const said = await event(id, SAID);
  const back = await event(id, { type: "progress", inserted: 1 });
  const wrong = await event(id, [{ type: "log", message: "a" }, { type: "log" }]);
  const run = await ask("POST /v1/sync/{sync}/run", { values: { sync: "slow" } });
  const twice = await ask("POST /v1/sync/{sync}/run", { values: { sync: "slow" } });
  const elsewhere = await ask("POST /v1/sync/{sync}/run", { values: { sync: "users" } });
  const cancelling = await ask(`POST ${JOB}/cancel`, { values });
  const reads = [
    await ask("GET /v1/sync"),
    await ask("GET /v1/sync/jobs", { query: "?limit=1" }),
    await ask(`GET ${JOB}`, { values }),
    await ask(`GET ${JOB}`, { values: { job_id: run.json.id } }),
    await ask(`GET ${JOB}/logs`, { values }),
    await ask(`GET ${JOB}/history`, { values }),
    await ask("GET /v1/session"),
    await ask("GET /v1/notify/deliveries"),
  ];
  const ticket = await ask(`POST ${JOB}/ticket`, { values, body: { for: "tag", tag: "t" } });
  await event(id, { type: "end", status: "failed", error: { code: "e", message: "f" } });
  const ended = await event(id, { type: "log", message: "late" });
  const failed = await ask(`GET ${JOB}`, { values });
  const cursor = await ask("GET /v1/sync/jobs", { query: "?cursor=none" });
  const unknown = await ask(`GET ${JOB}`, { values: { job_id: randomUUID() } });
  const removed = await ask(`DELETE ${JOB}`, { values });
  const all = await ask("DELETE /v1/tenant");

  assert.deepEqual(told, []);
  assert.deepEqual(
    [again, silent, said, cancelling, failed, ...reads].map(({ status }) => status),
    Array(13).fill(200),
  );
  assert.deepEqual([run, ticket, removed, all].map(({ status }) => status), [202, 201, 204, 200]);
  assert.deepEqual(
    [other, back, twice, elsewhere, ended, wrong, cursor, unknown].map(({ status }) => status),
    [409, 409, 409, 409, 409, 400, 400, 404],
  );
});
