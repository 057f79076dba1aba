/** What every proxy of deploy/ has to do with streams, posts and prefixes. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { type Certificate, certificate } from "./certificate.ts";
import { type Curl, curl, curled } from "./curl.ts";
import type { Cleanup } from "./program.ts";
import { freePort } from "./free_port.ts";
import { testServer } from "./server.ts";
import { tempDirectory } from "./temp.ts";
import { until } from "./until.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const PUBLIC_URL = "https://example.com/synctail";
const HEARTBEAT_MS = 250;
/** Beside so short a limit a stream lives by its heartbeats alone. */
const LIMIT_S = 5;
/** So many heartbeats take longer than the limit. */
const HEARTBEATS = 24;

/** Where a started proxy has to listen and what it is in front of. */
export interface Place {
  readonly port: number;
  readonly upstream: number;
  /** Of the test, for files. */
  readonly directory: string;
  readonly certificate: Certificate;
}

export interface Proxy {
  /** The example, below deploy/. */
  readonly file: string;
  /** What in it is something else in a test, each at least once: ports, paths. */
  replaced(place: Place): readonly (readonly [string | RegExp, string])[];
  /** What starts it, given the path of the example as it was changed. */
  command(config: string, place: Place): readonly string[];
  /** Over which a stream that breaks off does not look like one that has ended. */
  readonly abortsOver: readonly ("HTTP/1.1" | "HTTP/2")[];
  /** Limits of the example that have to be longer than a heartbeat, as patterns of their seconds. */
  readonly limits: readonly RegExp[];
  /** How long a request's headers may take, in seconds likewise. */
  readonly headersLimit: RegExp;
}

