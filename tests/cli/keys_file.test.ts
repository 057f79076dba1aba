import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { curledToBreak } from "../support/curl.ts";
import { type Cleanup, startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";
import { until } from "../support/until.ts";

function directory(t: Cleanup): string {
  const { path, remove } = tempDirectory();
  t.after(remove);
  return path;
}

async function unsaved(t: Cleanup, ...args: string[]): Promise<string> {
  const data = join(directory(t), "data");
  const { stdout } = await startProgram.toEnd(t, {
    args: ["keys", "create", "--unsaved", "--data", data, ...args],
  });
  return stdout;
}

const keyOf = (line: string) => line.split(" ")[0];

const status = async (url: string, headers: Record<string, string>) => {
  const answer = await fetch(url, { headers });
  await answer.body?.cancel();
  return answer.status;
};

test("keys create --unsaved prints a line for a keys file, and keeps the key nowhere", async (t) => {
  const data = join(directory(t), "data");
  const of = ["--data", data];

  const { stdout, code } = await startProgram.toEnd(t, {
    args: [
      ...["keys", "create", "--unsaved", "--tenant", "acme", "--scopes", "read,run"],
      ...["--name", "nightly jobs", ...of],
    ],
  });
  const listed = await startProgram.toEnd(t, { args: ["keys", "list", ...of] });

  assert.equal(code, 0);
  assert.match(stdout, /^st_[0-9a-z]+_[\w-]+ acme read,run nightly jobs\n$/);
  assert.equal(listed.stdout, "");
});

test("keys create --unsaved prints one line, whatever the key is for", async (t) => {
  const line = await unsaved(t, "--name", `for\r\nthe "ключ"\nst_0123456789_x acme write\n`);

  assert.match(line, /^st_\S+ default read,run,write for the "ключ" st_0123456789_x acme write\n$/);
});

test("keys create --unsaved --json prints JSON, as without --unsaved", async (t) => {
  const { id, key, ...rest } = JSON.parse(await unsaved(t, "--json"));

  assert.deepEqual(rest, { tenant: "default", scopes: ["read", "run", "write"] });
  assert.ok(key.startsWith(`st_${id}_`));
});

test("servers with the same files take each other's keys, sessions and tickets", async (t) => {
  const path = directory(t);
  const line = await unsaved(t, "--name", "replicas");
  const key = keyOf(line);
  const [keysFile, secretFile] = [join(path, "keys"), join(path, "secret")];
  writeFileSync(keysFile, `# for both\n\n${line}`, { mode: 0o600 });
  writeFileSync(secretFile, "0123456789abcdef0123456789abcdef\n", { mode: 0o600 });
  const args = ["serve", "--keys-file", keysFile, "--ticket-secret-file", secretFile];
  const env = { SYNCTAIL_PUBLIC_URL: "https://sync.example" };
  const [a, b] = await Promise.all([1, 2].map(() => startProgram(t, { args, env })));
  const json = { "Content-Type": "application/json", Authorization: `Bearer ${key}` };
  const post = async (path: string, body: object) =>
    await fetch(a.url + path, { method: "POST", headers: json, body: JSON.stringify(body) });
  const { id } = await (await post("/v1/sync/job", {})).json();
  const { ticket } = await (await post(`/v1/sync/job/${id}/ticket`, { for: "tenant" })).json();
  const session = await fetch(`${a.url}/v1/session`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ key }),
  });
  await session.body?.cancel();
  const cookie = session.headers.get("Set-Cookie")?.split(";")[0] ?? "";

  assert.equal(await status(`${b.url}/v1/sync`, { "X-API-Key": key }), 200);
  assert.equal(await status(`${b.url}/v1/sync`, { Cookie: cookie }), 200);
  assert.equal(await status(`${b.url}/v1/sync/jobs/subscribe?ticket=${ticket}`, {}), 200);
  assert.match(session.headers.get("Set-Cookie") ?? "", /; Secure/);
  // There is a key, so neither has made one of its own at its first start.
  assert.doesNotMatch(a.stderr() + b.stderr(), /\bst_/);
});

test("SIGHUP takes the keys file anew: streams end whose key is gone or may no longer read", async (t) => {
  const path = directory(t);
  const [leaving, narrowed, staying, coming] = await Promise.all(
    [1, 2, 3, 4].map(() => unsaved(t)),
  );
  const file = join(path, "keys");
  writeFileSync(file, leaving + narrowed + staying);
  const server = await startProgram(t, { args: ["serve", "--keys-file", file] });
  const streams = await Promise.all(
    [leaving, narrowed].map((line) =>
      curledToBreak(t, {
        url: `${server.url}/v1/sync/jobs/subscribe`,
        headers: { Authorization: `Bearer ${keyOf(line)}` },
        opened: "snapshot_complete",
      })
    ),
  );

  writeFileSync(file, narrowed.replace("read,run,write", "write") + staying + coming);
  process.kill(server.pid, "SIGHUP");

  const farewells = await Promise.all(
    streams.map(async ({ frames }) => (await frames).at(-1)?.data),
  );
  const answers = await Promise.all(
    [leaving, narrowed, staying, coming].map((line) =>
      status(`${server.url}/v1/sync`, { Authorization: `Bearer ${keyOf(line)}` })
    ),
  );
  const ended = (message: string) => ({ type: "error", code: "access_revoked", message });
  assert.deepEqual(farewells, [
    ended("The key of this stream was revoked. The job goes on."),
    ended("The key of this stream may not read this any more. The job goes on."),
  ]);
  assert.deepEqual(answers, [401, 403, 200, 200]);

  writeFileSync(file, `${staying}st_half default read\n`);
  process.kill(server.pid, "SIGHUP");
  await until(() => server.stderr().includes("is not taken, so nothing has changed"));

  const { stderr } = server;
  assert.match(stderr(), /keys: line 2: expected a key as `keys create --unsaved` prints it/);
  assert.equal(await status(`${server.url}/v1/sync`, { "X-API-Key": keyOf(coming) }), 200);
  writeFileSync(file, staying);
  process.kill(server.pid, "SIGHUP");
  await until(() => stderr().includes('keys was read again: 1 key"'));
  assert.ok(stderr().includes('keys was read again: 3 keys"'), stderr());
  for (const line of [leaving, staying, coming]) assert.ok(!stderr().includes(keyOf(line)));
});

for (
  const [what, file, text, words] of [
    ["no scope", "keys", (line: string) => line.replace("read,run,write", ""), /line 1: /],
    [
      "a key twice",
      "keys",
      (line: string) => line + line,
      /line 2: the key \w+ stands there twice/,
    ],
    [
      "a short secret",
      "secret",
      () => "0123456789\n",
      /secret: expected a secret of at least 32 b/,
    ],
  ] as const
) {
  test(`serve refuses a file with ${what}, and quotes no secret`, async (t) => {
    const path = join(directory(t), file);
    const line = await unsaved(t);
    writeFileSync(path, text(line));
    const flag = file === "keys" ? "--keys-file" : "--ticket-secret-file";

    const { code, stderr } = await startProgram.toEnd(t, {
      args: ["serve", "--port", "0", "--data", join(directory(t), "data"), flag, path],
    });

    assert.equal(code, 2);
    assert.match(stderr, words);
    assert.ok(!stderr.includes(keyOf(line).slice(14)) && !stderr.includes("0123456789"));
  });
}
