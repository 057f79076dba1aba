import assert from "node:assert/strict";
import { test } from "node:test";
import { type TestServer, testServer } from "../support/server.ts";

interface Operation {
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly schema: { readonly minimum?: number; readonly maximum?: number };
  }[];
}

async function pathsOf(
  server: TestServer,
): Promise<Record<string, Record<string, Operation>>> {
  return (await (await fetch(`${server.url}/openapi.json`)).json()).paths;
}

test("/openapi.json says how a stream is resumed", async (t) => {
  const paths = await pathsOf(await testServer(t));

  const { parameters = [] } = paths["/v1/sync/job/{job_id}/subscribe"].get;

  const cursors = parameters.filter(({ name }) => /event.?id/i.test(name));
  assert.deepEqual(
    cursors.map((cursor) => `${cursor.in} ${cursor.name}`).sort(),
    [
      "header Last-Event-ID",
      "query lastEventId",
      "query last_event_id",
    ],
  );
});

test("/openapi.json has the bounds of the numbers in a query", async (t) => {
  const server = await testServer(t);

  const { parameters = [] } = (await pathsOf(server))["/v1/sync/jobs"].get;

  const { minimum, maximum = 0 } = parameters.find(({ name }) => name === "limit")?.schema ?? {};
  const most = await server.ask(`/v1/sync/jobs?limit=${maximum}`);
  const more = await server.ask(`/v1/sync/jobs?limit=${maximum + 1}`);
  assert.deepEqual([minimum, most.status, more.status], [1, 200, 400]);
});
