import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { type Operation, operationsOf } from "../support/open_api.ts";
import { anyJson, anyText, type Schemas, uuid, valueOf } from "../support/schema_values.ts";
import { type Random, rounds, seeded } from "../support/seed.ts";
import { serverLog } from "../support/server_log.ts";
import { testServer } from "../support/server.ts";

/** An answer that takes longer is a hang. */
const HANG_MS = 20_000;
/** Requests under way at a time. */
const AT_ONCE = 8;
const HEADERS = [
  ...["Last-Event-ID", "Producer-Id", "Producer-Epoch", "Producer-Seq", "Synctail-Tenant"],
  ...["X-API-Key", "Cookie", "Origin", "X-Forwarded-For", "Accept", "Range", "Transfer-Encoding"],
  ...["Content-Type", "Content-Encoding", "Expect", "Authorization", "If-None-Match"],
];
/** What tells of the inside of a program. */
const STACK = /\bat .*\.(ts|js):\d+|node_modules|SQLITE|TypeError|RangeError|\/src\//;

interface Asked {
  readonly url: string;
  readonly init: RequestInit & { readonly headers: Record<string, string> };
}

function requestOf(
  random: Random,
  operation: Operation,
  { schemas, jobs, key }: {
    readonly schemas: Schemas;
    readonly jobs: readonly string[];
    readonly key: string;
  },
): Asked {
  const wrong = random.pick([0, 0.02, 0.1]);
  const text = (value: unknown) => typeof value === "string" ? value : JSON.stringify(value) ?? "";
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name) =>
    encode(
      random.chance(0.15)
        ? anyText(random).slice(0, 2_000)
        : name === "job_id"
        ? random.chance(0.9) ? random.pick(jobs) : uuid(random)
        : random.pick(["docs", "slow", uuid(random)]),
    ));
  const headers: Record<string, string> = { Authorization: `Bearer ${key}` };
  const query: string[] = [];
  for (const parameter of operation.parameters) {
    if (parameter.in === "path" || random.chance(0.6)) continue;
    const given = text(valueOf(parameter.schema, schemas, random, wrong)).slice(0, 4_000);
    if (parameter.in === "query") query.push(`${parameter.name}=${encode(given)}`);
    else headers[parameter.name] = headerText(given);
  }
  if (random.chance(0.1)) query.push(`${encode(anyText(random).slice(0, 500))}=1`);
  if (random.chance(0.2)) headers[random.pick(HEADERS)] = headerText(anyText(random).slice(0, 500));
  const init = { method: operation.method, headers, body: undefined as BodyInit | undefined };
  if (!["GET", "HEAD"].includes(operation.method)) {
    const { type, schema } = operation.bodies.length > 0
      ? random.pick(operation.bodies)
      : { type: "application/json", schema: {} };
    if (random.chance(0.95)) headers["Content-Type"] = type;
    if (random.chance(0.95)) init.body = bodyOf(random, type, schema, { schemas, wrong });
  }
  return { url: path + (query.length > 0 ? `?${query.join("&")}` : ""), init };
}

function bodyOf(
  random: Random,
  type: string,
  schema: object,
  { schemas, wrong }: { readonly schemas: Schemas; readonly wrong: number },
): BodyInit {
  if (random.chance(0.05)) return Uint8Array.from(random.many(50, () => random.below(256)));
  if (type !== "application/x-ndjson") {
    const whole = JSON.stringify(valueOf(schema, schemas, random, wrong)) ?? "";
    return random.chance(0.03) ? whole.slice(0, random.below(whole.length)) : whole;
  }
  const lines = random.many(random.below(6), () =>
    JSON.stringify(
      random.chance(0.1) ? anyJson(random) : valueOf(schemas.Event ?? {}, schemas, random, wrong),
    ) ?? "");
  return lines.join(random.pick(["\n", "\r\n", "\n\n"]));
}

function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** What a client can send at all. */
function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e\xa0-\xff]/g, "").trim();
}

seeded("no request of any kind is answered by a fault, a stack or a hang", async (random, t) => {
  const told = await serverLog(t, "http");
  const server = await testServer(t, { cancelGraceMs: 100, bodyIdleMs: 1_000, eventsPerS: 0 });
  const { operations, schemas } = await operationsOf(server.url);
  const keys = [server.key(), server.key(["read"]), server.key(["read", "write", "tenants"])];
  const jobs: string[] = [];
  const post = { method: "POST", headers: { Authorization: `Bearer ${keys[0]}` } };
  const another = async () => {
    jobs.push((await (await server.ask("/v1/sync/job", post)).json()).id);
    if (jobs.length > 5) jobs.shift();
  };
  await another();
  const seen = new Map<number, number>();
  const ask = async ({ url, init }: Asked) => {
    const signal = AbortSignal.timeout(HANG_MS);
    const what = `${init.method} ${url.slice(0, 300)}`;
    const answer = await fetch(server.url + url, { ...init, signal, redirect: "manual" }).catch(
      (cause) => {
        // Some headers cannot be sent by fetch at all.
        if (cause.name === "TimeoutError") throw new Error(`A hang: ${what}`, { cause });
      },
    );
    if (!answer) return;
    seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
    const stream = answer.headers.get("Content-Type") === "text/event-stream";
    const text = stream ? "" : await answer.text();
    if (stream) await answer.body?.cancel();
    assert.ok(answer.status < 500, `${what}: ${answer.status} ${text} ${JSON.stringify(init)}`);
    if (answer.status >= 400) assert.doesNotMatch(text, STACK, what);
  };

  for (let round = 0; round < rounds(1_000 / AT_ONCE); round++) {
    if (random.chance(0.2)) await another();
    await Promise.all(random.many(AT_ONCE, () => {
      const operation = random.pick(operations);
      return ask(requestOf(random, operation, { schemas, jobs, key: random.pick(keys) }));
    }));
  }

  assert.deepEqual(told.filter((line) => line.startsWith("error")), []);
  assert.ok((seen.get(200) ?? 0) > 50 && (seen.get(400) ?? 0) > 50, JSON.stringify([...seen]));
  assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
});

seeded("what is no HTTP ends its connection and nothing else", async (random, t) => {
  const server = await testServer(t);
  const starts = [
    "GET / HTTP/1.1\r\n",
    "POST /v1/sync/job HTTP/1.1\r\nContent-Length: 99999\r\n",
    "",
  ];

  await Promise.all(random.many(rounds(100), async () => {
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {}); // it may be reset
    socket.resume();
    const noise = Uint8Array.from(random.many(random.below(300), () => random.below(256)));
    socket.write(random.pick(starts));
    socket.end(noise);
    await once(socket, "close");
  }));

  assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
});
