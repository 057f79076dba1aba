/** Secrets and the words of exceptions, searched for in all that a server says. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { ASSETS } from "../../src/page/assets.ts";
import { type Operation, operationsOf } from "../support/open_api.ts";
import { type Cleanup, type RunningProgram, startProgram } from "../support/program.ts";
import { cookieOf, rawRequest } from "../support/raw_request.ts";

const JSON_TYPE = { "Content-Type": "application/json" };
const PAGES = [
  "/",
  "/job/1",
  "/sync/docs",
  "/docs",
  "/problems",
  "/problems/not-found",
  "/nowhere",
];

/** A server at its most talkative, and all that it has answered, headers and bodies. */
class Told {
  readonly answers: string[] = [];
  readonly program: RunningProgram;
  readonly operations: readonly Operation[];
  readonly #t: Cleanup;

  private constructor(t: Cleanup, program: RunningProgram, operations: readonly Operation[]) {
    this.#t = t;
    this.program = program;
    this.operations = operations;
  }

  static async start(t: Cleanup): Promise<Told> {
    const program = await startProgram(t, { args: ["serve", "--log-level", "debug"] });
    return new Told(t, program, (await operationsOf(program.url)).operations);
  }

  /** Asks, keeps the answer (of a stream its first chunk), and gives its status and id. */
  async ask(path: string, init: RequestInit = {}) {
    const answer = await fetch(this.program.url + path, { redirect: "manual", ...init });
    const reader = answer.body?.getReader();
    const stream = answer.headers.get("Content-Type") === "text/event-stream";
    const decoder = new TextDecoder();
    let text = "";
    for (let more = await reader?.read(); more && !more.done; more = await reader?.read()) {
      text += decoder.decode(more.value, { stream: true });
      if (stream) break;
    }
    await reader?.cancel();
    // A session's cookie is renewed by the one header that is there for it.
    const headers = [...answer.headers].filter(([name]) => name !== "set-cookie");
    this.answers.push(headers.map((header) => header.join(": ")).join("\n"), text);
    return { status: answer.status, text, requestId: answer.headers.get("X-Request-Id") };
  }

  /** Every page and every file of it, asked for with that behind its path. */
  async askPages(behind: string, headers: Record<string, string>): Promise<void> {
    for (const page of PAGES) {
      for (const Accept of ["text/html", "text/markdown", "text/plain", "application/json"]) {
        await this.ask(page + behind, { headers: { ...headers, Accept } });
      }
    }
    const { text } = await this.ask("/");
    const [, folder] = /(assets\/[\w-]+\/)/.exec(text) ?? [];
    for (const name of Object.keys(ASSETS)) {
      const { status } = await this.ask(`/${folder}${name}${behind}`, { headers });
      assert.equal(status, 200, name);
    }
    await this.ask(`/${folder}nothing.js${behind}`, { headers });
  }

  /** What a scrape gets. */
  async metrics(key: string): Promise<string> {
    const { status, text } = await this.ask("/metrics", { headers: bearer(key) });
    assert.equal(status, 200);
    assert.match(text, /^synctail_/m);
    return text;
  }

  /** Runs a command on the server's data directory. */
  async command(...args: string[]) {
    const { data } = this.program;
    const { code, stdout, stderr } = await startProgram.toEnd(this.#t, {
      args: [...args, "--data", data, "--json"],
    });
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  /** The place of an operation, for a job and a sync. */
  placeOf({ path }: Operation, id: string): string {
    return path.replace("{job_id}", id).replace("{sync}", "docs");
  }
}

function bearer(key: string): Record<string, string> {
  return { Authorization: `Bearer ${key}` };
}

