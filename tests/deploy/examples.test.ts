import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { SETTING_ROWS } from "../../src/cli/server_settings.ts";
import { testServer } from "../support/server.ts";
import { tempDirectory } from "../support/temp.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const DEPLOY = join(ROOT, "deploy");

const read = (name: string) => readFileSync(join(DEPLOY, name), "utf8");

function ran(program: string, ...args: string[]): string {
  const { error, status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (error) throw new Error(`There is no ${program}`, { cause: error });
  assert.equal(status, 0, stdout + stderr);
  return stdout + stderr;
}

test("the unit is sound, and is exposed as little as it says", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const unit = join(path, "synctail.service");
  const text = read("synctail.service").replaceAll("/usr/local/bin/synctail", process.execPath);
  writeFileSync(unit, text);

  const verified = ran("systemd-analyze", "verify", unit);
  // In tenths; a service of which nothing is said has 96.
  const exposed = ran("systemd-analyze", "security", "--offline=true", "--threshold=15", unit);

  assert.doesNotMatch(verified, /synctail\.service/);
  assert.match(exposed, /Overall exposure level for synctail\.service: 1\.\d/);
});

test("nginx takes the location that docs/migrate.md switches", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const docs = readFileSync(join(ROOT, "docs", "migrate.md"), "utf8");
  const [, location] = /```nginx\n(.*?)```/s.exec(docs) ?? [];
  const conf = join(path, "nginx.conf");
  const own = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${join(path, name)};`).join(" ");
  const server = `server { listen unix:${join(path, "socket")}; ${location} }`;
  writeFileSync(
    conf,
    `pid ${join(path, "pid")}; events {} http { access_log off; ${own} ${server} }`,
  );

  const tried = ran("nginx", "-t", "-p", path, "-e", "stderr", "-c", conf);

  assert.match(tried, /test is successful/);
});

test("the examples in YAML can be read", () => {
  const files = readdirSync(DEPLOY).filter((name) => name.endsWith(".yaml"));

  assert.deepEqual(files.sort(), ["compose.yaml", "kubernetes.yaml"]);
  const rules = "{extends: relaxed, rules: {line-length: disable}}";
  ran("yamllint", "--strict", "-d", rules, ...files.map((name) => join(DEPLOY, name)));
});

test("variables and flags of the examples are the server's", () => {
  const text = readdirSync(DEPLOY).map(read).join("\n");
  const variables = text.match(/\bSYNCTAIL_[A-Z_]+/g) ?? [];
  const started = [...text.matchAll(/^(?:ExecStart=|# The server: )(.*)$/gm)].map(([, line]) =>
    line
  );
  const flags = started.join(" ").match(/--[a-z-]+/g) ?? [];

  assert.ok(variables.length > 8 && flags.length > 6);
  const known = SETTING_ROWS.flatMap(({ env, flag }) => [env, `--${flag}`]);
  assert.deepEqual([...variables, ...flags].filter((name) => !known.includes(name)), []);
});

test("probes ask for what the server answers, without a key and by its address", async (t) => {
  const server = await testServer(t, { hostname: "0.0.0.0", publicUrl: "https://example.com/s" });
  const paths = [...read("kubernetes.yaml").matchAll(/path: (\/\S+)/g)].map(([, path]) => path);
  paths.push(/ uri (\S+)/.exec(read("haproxy.cfg"))?.[1] ?? "");

  const statuses = await Promise.all(paths.map(async (path) => {
    const { status, body } = await fetch(server.url + path);
    await body?.cancel();
    return [path, status];
  }));

  assert.deepEqual(statuses, [
    ["/readyz", 200],
    ["/healthz", 200],
    ["/healthz", 200],
    ["/readyz", 200],
  ]);
});

test("Kubernetes lets a start bring a log of 5 GB up to date", () => {
  const [, probe] = /startupProbe:(.*?)livenessProbe:/s.exec(read("kubernetes.yaml")) ?? [];
  const [every, times] = ["periodSeconds", "failureThreshold"].map((name) =>
    Number(new RegExp(`${name}: (\\d+)`).exec(probe ?? "")?.[1])
  );

  assert.ok(every * times >= 600, `${every * times} s`);
});

test("the image is built of what is there, and does not run as root", () => {
  const text = read("Containerfile");
  const copied = [...text.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, names]) =>
    names.split(" ")
  );

  assert.deepEqual(copied.sort(), [
    "bun.lock",
    "deno.json",
    "main.ts",
    "package.json",
    "run",
    "src",
  ]);
  assert.deepEqual(copied.filter((name) => !existsSync(join(ROOT, name))), []);
  assert.match(text, /^USER 10001:10001$/m);
  const [, version] = /BUN_VERSION=(\S+)/.exec(readFileSync(join(ROOT, "run"), "utf8")) ?? [];
  assert.ok(text.includes(`FROM oven/bun:${version} AS build`), version);
});
