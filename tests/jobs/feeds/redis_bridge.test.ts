import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { RedisBridge } from "../../../src/jobs/feeds/redis_bridge.ts";
import { StorageFullError } from "../../../src/log/log_errors.ts";
import { OutsideJobs } from "../../../src/jobs/outside_jobs.ts";
import { configuredSyncs, SYNC_SCHEMA } from "../../../src/jobs/sync_config.ts";
import { Syncs } from "../../../src/jobs/syncs.ts";
import { newJobId } from "../../../src/sync/ids.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { freePort } from "../../support/free_port.ts";
import { MemoryLog } from "../../support/memory_log.ts";
import type { Cleanup } from "../../support/program.ts";
import { type Redis, redis } from "../../support/redis.ts";
import { testServer } from "../../support/server.ts";
import { serverLog } from "../../support/server_log.ts";
import { framesOf } from "../../support/stream_bench.ts";
import { until } from "../../support/until.ts";

type Json = Record<string, unknown>;

/** A server that listens to a real Redis. */
async function bench(t: Cleanup, source: Json = {}, on?: Redis) {
  const feed = on ?? await redis(t);
  const sync = SYNC_SCHEMA.parse({
    name: "legacy",
    source: { type: "redis_pubsub", url: feed.url, pattern: "progress:*", ...source },
  });
  const { syncs } = configuredSyncs([sync], "/");
  const server = await testServer(t, { syncs, resident: true, port: await freePort() });
  const jobs = async (): Promise<Json[]> =>
    (await (await server.ask("/v1/sync/jobs?sync=legacy")).json()).items;
  return {
    feed,
    syncs,
    server,
    jobs,
    /** Looks until the jobs are as they should be. */
    async until(test: (jobs: Json[]) => boolean): Promise<Json[]> {
      for (;;) {
        const found = await jobs();
        if (test(found)) return found;
      }
    },
  };
}

test("a feed of several jobs becomes a stream of each, with its totals and its end", async (t) => {
  const { feed, server, until } = await bench(t);
  const ids = [newJobId(), newJobId()];

  for (const id of ids) await feed.publish(`progress:${id}`, { inserted: 1, status: "running" });
  await until((jobs) => jobs.length === 2);
  const streams = ids.map((id) => server.ask(`/v1/sync/job/${id}/subscribe`));
  await Promise.all(streams);
  await feed.publish(`progress:${ids[0]}`, { inserted: 7, updated: 2, is_complete: true });
  await feed.publish(`progress:${ids[1]}`, { inserted: 3, is_failed: true, error: "no network" });

  const [done, failed] = await Promise.all(
    streams.map(async (stream) => framesOf(await (await stream).text()).at(-1)?.data),
  );
  assert.deepEqual([done.status, done.inserted, done.updated], ["completed", 7, 2]);
  assert.deepEqual([failed.status, failed.inserted, failed.error], ["failed", 3, "no network"]);
});

test("a channel that is used again is the next run, also after the server starts anew", async (t) => {
  const { feed, server, until } = await bench(t, {
    fields: { entities_inserted: "stats.new", status: "state" },
  });
  const say = (count: number, state: string) =>
    feed.publish("progress:users", { stats: { new: count }, state });

  await say(5, "running");
  await say(9, "done");
  await until(([job]) => job?.status === "completed");
  await say(2, "running");
  await until((jobs) => jobs.length === 2);
  await server.restart();
  await say(4, "finished");
  const jobs = await until(([job]) => job?.status === "completed" && job.entities_inserted === 4);

  assert.deepEqual(jobs.map(({ name, entities_inserted }) => [name, entities_inserted]), [
    ["users", 4],
    ["users", 9],
  ]);
});

test("the feed goes on when Redis comes back, and totals that went back stay the highest", async (t) => {
  const { feed, server, until } = await bench(t);
  await feed.publish("progress:a", { inserted: 10, kept: 1 });
  await until(([job]) => job?.entities_inserted === 10);

  await feed.restart();
  await feed.publish("progress:a", { inserted: 4, kept: 2 });
  const [{ id }] = await until(([job]) => job?.entities_kept === 2);
  await feed.publish("progress:a", { inserted: 12, status: "done" });
  const [job] = await until(([job]) => job?.status === "completed");

  assert.equal(job.entities_inserted, 12);
  const { items } = await (await server.ask(`/v1/sync/job/${id}/logs`)).json();
  assert.deepEqual(items.map(({ message }: Json) => message), [
    "The feed's totals went back; the highest are kept",
  ]);
});

