import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { UsageError } from "../../src/cli/exit.ts";
import { listDeliveries } from "../../src/cli/notify.ts";
import { type Cleanup, startProgram } from "../support/program.ts";
import { type Receiver, receiver } from "../support/receiver.ts";
import { tempDirectory } from "../support/temp.ts";
import { until } from "../support/until.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/** A configuration with one target, and a file that is synced. */
function configured(t: Cleanup, to: Receiver, form: object = {}) {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const config = join(path, "synctail.json");
  const target = { name: "ops", type: "webhook", url: `${to.url}/hook`, secret_env: "OPS_SECRET" };
  const write = (...notify: object[]) =>
    writeFileSync(
      config,
      JSON.stringify({
        syncs: [{
          name: "docs",
          source: { type: "directory", path: "." },
          destination: { type: "sqlite", path: "docs.db" },
        }],
        notify: notify.map((each) => ({ ...target, ...each })),
      }),
    );
  write(form);
  return { path, config, data: join(path, "data"), write, env: { OPS_SECRET: SECRET } };
}

const typesOf = (to: Receiver) => to.taken.map(({ body }) => JSON.parse(body).type);

test("notify test sends a real message by the file alone, and says what came back", async (t) => {
  const to = await receiver(t);
  const { config, data, env, write } = configured(t, to);
  write({}, { name: "gone", url: `${to.url}/gone` });
  to.answer = ({ path }, response) => {
    response.statusCode = path === "/gone" ? 410 : 200;
    response.end(path === "/gone" ? "no longer here" : "thanks");
  };
  const test = (...args: string[]) =>
    startProgram.toEnd(t, {
      args: ["notify", "test", ...args, "--config", config, "--data", data],
      env,
    });

  const one = await test("ops");
  const all = await test("--json");
  const none = await test("nobody");
  const unset = await startProgram.toEnd(t, { args: ["notify", "test", "--config", config] });

  assert.deepEqual([one.code, one.stdout], [0, "ops: told: HTTP 200: thanks\n"]);
  assert.equal(all.code, 1);
  assert.deepEqual(all.stdout.trim().split("\n").map((line) => JSON.parse(line)), [
    { target: "ops", type: "webhook", delivered: true, result: "HTTP 200", answer: "thanks" },
    {
      target: "gone",
      type: "webhook",
      delivered: false,
      result: "HTTP 410",
      answer: "no longer here",
    },
  ]);
  assert.deepEqual([none.code, none.stdout], [2, ""]);
  assert.match(none.stderr, /Cannot test target "nobody": \S+ has ops, gone\n/);
  assert.equal(unset.code, 2);
  assert.match(
    unset.stderr,
    /notify\[0\]\.secret_env: got "OPS_SECRET": there is no such environment variable/,
  );
  assert.deepEqual(typesOf(to), ["sync.job.test", "sync.job.test", "sync.job.test"]);
});

test("a run without a server tells the targets too, and notify list shows it", async (t) => {
  const to = await receiver(t);
  const { config, data, env } = configured(t, to, { on: ["completed"] });
  const list = (...args: string[]) =>
    startProgram.toEnd(t, { args: ["notify", "list", ...args, "--data", data] });
  const before = await list();

  const run = await startProgram.toEnd(t, {
    args: ["run", "docs", "--json", "--data", data],
    env: { ...env, SYNCTAIL_CONFIG: config },
  });
  const words = await list();
  const [json] = (await list("--json")).stdout.trim().split("\n").map((line) => JSON.parse(line));

  assert.deepEqual([before.code, before.stdout], [0, ""]);
  assert.equal(run.code, 0, run.stderr);
  assert.deepEqual(typesOf(to), ["sync.job.completed"]);
  assert.match(
    words.stdout,
    /^\S+Z {2}ops {2}completed {2}docs [0-9a-f-]{36} {2}delivered \(1 try\): HTTP 200\n$/,
  );
  assert.equal(json.id, to.taken[0].headers["webhook-id"]);
  assert.deepEqual([json.tenant, json.status], ["default", "delivered"]);
});

test("notify test that is interrupted says nothing of targets that it has not tried", async (t) => {
  const to = await receiver(t);
  const { config, data, env, write } = configured(t, to);
  write({}, { name: "slow", url: `${to.url}/slow` }, { name: "last" });
  to.answer = ({ path }, response) => void (path === "/slow" || response.end("thanks"));
  const test = startProgram.raw(t, {
    args: ["notify", "test", "--config", config, "--data", data],
    env,
  });

  await to.until(2);
  const code = await test.stop("SIGINT");

  const told = "ops: told: HTTP 200: thanks\nslow: not told: called off\n";
  assert.deepEqual([code, test.stdout(), test.stderr()], [130, told, ""]);
  assert.equal(to.taken.length, 2);
});

