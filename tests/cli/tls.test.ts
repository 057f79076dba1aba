import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { test } from "node:test";
import { fetchFrom } from "../../src/client/fetch_from.ts";
import { serverOf } from "../../src/log/data_directory.ts";
import { certificate } from "../support/certificate.ts";
import { startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

test("serve speaks HTTPS, and the commands of its data directory talk to it though nobody else vouches for it", async (t) => {
  const { cert, key } = certificate(t);
  const { path, remove } = tempDirectory();
  t.after(remove);
  writeFileSync(join(path, "a.txt"), "a");
  const config = join(path, "synctail.json");
  const sync = { name: "docs", source: { type: "directory", path: "." } };
  const destination = { type: "sqlite", path: "docs.db" };
  writeFileSync(config, JSON.stringify({ syncs: [{ ...sync, destination }] }));
  const args = ["--config", config, "--tls-cert", cert, "--tls-key", key];
  const server = await startProgram(t, { args: ["serve", ...args] });
  const of = ["--data", server.data, "--json"];

  const run = await startProgram.toEnd(t, { args: ["run", "docs", "--config", config, ...of] });
  const job = JSON.parse(run.stdout.split("\n")[0]).job_id;
  const watch = await startProgram.toEnd(t, { args: ["watch", job, ...of] });
  const exported = await startProgram.toEnd(t, { args: ["export", ...of] });
  const health = await startProgram.toEnd(t, { args: ["health", ...of] });
  const exec = await startProgram.toEnd(t, {
    args: ["exec", "--data", server.data, "mine", "--", "sh", "-c", "echo out; exit 7"],
  });
  const told = await startProgram.toEnd(t, { args: ["export", "--sync", "mine", ...of] });

  assert.ok(run.stderr.includes(server.url)); // it has used this one
  assert.match(server.url, /^https:\/\/127\.0\.0\.1:\d+$/);
  assert.deepEqual([run.code, watch.code, exported.code, health.code], [0, 0, 0, 0], run.stderr);
  assert.match(watch.stdout, /"status":"completed"/);
  assert.deepEqual(JSON.parse(health.stdout), { healthy: true, url: server.url });
  assert.deepEqual([exec.code, exec.stdout], [7, "out\n"], exec.stderr);
  assert.ok(exec.stderr.includes(`${server.url}/job/`), exec.stderr);
  assert.match(told.stdout, /"status":"failed"/);
  assert.equal(await server.stop("SIGTERM"), 0);
});

test("a session's cookie is Secure over HTTPS, and another certificate is not asked anything", async (t) => {
  const { cert, key } = certificate(t);
  const server = await startProgram(t, { args: ["serve", "--tls-cert", cert, "--tls-key", key] });
  const fingerprint = serverOf(server.data)?.fingerprint ?? "";
  const other = (fingerprint.startsWith("0") ? "1" : "0") + fingerprint.slice(1);
  const bearer = await server.firstKey();
  const headers = { Authorization: `Bearer ${bearer}` };

  const link = await startProgram.toEnd(t, { args: ["link", "--data", server.data, "--json"] });
  const signedIn = await fetchFrom(`${server.url}/v1/sync`, { headers }, fingerprint);
  const cookie = await cookieOf(server.url, bearer);

  assert.match(JSON.parse(link.stdout).url, /^https:/);
  assert.match(cookie, /^synctail_\d+=.*; Secure/);
  assert.equal(signedIn.status, 200);
  await signedIn.body?.cancel();
  await assert.rejects(
    fetchFrom(`${server.url}/v1/sync`, { headers }, other),
    /has another certificate than the server of the data directory/,
  );
});

function cookieOf(url: string, key: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      method: "POST",
      rejectUnauthorized: false,
      headers: { "Content-Type": "application/json", Connection: "close" },
    };
    request(`${url}/v1/session`, options, (answer) => {
      answer.resume();
      resolve(answer.headers["set-cookie"]?.[0] ?? "");
    }).on("error", reject).end(JSON.stringify({ key }));
  });
}

for (
  const [what, args, words] of [
    [
      "of another key",
      (a: string, _: string, b: string) => [a, b],
      /it is not the key of the cert/,
    ],
    ["the wrong way round", (a: string, b: string) => [b, a], /expected a certificate in PEM/],
    ["without its key", (a: string) => [a], /--tls-key: got nothing: expected a file beside/],
    ["that is not there", (a: string) => [a, `${a}.no`], /cert\.pem\.no: there is no such file/],
  ] as const
) {
  test(`serve refuses a certificate ${what}`, async (t) => {
    const [one, other] = [certificate(t), certificate(t)];
    const [cert, key] = args(one.cert, one.key, other.key);
    const { path, remove } = tempDirectory();
    t.after(remove);

    const { code, stderr } = await startProgram.toEnd(t, {
      args: [
        "serve",
        "--data",
        join(path, "data"),
        ...["--port", "0", "--tls-cert", cert],
        ...(key === undefined ? [] : ["--tls-key", key]),
      ],
    });

    assert.equal(code, 2);
    assert.match(stderr, words);
    assert.ok(!stderr.includes(readFileSync(one.key, "utf8").split("\n")[1]));
  });
}
