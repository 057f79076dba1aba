import assert from "node:assert/strict";
import { test } from "node:test";
import { curledToBreak } from "../support/curl.ts";
import { cookieOf, rawRequest } from "../support/raw_request.ts";
import { type RunningProgram, startProgram } from "../support/program.ts";

/** Runs a command on the server's data directory, as another process. */
async function command(
  t: Parameters<typeof startProgram>[0],
  { data }: RunningProgram,
  ...args: string[]
) {
  const { code, stdout, stderr } = await startProgram.toEnd(t, {
    args: [...args, "--data", data, "--json"],
  });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

test("keys revoke ends the open streams of the key, of its sessions and of its tickets, with a typed error", async (t) => {
  const server = await startProgram(t, { args: ["serve"] });
  const { id: keyId, key } = await command(t, server, "keys", "create", "--scopes", "read,write");
  const bearer = { Authorization: `Bearer ${key}` };
  const ask = (path: string, body: unknown, headers: Record<string, string> = bearer) =>
    rawRequest(server.url + path, { method: "POST", headers, body });
  const { id } = (await ask("/v1/sync/job", {})).json;
  const { url } = (await ask(`/v1/sync/job/${id}/ticket`, {})).json;
  const Cookie = cookieOf(await ask("/v1/session", { key }, {})) ?? "";
  const one = `${server.url}/v1/sync/job/${id}/subscribe`;
  const many = `${server.url}/v1/sync/jobs/subscribe`;
  const streams = await Promise.all([
    curledToBreak(t, { url: one, headers: bearer, opened: "connected" }),
    curledToBreak(t, { url: one, headers: { Cookie }, opened: "connected" }),
    curledToBreak(t, { url, opened: "connected" }),
    curledToBreak(t, { url: many, headers: bearer, opened: "snapshot_complete" }),
  ]);

  await command(t, server, "keys", "revoke", keyId);

  for (const { frames } of streams) {
    const { type, code, message } = (await frames).at(-1)?.data ?? {};
    assert.deepEqual({ type, code, message }, {
      type: "error",
      code: "access_revoked",
      message: "The key of this stream was revoked. The job goes on.",
    });
  }
  for (const [again, headers] of [[one, bearer], [one, { Cookie }], [url, {}]] as const) {
    assert.equal((await rawRequest(again, { headers })).status, 401);
  }
});

test("link prints a URL that signs one browser in, once, with the secret behind the #", async (t) => {
  const server = await startProgram(t, { args: ["serve"] });

  const { url, expires_in_s } = await command(t, server, "link", "--scopes", "read");
  const [base, link] = url.split("/#link=");
  const signIn = () =>
    rawRequest(`${server.url}/v1/session`, {
      method: "POST",
      headers: { Origin: server.url },
      body: { link },
    });
  const first = await signIn();
  const again = await signIn();

  assert.deepEqual([base, expires_in_s], [server.url, 900]);
  assert.deepEqual(first.json.scopes, ["read"]);
  assert.deepEqual([first.status, again.status], [200, 401]);
  assert.equal(server.stderr().includes(link), false);
});

test("link says that no server runs, also where one was killed", async (t) => {
  const server = await startProgram(t, { args: ["serve"] });
  await server.stop("SIGKILL");

  const { code, stderr } = await startProgram.toEnd(t, { args: ["link", "--data", "none"] });
  const killed = await startProgram.toEnd(t, { args: ["link", "--data", server.data] });

  assert.equal(code, 2);
  assert.match(stderr, /Cannot print a link: no server runs on "none"/);
  const words = `Cannot print a link: cannot reach ${server.url}: connection refused`;
  assert.deepEqual([killed.code, killed.stdout, killed.stderr], [2, "", `synctail: ${words}\n`]);
});

test("nothing that opens something is ever logged: keys, tickets, cookies, links, tokens", async (t) => {
  const server = await startProgram(t, { args: ["serve", "--log-level", "debug"] });
  const { key } = await command(t, server, "keys", "create");
  const { url: linkUrl } = await command(t, server, "link");
  const bearer = { Authorization: `Bearer ${key}` };
  const ask = (path: string, init: Parameters<typeof rawRequest>[1] = {}) =>
    rawRequest(path.startsWith("http") ? path : server.url + path, init);
  const post = (path: string, body: unknown, headers: Record<string, string> = bearer) =>
    ask(path, { method: "POST", headers, body });
  const { id } = (await post("/v1/sync/job", {})).json;
  await post(`/v1/sync/job/${id}/events`, { type: "end", status: "completed" });
  const { url, ticket } = (await post(`/v1/sync/job/${id}/ticket`, {})).json;
  const cookie = cookieOf(await post("/v1/session", { key }, {}))?.split("=")[1] ?? "";
  const link = linkUrl.split("#link=")[1];
  const token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJjYW5hcnkifQ.c2lnbmF0dXJl";

  await ask(url);
  await ask(`${url}x`);
  await ask(`${url}&logs=nonsense`);
  await ask(`/v1/sync/jobs/subscribe?status=nonsense&ticket=${ticket}`);
  await ask(`/v1/sync/jobs?ticket=${ticket}`, { headers: bearer });
  await ask(`/nowhere?ticket=${ticket}`);
  await ask(url, { method: "PUT" });
  await ask(url, { headers: { Host: "evil.example" } });
  await ask("/v1/sync", { headers: { Cookie: `synctail_${new URL(server.url).port}=${cookie}` } });
  await ask("/v1/sync", { headers: { Authorization: `Bearer ${token}` } });
  await ask("/v1/sync", { headers: { Authorization: `Bearer ${key}x` } });
  await post("/v1/session", { link }, { Origin: "https://evil.example" });
  await post("/v1/session", { link, key }, {});
  await post("/v1/session", `{"key": "${key}"`, {});
  const open = await fetch(`${server.url}/v1/sync/jobs/subscribe?ticket=${ticket}`);
  await server.stop("SIGTERM");
  await open.text().catch(() => "");

  const written = server.stderr() + server.stdout().replace(/^.*first start.*\n.*\n/m, "");
  for (
    const secret of [key, ticket, cookie, link, token, key.split("_").slice(2).join("_"), "canary"]
  ) {
    assert.ok(secret.length > 5);
    assert.equal(written.includes(secret), false, secret.slice(0, 12));
  }
});
