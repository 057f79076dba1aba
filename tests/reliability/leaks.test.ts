import assert from "node:assert/strict";
import { type MortalServer, mortalServer } from "../support/mortal_server.ts";
import { descriptors, residentBytes } from "../support/processes.ts";
import { RawViewer } from "../support/raw_viewer.ts";
import { line, progress } from "../support/log_contract.ts";
import { type Random, rounds, seeded } from "../support/seed.ts";
import { streamBench, type StreamReader, turns } from "../support/stream_bench.ts";
import { until } from "../support/until.ts";

const LEAVING = [
  "before the headers",
  "after connected",
  "in a replay",
  "in the end",
  "unread",
] as const;

seeded(
  "streams that are left in any way leave nothing behind: followers, tails, listeners, timers",
  async (random) => {
    const { job, open, add, viewers, hub, clock } = streamBench({
      heartbeatMs: 30_000,
      writeTimeoutMs: 60_000,
    });
    const quiet = clock.waiting;
    for (let round = 0; round < rounds(300); round++) {
      const running = await job();
      const leaveReader = async (reader: StreamReader) => {
        switch (random.pick(LEAVING)) {
          case "before the headers":
            return await reader.cancel();
          case "after connected":
            await reader.next();
            return await reader.cancel();
          case "in a replay": {
            await reader.next();
            const next = reader.next();
            await reader.cancel();
            return void await next;
          }
          case "in the end":
            await add(running, progress("completed", 2)).catch(() => {}); // it has ended already
            return void await reader.rest();
          case "unread":
            for (let passed = 0; passed < 100_000; passed += 15_000) clock.advance(15_000);
        }
      };
      await add(
        running,
        ...random.many(random.below(20), () => line("x")),
        progress("in_progress", 1),
      );
      const some = await Promise.all(
        random.many(
          1 + random.below(4),
          () => open(running, random.pick([undefined, "0", `${running.epoch}-1`, "gap"]), "debug"),
        ),
      );
      for (const reader of some) {
        // One that was cut off with an unread one before it throws, and has left by that.
        await leaveReader(reader).catch(() => {});
      }
    }

    assert.deepEqual([viewers.size, viewers.followed, hub.size, clock.waiting], [0, 0, 0, quiet]);
  },
);

seeded(
  "viewers that leave while they are sent away leave nothing behind, and hold up nobody's end",
  async (random) => {
    for (let round = 0; round < rounds(100); round++) {
      const { job, open, openJobs, add, viewers, hub, clock } = streamBench({
        heartbeatMs: 30_000,
        writeTimeoutMs: 60_000,
      });
      const running = await job();
      await add(running, line("x"), progress("in_progress", 1));
      const readers = [
        ...await Promise.all(random.many(random.below(6), () => open(running, undefined, "debug"))),
        ...random.many(1 + random.below(2), () => openJobs()),
      ];
      const leave = async (reader: StreamReader) => {
        for (let chunk = random.below(3); chunk > 0; chunk--) await reader.next();
        await reader.cancel();
      };

      const early = random.chance(0.5) ? [] : readers.map(leave);
      const drained = viewers.drain(1_000);
      const late = early.length > 0 ? [] : readers.map(leave);
      // Who waits for a third chunk, which only others are sent, is broken off.
      await turns(5);
      clock.advance(1_000);
      await Promise.allSettled([...early, ...late]);
      await drained;

      assert.deepEqual([viewers.size, viewers.followed, hub.size, clock.waiting], [0, 0, 0, 0]);
    }
  },
);

/** Bytes of a line of the replay, and lines: more than a connection's own buffers take at once. */
const LINE = 20_000;
const LINES = 500;
/** Viewers that a job may have: one is full, and sends further ones away. */
const PLACES = 60;
const AT_ONCE = 20;