test("notify list takes a limit in digits alone", async () => {
  for (const limit of ["0x10", "1e1", " 5 ", "+5", "", "0", "201", "1.5"]) {
    await assert.rejects(
      listDeliveries({ limit }),
      new UsageError(`--limit: got "${limit}": expected a whole number from 1 to 200`),
    );
  }
});

test("a run without a server names no page in its messages, unless people reach one", async (t) => {
  const to = await receiver(t);
  const { config, data, env } = configured(t, to, { on: ["completed"] });
  const run = (more = {}) =>
    startProgram.toEnd(t, {
      args: ["run", "docs", "--data", data],
      env: { ...env, SYNCTAIL_CONFIG: config, ...more },
    });

  await run();
  await run({ SYNCTAIL_PUBLIC_URL: "https://sync.example" });

  const [unreached, reached] = to.taken.map(({ body }) => JSON.parse(body));
  assert.equal(unreached.link, undefined);
  assert.equal(reached.link, `https://sync.example/job/${reached.data.id}`);
});

test("a server that is killed while it tells sends the same again when it is back", async (t) => {
  const to = await receiver(t);
  const { config, data, env } = configured(t, to, { on: ["completed"] });
  const serve = () => startProgram(t, { args: ["serve", "--config", config], data, env });
  to.answer = () => {};
  const first = await serve();
  const run = await startProgram.toEnd(t, { args: ["run", "docs", "--data", data] });
  await to.until(1);
  await first.stop("SIGKILL");
  to.answer = (_, response) => void response.end();

  const second = await serve();
  await to.until(2);
  const code = await second.stop("SIGTERM");

  assert.deepEqual([run.code, code], [0, 0]);
  assert.equal(to.taken[0].headers["webhook-id"], to.taken[1].headers["webhook-id"]);
  assert.equal(to.taken[0].body.replace(/"link".*/, ""), to.taken[1].body.replace(/"link".*/, ""));
  assert.match(
    JSON.parse(to.taken[0].body).link,
    /^http:\/\/127\.0\.0\.1:\d+\/job\/[0-9a-f-]{36}$/,
  );
});

test("what ends while a command without targets has the data directory is told by the next server", async (t) => {
  const to = await receiver(t);
  const { config, data, env } = configured(t, to, { on: ["failed"] });
  const file = JSON.parse(readFileSync(config, "utf8"));
  file.syncs.push({ name: "slow", source: { type: "command", command: ["sleep", "600"] } });
  writeFileSync(config, JSON.stringify(file));
  const serve = () => startProgram(t, { args: ["serve", "--config", config], data, env });
  const first = await serve();
  const headers = { Authorization: `Bearer ${await first.firstKey()}` };
  await fetch(`${first.url}/v1/sync/slow/run`, { method: "POST", headers });
  await first.stop("SIGKILL");

  const exported = await startProgram.toEnd(t, { args: ["export", "--data", data] });
  const second = await serve();
  await to.until(1);
  await second.stop("SIGTERM");

  assert.match(exported.stdout, /"worker_lost"/);
  assert.deepEqual(typesOf(to), ["sync.job.failed"]);
});

test("SIGHUP takes the file's targets anew; a wrong one changes nothing", async (t) => {
  const to = await receiver(t);
  const { config, data, env, write } = configured(t, to, { on: ["completed"] });
  const server = await startProgram(t, { args: ["serve", "--config", config], data, env });
  const reloaded = async (count: number) => {
    process.kill(server.pid, "SIGHUP");
    await until(() => server.stderr().split(/was read again|is not taken/).length > count);
  };
  const run = () => startProgram.toEnd(t, { args: ["run", "docs", "--data", data] });

  write({ on: ["completed"], url: `${to.url}/other` });
  await reloaded(1);
  await run();
  await to.until(1);
  write({ on: ["completed"], secret_env: "NO_SUCH_VARIABLE" });
  await reloaded(2);
  await run();
  await to.until(2);

  assert.deepEqual(to.taken.map(({ path }) => path), ["/other", "/other"]);
  assert.match(server.stderr(), /is not taken, so nothing has changed/);
});
