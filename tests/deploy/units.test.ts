/** What a running systemd showed: the units of deploy/ and of docs/home.md. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = new URL("../..", import.meta.url).pathname;
/** How often systemd starts a unit within ten seconds before it gives up, where nothing is said. */
const STARTS = 5;
const STARTS_S = 10;

const service = readFileSync(join(ROOT, "deploy", "synctail.service"), "utf8");
const [server, backup] = [
  ...readFileSync(join(ROOT, "docs", "home.md"), "utf8").matchAll(/```ini\n(.*?)```/gs),
].map(([, text]) => text ?? "");

/** The values of a setting. */
const said = (unit: string | undefined, setting: string) =>
  [...(unit ?? "").matchAll(new RegExp(`^${setting}=(.*)$`, "gm"))].map(([, value]) => value);

test("a server that cannot start yet is tried until it can", () => {
  for (const unit of [service, server]) {
    const [limit] = said(unit, "StartLimitIntervalSec");
    const [wait] = said(unit, "RestartSec");

    assert.ok(limit === "0" || Number(wait) * STARTS > STARTS_S, `${limit}, ${wait} s`);
  }
});

test("a reload that comes before the server hears it does not end the service", () => {
  // By itself systemd takes an end by SIGHUP for a clean one, after which nothing is started again.
  assert.deepEqual(said(service, "RestartForceExitStatus"), ["SIGHUP"]);
});

test("programs of syncs have a home, which is the service's own", () => {
  const [state] = said(service, "StateDirectory");

  assert.deepEqual(said(service, "Environment").at(-1), `HOME=/var/lib/${state}`);
});

test("a server that listens on all addresses may ask for them", () => {
  assert.match(said(service, "RestrictAddressFamilies").join(" "), /\bAF_NETLINK\b/);
});

test("a nightly backup does not fill the journal with its files", () => {
  assert.deepEqual(said(backup, "StandardOutput"), ["null"]);
  // Left out, stderr goes where stdout goes.
  assert.deepEqual(said(backup, "StandardError"), ["journal"]);
});
