import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { networkAddress, pagesOf } from "../../src/cli/pages.ts";
import { type Cleanup, OWN, startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

test("link, exec and run print pages below the --public-url of the server that runs", async (t) => {
  const path = directory(t);
  const config = join(path, "synctail.json");
  const source = { type: "directory", path: "." };
  const destination = { type: "sqlite", path: join(path, "docs.db") };
  writeFileSync(config, JSON.stringify({ syncs: [{ name: "docs", source, destination }] }));
  const publicUrl = "https://example.com/synctail";
  const args = ["serve", "--config", config, "--public-url", publicUrl];
  const server = await startProgram(t, { args });
  const of = ["--data", server.data];

  const link = await startProgram.toEnd(t, { args: ["link", ...of, "--json"] });
  const exec = await startProgram.toEnd(t, { args: ["exec", ...of, "mine", "--", "true"] });
  const run = await startProgram.toEnd(t, { args: ["run", "docs", "--config", config, ...of] });

  assert.ok(JSON.parse(link.stdout).url.startsWith(`${publicUrl}/#link=`), link.stdout);
  assert.ok(exec.stderr.includes(`${publicUrl}/job/`), exec.stderr);
  assert.ok(run.stderr.includes(`${publicUrl}/job/`), run.stderr);
  assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
});

test("a server on all addresses says so, and its links are good elsewhere", async (t) => {
  const data = join(directory(t), "data");
  await startProgram.toEnd(t, { args: ["keys", "create", "--data", data] });
  const args = ["serve", "--hostname", "0.0.0.0", "--port", "0", "--data", data];
  const server = startProgram.raw(t, { command: OWN, args });
  await server.until((stdout) => stdout.includes("\n"));
  const [, port, reached] = /^Listening on http:\/\/0\.0\.0\.0:(\d+), reached at (\S+)\n/
    .exec(server.stdout()) ?? [];

  const link = await startProgram.toEnd(t, { args: ["link", "--data", data, "--json"] });
  const [base, secret] = JSON.parse(link.stdout).url.split("/#link=");
  const signedIn = await fetch(`${base}/v1/session`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ link: secret }),
  });
  await signedIn.body?.cancel();

  assert.equal(base, reached, server.stdout());
  assert.equal(new URL(base).port, port);
  assert.equal(signedIn.status, 200);
  const note = JSON.parse(readFileSync(join(data, "server.json"), "utf8"));
  assert.equal(note.url, `http://127.0.0.1:${port}`); // for the commands on this machine
});

test("pagesOf() takes the public URL, else the address on the network, else the server's own", () => {
  const url = "https://127.0.0.1:8017";
  const everywhere = { url, everywhere: true };

  assert.equal(pagesOf({ url }, () => "192.168.1.10"), url);
  assert.equal(pagesOf(everywhere, () => "192.168.1.10"), "https://192.168.1.10:8017");
  assert.equal(pagesOf(everywhere, () => "fd00::2"), "https://[fd00::2]:8017");
  assert.equal(pagesOf(everywhere, () => undefined), url);
  const publicUrl = "https://example.com/synctail/";
  assert.equal(pagesOf({ ...everywhere, publicUrl }, () => "192.168.1.10"), publicUrl);
});

test("networkAddress() takes an IPv4 address before an IPv6 one, and none of bridges to containers", () => {
  const at = (address: string, internal = false) => ({
    address,
    internal,
    family: address.includes(":") ? "IPv6" : "IPv4",
  });

  const lo = [at("127.0.0.1", true), at("::1", true)];
  assert.equal(networkAddress({ lo }), undefined);
  assert.equal(
    networkAddress({ lo, docker0: [at("172.17.0.1")], wlan0: [at("fd00::2"), at("10.0.0.2")] }),
    "10.0.0.2",
  );
  assert.equal(networkAddress({ lo, eth0: [at("fe80::1"), at("fd00::2")] }), "fd00::2");
  assert.equal(networkAddress({ lo, "br-5e1f": [at("172.18.0.1")] }), undefined);
});

function directory(t: Cleanup): string {
  const { path, remove } = tempDirectory();
  t.after(remove);
  return path;
}
