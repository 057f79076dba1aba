import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fetchFrom } from "../../src/client/fetch_from.ts";
import { type Cleanup, startProgram } from "../support/program.ts";
import { RUN } from "../support/runtime.ts";
import { testServer } from "../support/server.ts";
import { tempDirectory } from "../support/temp.ts";

/** A proxy that refuses all, and what it was asked. */
async function refusingProxy(t: Cleanup) {
  const heard: string[] = [];
  const proxy = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (bytes) => {
      heard.push(String(bytes));
      socket.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    });
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.after(() => void proxy.close());
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, heard };
}

/** Variables that send every request through that proxy. */
const proxiedBy = (url: string) => ({
  HTTP_PROXY: url,
  http_proxy: url,
  NO_PROXY: "",
  no_proxy: "",
});

test("a worker in TypeScript asks a server on this machine itself, and tells a proxy no key", async (t) => {
  const { url, heard } = await refusingProxy(t);
  const server = await testServer(t);
  const child = new URL("../support/proxied_child.ts", import.meta.url).pathname;
  const told = (run: readonly string[], env: Record<string, string>) =>
    startProgram.toEnd(t, { command: [...run, child], args: [server.url, server.key()], env });
  // Of Deno's permissions it needs that of the network alone.
  const bare = RUN.flatMap((word) => word === "-A" ? ["--no-prompt", "--allow-net"] : word);

  const ends = [
    await told(RUN, proxiedBy(url)),
    await told(bare, proxiedBy(url)),
    await told(bare, {}),
  ];

  for (const { code, stdout, stderr } of ends) {
    assert.deepEqual([code, stdout, stderr], [0, "true\n", ""]);
  }
  assert.deepEqual(heard, []);
});

test("a worker in TypeScript asks nobody at its terminal whether it may look for a proxy", async (t) => {
  const server = await testServer(t);
  const support = new URL("../support/", import.meta.url).pathname;
  const limited = [process.execPath, "run", "--quiet", "--allow-net=127.0.0.1"];
  const run = "Bun" in globalThis ? RUN : limited;

  const { stdout } = await startProgram.toEnd(t, {
    command: ["python3", `${support}terminal.py`, "Allow?", "A\r"],
    args: [...run, `${support}proxied_child.ts`, server.url, server.key()],
    env: { NO_COLOR: "1" },
  });

  assert.equal(stdout.replaceAll("\r\n", "\n"), "true\nended 0\n");
});

test("commands ask a server on this machine themselves, and tell a proxy no key", async (t) => {
  const { url, heard } = await refusingProxy(t);
  const { path, remove } = tempDirectory();
  t.after(remove);
  const env = { ...proxiedBy(url), XDG_STATE_HOME: path };
  const config = join(path, "synctail.json");
  const source = { type: "directory", path: "." };
  const destination = { type: "sqlite", path: "docs.db" };
  writeFileSync(config, JSON.stringify({ syncs: [{ name: "docs", source, destination }] }));
  const server = await startProgram(t, { args: ["serve", "--config", config], env });
  const of = ["--data", server.data];
  const named = ["--server", server.url, "--key", /st_\S+/.exec(server.stderr())?.[0] ?? ""];
  const ended = (...args: string[]) => startProgram.toEnd(t, { args, env });

  const exec = (...to: string[]) => ended("exec", ...to, "n", "--", "sh", "-c", "echo $HTTP_PROXY");
  const execs = [await exec(...of), await exec(...named), await exec("--data", join(path, "own"))];
  const run = await ended("run", "docs", "--config", config, ...of, "--json");
  const job = JSON.parse(run.stdout.split("\n")[0]).job_id;
  const others = [
    run,
    await ended("watch", job, ...named, "--json"),
    await ended("health", ...of),
    await ended("exec", "--flush", ...of),
  ];
  const jobs = await ended("export", ...of);

  for (const { code, stdout, stderr } of execs) {
    assert.deepEqual([code, stdout], [0, `${url}\n`]);
    assert.equal(stderr.trim().split("\n").length, 1, stderr); // which job it is, and no fault
  }
  assert.deepEqual(others.map(({ code }) => code), [0, 0, 0, 0], others[0].stderr);
  assert.match(others[1].stdout, /"status":"completed"/);
  assert.equal(jobs.stdout.match(/"type":"job"/g)?.length, 3); // of both execs, and of the run
  assert.deepEqual(heard, []);
});

test("fetchFrom() asks this machine itself by each of its names, whichever variable names a proxy", async (t) => {
  const { url, heard } = await refusingProxy(t);
  const { port } = new URL((await refusingProxy(t)).url); // what answers itself
  const [own, others] = [["127.0.0.1", "localhost"], ["127.0.0.2", "[::1]"]];
  const variables = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
  const ask = (host: string) => fetchFrom(`http://${host}:${port}/`, { headers: {} });
  const before = variables.map((name) => [name, process.env[name]] as const);
  t.after(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
  for (const name of variables) delete process.env[name];

  const statuses: number[] = [];
  for (const name of variables) {
    process.env[name] = url;
    for (const host of own) statuses.push((await ask(host)).status);
    for (const host of others) await ask(host).catch(() => {}); // nobody listens there
    delete process.env[name];
  }
  const told = heard.splice(0);
  process.env.http_proxy = url;
  await ask("synctail.invalid");

  assert.deepEqual(statuses, Array(8).fill(502));
  assert.deepEqual(told, []);
  assert.match(heard.join(), /^GET http:\/\/synctail\.invalid/);
});
