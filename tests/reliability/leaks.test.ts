import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { mortalServer } from "../support/mortal_server.ts";
import { RawViewer } from "../support/raw_viewer.ts";
import { line, progress } from "../support/log_contract.ts";
import { type Random, rounds, seeded } from "../support/seed.ts";
import { streamBench, type StreamReader } from "../support/stream_bench.ts";

/** Files, sockets and all else that a process has open. */
function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

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
  "connections that come and go in any way leave a server with what it had open",
  async (random, t) => {
    const server = await mortalServer(t, random.fork(), ["--heartbeat-ms", "100"]);
    const { pid, url } = server.process();
    const { id } = await server.ask("/v1/sync/job", "POST");
    const path = `${url}/v1/sync/job/${id}`;
    const none = async () => (await server.ask(`/v1/sync/job/${id}`)).viewers === 0;
    const round = async () => {
      const viewer = await RawViewer.open(`${path}/subscribe?logs=debug`, server.key);
      await leave(viewer, random);
    };
    const settled = async (atMost: number) => {
      while (!(await none()) || descriptors(pid) > atMost) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    await Promise.all(random.many(20, round));
    while (!(await none())) await new Promise((resolve) => setTimeout(resolve, 20));
    const before = descriptors(pid);

    for (let n = 0; n < rounds(300); n += 20) await Promise.all(random.many(20, round));

    // A few connections of the test's own may be open.
    await settled(before + 5);
    const deleted = await fetch(path, {
      method: "DELETE",
      headers: { Authorization: `Bearer ${server.key}` },
    });
    assert.equal(deleted.status, 204);
  },
);

async function leave({ socket }: RawViewer, random: Random): Promise<void> {
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const once = (name: string) =>
    new Promise<void>((resolve) => {
      socket.once(name, () => resolve());
      socket.once("close", () => resolve());
    });
  switch (random.below(4)) {
    case 0: // before the headers
      break;
    case 1: // after connected
      socket.resume();
      await once("data");
      break;
    case 2: // after a heartbeat
      socket.resume();
      await once("data");
      await once("data");
      break;
    case 3: // half of it: the server has to find out
      socket.resume();
      await once("data");
      socket.end();
      break;
  }
  if (random.chance(0.5)) socket.destroy();
  else socket.resetAndDestroy();
  await closed;
}