for (
  const [what, user, mended] of [
    ["a channel that the user may not hear", [">pw", "resetchannels"], ["allchannels"]],
    ["a wrong password", [">other", "allchannels"], [">pw"]],
  ] as const
) {
  test(`a first subscription that is refused for ${what} is tried until it is let in`, async (t) => {
    const lines = await serverLog(t, "bridge");
    const on = await redis(t);
    await on.command("ACL", "SETUSER", "syn", "on", "+@all", ...user);

    const { feed, until: untilJobs } = await bench(t, {
      url: on.url.replace("//", "//syn:pw@"),
    }, on);
    await until(() => lines.length === 1);
    await on.command("ACL", "SETUSER", "syn", ...mended);
    await feed.publish("progress:a", { inserted: 1 });
    await untilJobs(([job]) => job?.entities_inserted === 1);
    await on.command("CLIENT", "KILL", "TYPE", "pubsub");
    await until(() => lines.length === 4);

    const place = new URL(on.url).host;
    const start = `warning: sync legacy: progress:* at Redis ${place} `;
    assert.deepEqual(lines.map((line) => line.replace(/\(.*\)/, "(REASON)")), [
      `${start}cannot be listened to (REASON); trying on`,
      `${start}is listened to`,
      `${start}cannot be listened to (REASON); trying on`,
      `${start}is listened to again`,
    ]);
    assert.match(lines[0], /\((NOPERM|WRONGPASS) /);
  });
}

/** A bridge alone, in a time of the test's; each wait that it begins is noted. */
function alone(t: Cleanup, url: string) {
  const clock = new FakeClock();
  const log = new MemoryLog(clock);
  const pauses: number[] = [];
  const after = clock.after.bind(clock);
  clock.after = (ms, run) => {
    pauses.push(ms);
    return after(ms, run);
  };
  const source = { type: "redis_pubsub", url, pattern: "p:*" };
  const { syncs } = configuredSyncs([SYNC_SCHEMA.parse({ name: "legacy", source })], "/");
  const [sync] = syncs;
  assert.ok(sync.source.type === "redis_pubsub");
  const outside = new OutsideJobs({ log, syncs: new Syncs(syncs, []), clock });
  const onFault = assert.ifError;
  const spans: string[] = [];
  const unheard = ({ name }: { readonly name: string }) => {
    spans.push(`${name} unheard`);
    return () => void spans.push(`${name} heard`);
  };
  const { source: from } = sync;
  const bridge = new RedisBridge({ sync, source: from, outside, log, clock, onFault, unheard });
  t.after(() => bridge.stop());
  return {
    clock,
    log,
    pauses,
    spans,
    bridge,
    listens: () => until(() => pauses.at(-1) === 15_000),
  };
}

test("a Redis that breaks off again and again is tried less and less often, until one lasts", async (t) => {
  const lines = await serverLog(t, "bridge");
  const feed = await redis(t);
  const { clock, pauses, bridge, listens } = alone(t, feed.url);

  bridge.start();
  for (const pauseMs of [100, 200, 400, 100]) {
    await listens();
    if (pauses.includes(400)) clock.advance(5_000);
    await feed.command("CLIENT", "KILL", "TYPE", "pubsub");
    await until(() => pauses.at(-1) === pauseMs);
    clock.advance(pauseMs);
  }

  assert.deepEqual(pauses.filter((ms) => ms < 5_000), [100, 200, 400, 100]);
  // Each time anew, as it had been listened to meanwhile.
  assert.equal(lines.filter((line) => line.includes("cannot be listened to")).length, 4);
});

test("a Redis that has lasted and lets nobody in any more is tried less and less often, too", async (t) => {
  const lines = await serverLog(t, "bridge");
  const feed = await redis(t);
  await feed.command("ACL", "SETUSER", "syn", "on", "+@all", "allchannels", ">pw");
  const { clock, pauses, bridge, listens } = alone(t, feed.url.replace("//", "//syn:pw@"));
  bridge.start();
  await listens();
  clock.advance(5_000);

  await feed.command("ACL", "SETUSER", "syn", "resetpass");
  await feed.command("CLIENT", "KILL", "TYPE", "pubsub");

  for (const pauseMs of [100, 200, 400]) {
    await until(() => pauses.at(-1) === pauseMs);
    clock.advance(pauseMs);
  }
  const [broken, ...refused] = lines;
  assert.match(broken, /cannot be listened to/);
  assert.deepEqual(refused.map((line) => /\((\w+) /.exec(line)?.[1]), ["WRONGPASS"]);
});

test("a Redis without HELLO, which repeats what it was sent, puts no password into the log", async (t) => {
  const lines = await serverLog(t, "bridge");
  const old = createServer((socket) => {
    socket.on("error", () => {}).on("data", () => {
      socket.write(
        "-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `syn`, `pw` \r\n",
      );
    });
  }).listen(0, "127.0.0.1");
  t.after(() => old.close());
  await once(old, "listening");
  const { port } = old.address() as AddressInfo;
  const { bridge } = alone(t, `redis://syn:pw@127.0.0.1:${port}`);

  bridge.start();
  await until(() => lines.length === 1);

  assert.deepEqual(lines, [
    `warning: sync legacy: p:* at Redis 127.0.0.1:${port} cannot be listened to ` +
    "(ERR unknown command `HELLO`); trying on",
  ]);
});

test("nobody hears of a feed's jobs until Redis listens, nor from its loss until it does again", async (t) => {
  await serverLog(t, "bridge");
  const feed = await redis(t);
  const { clock, pauses, spans, bridge, listens } = alone(t, feed.url);
  bridge.start();
  await listens();
  const listening = [...spans];

  await feed.command("CLIENT", "KILL", "TYPE", "pubsub");
  await until(() => pauses.at(-1) === 100);
  clock.advance(100);
  await listens();
  const again = spans.slice(listening.length);
  await feed.command("CLIENT", "KILL", "TYPE", "pubsub");
  await until(() => pauses.at(-1) === 200);
  await bridge.stop();
  await until(() => spans.length === 6);

  assert.deepEqual(listening, ["legacy unheard", "legacy heard"]);
  assert.deepEqual(again, ["legacy unheard", "legacy heard"]);
  assert.deepEqual(spans.slice(4), ["legacy unheard", "legacy heard"]);
});

test("stop() says of how many channels the last words could not be stored", async (t) => {
  const lines = await serverLog(t, "bridge");
  const feed = await redis(t);
  const { clock, log, bridge, listens } = alone(t, feed.url);
  let tries = 0;
  log.append = () => {
    tries++;
    return Promise.reject(new StorageFullError());
  };
  bridge.start();
  await listens();
  await feed.publish("p:users", { inserted: 5, status: "done" });
  await until(() => tries > 0);

  const stopped = bridge.stop();
  clock.advance(2_000);
  await stopped;

  assert.equal(
    lines.at(-1),
    "error: sync legacy: what was heard last on 1 channel could not be stored",
  );
});

test("a changed configuration takes over what is on its way, and the bridge before is gone", async (t) => {
  const { feed, syncs, server, jobs, until } = await bench(t);
  await feed.publish("progress:a", { inserted: 1 });
  await until(([job]) => job?.entities_inserted === 1);
  const [sync] = syncs;

  server.reload([{ ...sync, progressIntervalMs: 1 }]); // any change makes it another
  await feed.publish("progress:a", { inserted: 2, status: "done" });
  await until(([job]) => job?.entities_inserted === 2);

  assert.deepEqual((await jobs()).map(({ status }) => status), ["completed"]);
});

test("a server of one run does not listen to feeds", async (t) => {
  const on = await redis(t);
  const { syncs } = await bench(t, {}, on);
  await testServer(t, { syncs });
  await bench(t, {}, on);

  let heard = 0;
  await until(async () => {
    heard = Number(await on.command("PUBLISH", "progress:a", "{}"));
    return heard >= 2;
  });

  assert.equal(heard, 2);
});

test("messages that are nothing do not stop the feed, and a UUID's job is not begun again", async (t) => {
  const lines = await serverLog(t, "bridge");
  const { feed, until, jobs } = await bench(t);
  const id = newJobId();

  for (const message of ["", "{", "[]", "7", { inserted: "x" }]) {
    await feed.publish(`progress:${id}`, message);
  }
  await feed.publish(`progress:\n${"x".repeat(300)}`, "{");
  await feed.publish(`progress:${id}`, { inserted: 1, is_complete: true });
  await until(([job]) => job?.status === "completed");
  await feed.publish(`progress:${id}`, { inserted: 5 });
  await feed.publish("progress:after", { inserted: 1 });
  await until((found) => found.some(({ name }) => name === "after"));

  const [, job] = await jobs();
  assert.deepEqual([job.id, job.entities_inserted, job.status], [id, 1, "completed"]);
  assert.deepEqual(lines, [
    `warning: a message on progress:${id} is no JSON object; such ones are left out`,
    lines[1],
  ]);
  assert.match(lines[1], /^warning: a message on progress:[^\n]{150,250} is no JSON object; /);
});

test("a sync whose workers are elsewhere cannot be run, and is listed as what it is", async (t) => {
  const { server } = await bench(t);

  const answer = await server.ask("/v1/sync/legacy/run", {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key()}` },
  });
  const problem = await answer.json();
  const { items: [sync] } = await (await server.ask("/v1/sync")).json();

  assert.deepEqual([answer.status, problem.type], [409, "/problems/not-runnable"]);
  assert.match(problem.detail, /redis_pubsub/);
  assert.deepEqual([sync.source, sync.destination], ["redis_pubsub", null]);
});
