import assert from "node:assert/strict";
import { test } from "node:test";
import {
  HistorySchema,
  JobListSchema,
  LogListSchema,
  SessionSchema,
  SyncListSchema,
} from "../../src/http/schemas.ts";
import type { Job, List, LogLine, Moment, Session, Sync } from "../../src/page/wire.d.ts";
import { testServer } from "../support/server.ts";

test("what the page takes for granted of answers is what the API says of them", async (t) => {
  const server = await testServer(t);
  const headers = { "Authorization": `Bearer ${server.key()}`, "Content-Type": "application/json" };
  const post = async (path: string, body: object) =>
    await (await server.ask(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
  const answerOf = async (path: string) => await (await server.ask(path)).json();
  const { id } = await post("/v1/sync/job", {});
  await post(`/v1/sync/job/${id}/events`, [
    { type: "log", message: "begun" },
    { type: "progress", entities_inserted: 1 },
    { type: "progress", entities_inserted: 2 },
  ]);

  // A member that the API does not have, or has in another form, is a type error here.
  const jobs: List<Job> = JobListSchema.parse(await answerOf("/v1/sync/jobs"));
  const syncs: List<Sync> = SyncListSchema.parse(await answerOf("/v1/sync"));
  const lines: List<LogLine> = LogListSchema.parse(await answerOf(`/v1/sync/job/${id}/logs`));
  const moments: readonly Moment[] =
    HistorySchema.parse(await answerOf(`/v1/sync/job/${id}/history`)).items;
  const session: Session = SessionSchema.parse(await answerOf("/v1/session"));

  assert.deepEqual(jobs.items.map((job) => job.id), [id]);
  assert.deepEqual(syncs.items.map(({ name }) => name), ["docs", "slow"]);
  assert.deepEqual(lines.items.map(({ message }) => message), ["begun"]);
  assert.deepEqual(moments.map(({ time }) => Number.isNaN(Date.parse(time))), [false]);
  assert.equal(session.tenant, "default");
});
