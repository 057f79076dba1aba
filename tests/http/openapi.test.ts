import assert from "node:assert/strict";
import { test } from "node:test";
import { type TestServer, testServer } from "../support/server.ts";

interface Operation {
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: { readonly minimum?: number; readonly maximum?: number };
  }[];
  readonly security?: readonly object[];
  readonly responses: Record<
    string,
    { readonly content?: object; readonly "x-problems"?: readonly string[] } | undefined
  >;
}

async function pathsOf(
  server: TestServer,
): Promise<Record<string, Record<string, Operation>>> {
  return (await (await fetch(`${server.url}/openapi.json`)).json()).paths;
}

test("/openapi.json has a problem for whatever an operation may answer", async (t) => {
  const server = await testServer(t);
  const post = server.ask("/v1/sync/job", {
    method: "POST",
    headers: {
      "Authorization": `Bearer ${server.key()}`,
      "Content-Type": "text/plain",
    },
    body: "{}",
  });

  const paths = await pathsOf(server);

  assert.equal((await post).status, 415);
  const { responses } = paths["/v1/sync/job"].post;
  assert.ok((responses["415"] ?? responses.default)?.content);
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, { responses }] of Object.entries(methods)) {
      assert.ok(responses.default?.content, `${method} ${path}`);
    }
  }
});

test("/openapi.json says of each POST that a body which is no JSON is refused", async (t) => {
  const server = await testServer(t);
  const headers = {
    "Authorization": `Bearer ${server.key()}`,
    "Content-Type": "application/json",
  };
  const { id } = await (await server.ask("/v1/sync/job", { method: "POST", headers })).json();

  for (const [path, { post }] of Object.entries(await pathsOf(server))) {
    if (!post) continue;
    const filled = path.replace("{job_id}", id).replace("{sync}", "docs");
    const { status, body } = await server.ask(filled, { method: "POST", headers, body: "{" });
    await body?.cancel();
    const described = post.responses["400"]?.["x-problems"];
    assert.deepEqual([path, status, described], [path, 400, ["invalid-request"]]);
  }
});

test("/openapi.json names its license and its server as validators of 3.1 want it", async (t) => {
  const { url } = await testServer(t);

  const { info, servers } = await (await fetch(`${url}/openapi.json`)).json();

  assert.deepEqual(info.license, { name: "MIT", identifier: "MIT" });
  assert.deepEqual(servers, [{ url: "/" }]);
});

test("/openapi.json has names that a client can be made of, and no shape that is null by itself", async (t) => {
  const server = await testServer(t);
  const { paths, components } = await (await fetch(`${server.url}/openapi.json`)).json();
  const operations = Object.values<Record<string, { operationId?: string }>>(paths)
    .flatMap((methods) => Object.values(methods));

  const names = new Set(operations.map(({ operationId }) => operationId));
  const nullable = Object.entries<{ type?: string | string[] }>(components.schemas)
    .filter(([, { type }]) => [type].flat().includes("null"));

  assert.equal(names.size, operations.length);
  assert.ok(!names.has(undefined));
  assert.deepEqual(nullable, []);
  const { Job, Sync } = components.schemas;
  for (const { anyOf } of [Job.properties.error, Sync.properties.last_job]) {
    assert.deepEqual(anyOf.at(-1), { type: "null" });
  }
});

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
  const paths = await pathsOf(server);

  for (const path of ["/v1/sync", "/v1/sync/jobs"]) {
    const { parameters = [] } = paths[path].get;

    const { minimum, maximum = 0 } = parameters.find(({ name }) => name === "limit")?.schema ?? {};
    const most = await server.ask(`${path}?limit=${maximum}`);
    const more = await server.ask(`${path}?limit=${maximum + 1}`);
    assert.deepEqual([minimum, most.status, more.status], [1, 200, 400], path);
  }
});

test("/openapi.json says where a key may act for another tenant", async (t) => {
  const paths = await pathsOf(await testServer(t));

  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, { parameters = [], security, responses }] of Object.entries(methods)) {
      const named = parameters.filter(({ name }) => name === "Synctail-Tenant");
      assert.ok(security, `${method} ${path}`);
      assert.equal(named.length, security.length > 0 ? 1 : 0, `${method} ${path}`);
      assert.ok(named.every(({ required }) => !required));
      assert.ok(named.length === 0 || responses["403"], `${method} ${path} is refused without`);
    }
  }
});

test("/openapi.json gives no member a default: generators would ask clients to send it", async (t) => {
  const server = await testServer(t);

  const { components } = await (await fetch(`${server.url}/openapi.json`)).json();

  assert.doesNotMatch(JSON.stringify(components.schemas), /"default":/);
  const { level } = components.schemas.Event.oneOf[1].properties;
  assert.equal(level.description, "info when left out");
});