test("no key, ticket, cookie or link is in a log line, a metric, an answer or the page", async (t) => {
  const told = await Told.start(t);
  const { url } = told.program;
  await told.program.firstKey();
  const first = told.program.stderr().length; // the first key is shown there
  const { key } = await told.command("keys", "create", "--scopes", "read,run,write");
  const { key: scraper } = await told.command("keys", "create", "--scopes", "metrics");
  const link = (await told.command("link")).url.split("#link=")[1];
  const used = (await told.command("link")).url.split("#link=")[1];
  const post = (path: string, body: unknown, headers = bearer(key)) =>
    rawRequest(url + path, { method: "POST", headers, body });
  const { id } = (await post("/v1/sync/job", {})).json;
  const { ticket } = (await post(`/v1/sync/job/${id}/ticket`, {})).json;
  const Cookie = cookieOf(await post("/v1/session", { key }, {})) ?? "";
  assert.equal((await post("/v1/session", { link: used }, { Origin: url })).status, 200);
  const wrong = "st_0123456789_canarycanarycanarycanarycanarycanarycanarycan";
  const secrets = [
    ...[key, scraper, wrong].map((each) => each.slice(14)),
    ...[ticket, `${ticket}x`].map((each) => each.split(".").at(-1)),
    Cookie.split("=")[1],
    link,
    used,
    "canary-cookie",
    "canary-ticket",
  ];
  const name = Cookie.split("=")[0];
  const ways: Record<string, string>[] = [
    bearer(key),
    bearer(wrong),
    bearer(scraper),
    { "X-API-Key": wrong },
    { Authorization: `Basic ${key}` },
    { Cookie: `${name}=canary-cookie` },
    { Cookie },
    { ...bearer(key), "Last-Event-ID": "nonsense", "Producer-Id": "x".repeat(300) },
  ];
  const broken = [`{"key": "${key}"`, `{"link": "${used}"}`, `{"link": "${link}", "key": 1}`];

  for (const operation of told.operations) {
    const { method, path } = operation;
    const place = told.placeOf(operation, id);
    // Its own session is needed to the end.
    if (path === "/v1/tenant" || method === "DELETE") continue;
    for (const body of method === "POST" ? broken : [undefined]) {
      for (const headers of ways) {
        await told.ask(place, { method, headers: { ...headers, ...JSON_TYPE }, body });
      }
      for (
        const query of [`ticket=${ticket}&logs=nonsense`, `ticket=${ticket}x`, `ticket=${key}`]
      ) {
        await told.ask(`${place}?${query}`, { method, headers: JSON_TYPE, body });
      }
    }
    await told.ask(`${place}?ticket=canary-ticket`, { method: "PUT", headers: bearer(key) });
  }
  await told.askPages(`?ticket=${ticket}&key=${key}&link=${link}`, { Cookie, ...bearer(key) });
  const metrics = await told.metrics(scraper);
  await told.program.stop("SIGTERM");

  const logged = told.program.stderr().slice(first) + told.program.stdout();
  const said = told.answers.join("\n");
  for (const secret of secrets) {
    assert.ok(secret && secret.length > 5);
    assert.ok(!logged.includes(secret), `${secret} is in the log`);
    assert.ok(!metrics.includes(secret), `${secret} is in a metric`);
    assert.ok(!said.includes(secret), `${secret} is in an answer`);
  }
  assert.ok(told.answers.length > 400, `${told.answers.length}`);
  assert.ok(!metrics.includes(id), "labels hold no job");
});

test("no answer, metric or page holds an exception's words; the log has them, by the answer's id", async (t) => {
  const told = await Told.start(t);
  const { key } = await told.command("keys", "create", "--scopes", "read,run,write");
  const { key: scraper } = await told.command("keys", "create", "--scopes", "metrics");
  const { json: { id } } = await rawRequest(`${told.program.url}/v1/sync/job`, {
    method: "POST",
    headers: bearer(key),
    body: {},
  });
  const db = new DatabaseSync(join(told.program.data, "log.db"), { timeout: 5_000 });
  db.exec("ALTER TABLE jobs RENAME TO canary");
  db.close();

  const faults: (string | null)[] = [];
  for (const operation of told.operations) {
    const { method } = operation;
    const { status, requestId } = await told.ask(told.placeOf(operation, id), {
      method,
      headers: { ...bearer(key), ...JSON_TYPE },
      body: method === "POST" ? "{}" : undefined,
    });
    if (status === 500) faults.push(requestId);
  }
  await told.askPages("", bearer(key));
  await told.ask("/metrics", { headers: bearer(scraper) });
  await told.program.stop("SIGTERM");

  const logged = told.program.stderr();
  const words = /no such table|canary|sqlite|\bat .*\.ts:\d+|\/src\/|Error:/i;
  assert.ok(faults.length > 5, `${faults.length} answers of 500`);
  for (const answer of told.answers) {
    if (ASSET_TEXTS.has(answer)) continue; // written by us, and read above
    assert.doesNotMatch(answer, words);
  }
  for (const requestId of faults) {
    const lines = logged.split("\n").filter((line) => line.includes(String(requestId)));
    assert.ok(lines.some((line) => line.includes("no such table")), `${requestId}`);
  }
});

const ASSET_TEXTS = new Set(Object.values(ASSETS).map(({ text }) => text));
