import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { newJob } from "../../src/client/new_job.ts";
import { NewJobSchema } from "../../src/http/event_schemas.ts";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
/** What a worker may say of a new job. */
const MEMBERS = Object.keys(NewJobSchema.shape);
/** A client's tenant is that of its key. */
const OF_CLIENTS = MEMBERS.filter((name) => name !== "tenant").sort();

test("docs/workers.md says what a new job may have", () => {
  const [, table] = /^## Create a job$(.*?)^## /ms.exec(read("docs/workers.md")) ?? [];
  const rows = [...(table ?? "").matchAll(/^\| (`.*?) \|/gm)].map(([, cell]) => cell);

  const named = rows.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name));

  assert.deepEqual(named.sort(), [...MEMBERS].sort());
});

test("the client in TypeScript can say all of a new job", () => {
  const retryOf = "770e8400-e29b-41d4-a716-446655440002";
  const numbers = { total: 1, bytesTotal: 1, leaseS: 1, attempt: 1 };

  const { body } = newJob("an id", {
    ...{ sync: "users", name: "nightly", tags: ["a"], meta: { a: 1 }, retryOf },
    ...numbers,
  });

  assert.deepEqual(Object.keys(JSON.parse(body)).sort(), OF_CLIENTS);
});

test("the client in Python can say all of a new job", () => {
  const [, signature] = /^def job\((.*?)^\) -> "Job":/ms.exec(read("clients/python/synctail.py")) ??
    [];

  const taken = [...(signature ?? "").matchAll(/^ {4}(\w+): /gm)].map(([, name]) => name);

  assert.deepEqual(OF_CLIENTS.filter((name) => !taken.includes(name)), []);
  assert.ok(taken.length > OF_CLIENTS.length);
});