/** @param name of the program */
export function proxyContract(name: string, proxy: Proxy): void {
  test(`${name} passes frames on as they come, and an idle stream outlives its limits`, async (t) => {
    // The other tests keep the example's: what they do may take its time.
    const short = proxy.limits.length > 0 ? [[/\b75s/g, `${LIMIT_S}s`] as const] : [];
    const { ask, post } = await behind(t, proxy, {}, short);
    const job = await newJob(t, ask);
    const stream = subscribed(t, ask, job);
    await stream.until((text) => text.includes('"type": "connected"'));

    await post(job, { type: "progress", entities_inserted: 7 });

    await stream.until((text) => text.includes('"entities_inserted": 7'));
    await stream.until((text) => text.split('{"type": "heartbeat"}').length > HEARTBEATS);
    await post(job, { type: "end", status: "completed" });
    assert.equal(await stream.code, 0);
    assert.match(stream.text(), /"is_complete": true/);
  });

  const aborts = proxy.abortsOver.map((version) => ` (as an abort over ${version})`).join("");
  test(`a stream breaks off behind ${name}${aborts}, and goes on where it stopped`, async (t) => {
    const { server, ask, post } = await behind(t, proxy, {});
    const job = await newJob(t, ask);
    const stream = subscribed(t, ask, job, "--http1.1");
    const second = subscribed(t, ask, job, "--http2");
    await post(job, { type: "progress", entities_inserted: 1 });
    for (const each of [stream, second]) {
      await each.until((text) => /"entities_inserted": 1,[^\n]*\nid: /.test(text));
    }
    const [, lastId] = /\nid: (\S+)\n\n(?![^]*\nid: )/.exec(stream.text()) ?? [];

    await server.restart();
    const codes = { "HTTP/1.1": await stream.code, "HTTP/2": await second.code };
    await again(() => curled(t, ask("/healthz")), ({ status }) => status === 200);
    await post(job, { type: "progress", entities_inserted: 2 });
    const next = subscribed(t, ask, job, "-H", `Last-Event-ID: ${lastId}`);
    await next.until((text) => text.includes('"entities_inserted": 2'));

    for (const version of proxy.abortsOver) assert.notEqual(codes[version], 0, version);
    assert.match(stream.text(), /\n\nretry: \d+\ndata: {"type": "heartbeat"}\n\n$/);
    assert.match(next.text(), /"resume": "resumed"/);
    assert.doesNotMatch(next.text(), /"entities_inserted": 1,/);
  });

  test(`${name} passes a worker's NDJSON on line by line, 1 MiB in all`, async (t) => {
    const { ask } = await behind(t, proxy, {});
    const job = await newJob(t, ask);
    const stream = subscribed(t, ask, `${job}/subscribe?logs=info`);
    const type = "Content-Type: application/x-ndjson";
    const post = curl(t, ask(`/v1/sync/job/${job}/events`, "-X", "POST", "-H", type, "-T", "-"));
    const line = (message: string) =>
      `${JSON.stringify({ type: "log", level: "info", message })}\n`;
    await stream.until((text) => text.includes('"type": "connected"'));

    post.send(line("the first"));
    await stream.until((text) => text.includes('"the first"'));
    for (let n = 0; n < 1_024; n++) post.send(line(`${n} `.padEnd(1_000, "x")));
    post.send();

    assert.equal(await post.code, 0);
    assert.match(post.text(), /"last_seq":\s*1025\b/);
    await stream.until((text) => text.includes('"1023 x'));
  });

  test(`${name} serves everything below the prefix`, async (t) => {
    const { server, ask } = await behind(t, proxy, {});
    const page = await curled(t, ask("/"));
    const script = /"(assets\/[^"]+\.js)"/.exec(page.body)?.[1];
    const asset = await curled(t, ask(`/${script}`));
    const docs = await curled(t, ask("/docs"));
    const openapi = await curled(t, ask("/openapi.json"));
    const created = await curled(t, ask("/v1/sync/job", "--json", "{}"));
    const { id } = JSON.parse(created.body);
    const ticket = await curled(t, ask(`/v1/sync/job/${id}/ticket`, "--json", "{}"));
    const session = await curled(
      t,
      ask("/v1/session", "--json", JSON.stringify({ key: server.key() })),
    );
    const missing = await curled(t, ask("/v1/sync/job/nothing"));
    const { type } = JSON.parse(missing.body);
    const explained = await curled(t, ask(type.replace("/synctail", "")));

    assert.match(page.body, /<base href="\/synctail\/">/);
    assert.deepEqual([asset.status, docs.status], [200, 200]);
    assert.deepEqual(JSON.parse(openapi.body).servers, [{ url: "/synctail" }]);
    assert.equal(created.headers.get("location"), `/synctail/v1/sync/job/${id}`);
    assert.ok(JSON.parse(ticket.body).url.startsWith(`${PUBLIC_URL}/v1/sync/job/${id}/`));
    assert.match(session.headers.get("set-cookie") ?? "", /; Path=\/synctail\/; .*Secure/);
    assert.deepEqual([type, explained.status], ["/synctail/problems/not-found", 200]);
  });

  test(`${name} leads from the public URL as it is named, without a slash, to the page`, async (t) => {
    const { ask } = await behind(t, proxy, {});

    const answer = await curled(t, ask(""));

    const [status, location] = [answer.status, answer.headers.get("location") ?? ""];
    assert.equal(status, 301);
    assert.equal(new URL(location, PUBLIC_URL).pathname, "/synctail/");
  });

  test(`${name} says what the browser sees, and is believed when it is trusted`, async (t) => {
    const root = [[/\/synctail\//g, "/"]] as const;
    const options = { publicUrl: undefined, allowedHosts: "example.com", trustProxy: "127.0.0.1" };
    const { server, bare } = await behind(t, proxy, options, root);
    const given = ["--json", JSON.stringify({ key: server.key() }), "-H"];
    const url = "https://example.com/v1/session";

    const own = await curled(t, bare(url, ...given, "Origin: https://example.com"));
    const other = await curled(t, bare(url, ...given, "Origin: https://else.example"));

    assert.match(own.headers.get("set-cookie") ?? "", /^synctail_443=.*; Secure/);
    assert.equal(other.status, 403);
  });

  test(`${name}'s example waits longer than two heartbeats, and not for headers`, () => {
    const text = readFileSync(join(ROOT, "deploy", proxy.file), "utf8");
    for (const limit of proxy.limits) {
      const [, seconds] = limit.exec(text) ?? [];
      assert.ok(Number(seconds) > 60, `${limit}: ${seconds}`);
    }
    assert.equal(proxy.headersLimit.exec(text)?.[1], "10");
  });
}

/** A server and the proxy in front of it. */
async function behind(
  t: Cleanup,
  proxy: Proxy,
  options: Parameters<typeof testServer>[1],
  more: readonly (readonly [RegExp, string])[] = [],
) {
  const server = await testServer(t, {
    port: await freePort(),
    publicUrl: PUBLIC_URL,
    trustProxy: "127.0.0.1",
    heartbeatMs: HEARTBEAT_MS,
    retryMs: 100,
    ...options,
  });
  const { path: directory, remove } = tempDirectory();
  t.after(remove);
  const port = await freePort();
  const place = { port, upstream: server.port, directory, certificate: certificate(t) };
  let text = readFileSync(join(ROOT, "deploy", proxy.file), "utf8");
  for (const [from, to] of [...proxy.replaced(place), ...more]) {
    const changed = text.replaceAll(from, to);
    assert.notEqual(changed, text, `deploy/${proxy.file} has no ${from}`);
    text = changed;
  }
  const config = join(directory, proxy.file);
  writeFileSync(config, text);
  await started(t, proxy.command(config, place), place);
  const key = server.key();
  const bare = (url: string, ...args: string[]) => [
    ...["--connect-to", `example.com:443:127.0.0.1:${port}`, url],
    ...args,
  ];
  const ask = (path: string, ...args: string[]) =>
    bare(PUBLIC_URL + path, "-H", `Authorization: Bearer ${key}`, ...args);
  /** What a worker says, without the proxy. */
  const post = async (job: string, event: object) => {
    const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
    const body = JSON.stringify(event);
    const url = `${server.url}/v1/sync/job/${job}/events`;
    const answer = await fetch(url, { method: "POST", headers, body });
    assert.equal(answer.status, 200, await answer.text());
  };
  return { server, ask, bare, post };
}

async function started(t: Cleanup, command: readonly string[], place: Place): Promise<void> {
  const [program, ...args] = command;
  const env = { ...process.env, HOME: place.directory, XDG_DATA_HOME: place.directory };
  const child: ChildProcess = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => said += chunk);
  const failed = once(child, "error").then(([cause]) => {
    throw new Error(`There is no ${program}`, { cause });
  });
  const gone = once(child, "close").then(() => {
    throw new Error(`${program} ended: ${said}`);
  });
  t.after(async () => {
    child.kill("SIGTERM");
    await gone.catch(() => {});
  });
  await Promise.race([failed, gone, again(() => reached(place.port), (yes) => yes)]);
}

function reached(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}

/** Asks until the answer passes: another process is ready when it is ready. */
async function again<Answer>(
  ask: () => Promise<Answer>,
  passes: (answer: Answer) => boolean,
): Promise<void> {
  await until(async () => passes(await ask()), 50);
}

type Ask = (path: string, ...args: string[]) => string[];

async function newJob(t: Cleanup, ask: Ask): Promise<string> {
  const { body } = await curled(t, ask("/v1/sync/job", "--json", "{}"));
  return JSON.parse(body).id;
}

function subscribed(t: Cleanup, ask: Ask, job: string, ...args: string[]): Curl {
  const path = job.includes("/") ? job : `${job}/subscribe`;
  return curl(t, ask(`/v1/sync/job/${path}`, ...args));
}