seeded(
  "connections that come and go in any way leave a server with what it had open",
  async (random, t) => {
    const flags = ["--heartbeat-ms", "100", "--viewers-per-job", `${PLACES}`];
    const server = await mortalServer(t, random.fork(), flags);
    const { pid } = server.process();
    const jobs = await jobsOf(server);
    const held = await Promise.all(
      random.many(PLACES, () => RawViewer.open(streamOf(server, jobs.full), server.key)),
    );
    for (const { socket } of held) socket.resume();
    // Who comes before all of them are in would take the place of one.
    const viewers = async (id: string) => (await server.ask(`/v1/sync/job/${id}`)).viewers;
    await until(async () => await viewers(jobs.full) === PLACES, 20);
    const round = async () => {
      const way = random.pick(WAYS);
      const viewer = await RawViewer.open(streamOf(server, jobs[way.job]), server.key);
      await leave(viewer, way.chunks, random);
    };
    const gone = async () => {
      for (const id of [jobs.running, jobs.long, jobs.ended]) {
        await until(async () => await viewers(id) === 0, 20);
      }
    };
    await Promise.all(random.many(AT_ONCE, round));
    await gone();
    const before = descriptors(pid);
    const cycles = rounds(300);
    const resident: (readonly [cycle: number, bytes: number])[] = [];

    for (let n = 0; n < cycles; n += AT_ONCE) {
      await Promise.all(random.many(AT_ONCE, round));
      resident.push([n, residentBytes(pid)]);
    }

    await gone();
    // A few connections of the test's own may be open.
    await until(() => descriptors(pid) <= before + 5, 20);
    const full = await server.ask(`/v1/sync/job/${jobs.full}`);
    assert.equal(full.viewers, PLACES, "who was sent away took nobody's place");
    for (const { socket } of held) socket.destroy();
    const slope = slopeOf(resident.slice(resident.length >> 1));
    const megabytes = Math.round((resident.at(-1)?.[1] ?? 0) / 1e6);
    console.error(
      `${cycles} cycles: ${Math.round(slope)} bytes a cycle, ${megabytes} MB at the end`,
    );
  },
);

/** How one leaves: of which job's stream, and after how many chunks of it. */
const WAYS = [
  { job: "running", chunks: 0 }, // before the headers
  { job: "running", chunks: 1 }, // after connected
  { job: "running", chunks: 2 }, // after a heartbeat
  { job: "long", chunks: 1 }, // in a replay
  { job: "long", chunks: 3 },
  { job: "ended", chunks: 1 }, // in the terminal chunk
  { job: "full", chunks: 0 }, // while it is sent away
  { job: "full", chunks: 1 },
] as const;

/** A job that runs, one with a long log, one that has ended, and one without a place left. */
async function jobsOf(server: MortalServer) {
  const post = async (...events: object[]): Promise<string> => {
    const { id } = await server.ask("/v1/sync/job", "POST");
    for (const event of events) {
      const answer = await fetch(`${server.url}/v1/sync/job/${id}/events`, {
        method: "POST",
        headers: { "Authorization": `Bearer ${server.key}`, "Content-Type": "application/json" },
        body: JSON.stringify(event),
      });
      assert.equal(answer.status, 200);
      await answer.body?.cancel();
    }
    return id;
  };
  const lines = Array.from({ length: 20 }, () => ({ type: "log", message: "x".repeat(LINE) }));
  return {
    running: await post(),
    long: await post(...Array.from({ length: LINES / lines.length }, () => lines)),
    ended: await post({ type: "progress", inserted: 1 }, { type: "end", status: "completed" }),
    full: await post(),
  };
}

/** Past the proxy, so that the server itself sees how they leave. */
function streamOf(server: MortalServer, id: string): string {
  return `${server.process().url}/v1/sync/job/${id}/subscribe?logs=debug`;
}

async function leave({ socket }: RawViewer, chunks: number, random: Random): Promise<void> {
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const once = (name: string) =>
    new Promise<void>((resolve) => {
      if (socket.closed) return resolve();
      socket.once(name, () => resolve());
      socket.once("close", () => resolve());
    });
  if (chunks > 0) socket.resume();
  for (let chunk = 0; chunk < chunks; chunk++) await once("data");
  // Half of it: the server has to find out.
  if (random.chance(0.2)) socket.end();
  else if (random.chance(0.5)) socket.destroy();
  else socket.resetAndDestroy();
  if (!socket.destroyed) {
    socket.resume();
    await once("data");
    socket.destroy();
  }
  await closed;
}

/** Of the line through the points by least squares. */
function slopeOf(points: readonly (readonly [number, number])[]): number {
  const mean = (of: (point: readonly [number, number]) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [meanX, meanY] = [mean(([x]) => x), mean(([, y]) => y)];
  const across = mean(([x]) => (x - meanX) ** 2);
  return across === 0 ? 0 : mean(([x, y]) => (x - meanX) * (y - meanY)) / across;
}
