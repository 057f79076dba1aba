import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { readTicketKeys } from "../../src/cli/auth_config.ts";
import { parseConfig } from "../../src/cli/config_file.ts";
import { rawRequest } from "../support/raw_request.ts";
import { testServer } from "../support/server.ts";
import { tempDirectory } from "../support/temp.ts";

const DOC = readFileSync(new URL("../../docs/auth.md", import.meta.url), "utf8");
const OWN = "Bun" in globalThis ? [process.execPath, "run"] : [process.execPath, "run", "-A"];

/** The fenced blocks of that language. */
function blocks(language: string): string[] {
  const fenced = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm");
  return [...DOC.matchAll(fenced)].map(([, text]) => text);
}

for (
  const [language, file, command, call] of [
    [
      "ts",
      "ticket.ts",
      OWN,
      'import process from "node:process";\nconsole.log(ticketFor(process.argv[2]));\n',
    ],
    ["python", "ticket.py", ["python3"], "import sys\nprint(ticket_for(sys.argv[1]))\n"],
  ] as const
) {
  test(`a ticket that a backend signs as docs/auth.md does in ${language} opens its job and no other`, async (t) => {
    const { path, remove } = tempDirectory();
    t.after(remove);
    writeFileSync(join(path, "shop.secret"), `${randomBytes(32).toString("base64")}\n`);
    const [config] = blocks("json").filter((text) => text.includes("ticket_keys"));
    const { auth } = parseConfig(config, join(path, "synctail.json"));
    assert.equal((await readTicketKeys(auth.ticketKeys)).length, 1);
    const server = await testServer(t, { auth });
    const post = (place: string, body: object) =>
      rawRequest(`${server.url}/v1/sync/job${place}`, {
        method: "POST",
        headers: { Authorization: `Bearer ${server.key()}` },
        body,
      });
    const [job, other] = [(await post("", {})).json, (await post("", {})).json];
    for (const { id } of [job, other]) {
      await post(`/${id}/events`, { type: "end", status: "completed" });
    }
    const [example] = blocks(language);
    writeFileSync(join(path, file), example + call);

    const [program, ...args] = [...command, file, job.id];
    const child = spawn(program, args, { cwd: path, stdio: ["ignore", "pipe", "inherit"] });
    let ticket = "";
    child.stdout.on("data", (chunk) => ticket += chunk);
    await new Promise((resolve) => child.on("close", resolve));
    const stream = (id: string) =>
      rawRequest(`${server.url}/v1/sync/job/${id}/subscribe?ticket=${ticket.trim()}`);

    const own = await stream(job.id);
    assert.equal(own.status, 200);
    assert.match(own.text, /"is_complete": true/);
    assert.equal((await stream(other.id)).status, 404);
  });
}

test("the identity provider of docs/auth.md is one that synctail.json takes", () => {
  const [config] = blocks("json").filter((text) => text.includes("identity_providers"));

  const { auth } = parseConfig(config, "synctail.json");

  assert.equal(auth.providers[0].tenantClaim, "https://example.com/tenant");
});

test("the page of docs/auth.md asks its backend again for a ticket, but not for a job that is gone", async () => {
  const [example] = blocks("js");
  const answers = [
    () => Promise.reject(new TypeError("fetch failed")),
    () => Promise.resolve(new Response(null, { status: 503 })),
    () => Promise.resolve(Response.json({ url: "https://example.com/s?ticket=1" })),
    () => Promise.resolve(new Response(null, { status: 404 })),
  ];
  const sources: { url: string; readyState: number; onmessage: unknown; onerror: unknown }[] = [];
  class Source {
    static CLOSED = 2;
    readyState = 1;
    onmessage: unknown;
    onerror: unknown;
    constructor(readonly url: string) {
      sources.push(this);
    }
  }
  const due: (() => Promise<void>)[] = [];
  const timer = (act: (...given: unknown[]) => Promise<void>, _ms: number, ...given: unknown[]) => {
    due.push(() => act(...given));
  };
  const page = new Function("fetch", "EventSource", "setTimeout", `${example}return follow;`);
  const follow = page(() => answers.shift()!(), Source, timer);
  const shown: unknown[] = [];

  await follow("j1", (frame: unknown) => shown.push(frame));
  await due.shift()?.();
  await due.shift()?.();
  const [source] = sources as unknown as {
    url: string;
    readyState: number;
    onmessage(message: object): void;
    onerror(): void;
  }[];
  source.onmessage({ data: '{"type": "progress"}', lastEventId: "e-7" });
  source.readyState = Source.CLOSED;
  source.onerror();
  await due.shift()?.();

  assert.equal(source.url, "https://example.com/s?ticket=1&last_event_id=");
  assert.deepEqual(shown, [{ type: "progress" }]);
  assert.deepEqual([sources.length, answers.length, due.length], [1, 0, 0]);
});
