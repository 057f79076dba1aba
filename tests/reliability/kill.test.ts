import assert from "node:assert/strict";
import { logWords } from "../../src/sync/log_text.ts";
import type { Entry } from "../../src/sync/entry.ts";
import { isTerminal } from "../../src/sync/status.ts";
import { loggedEntries } from "../support/log_file.ts";
import { mortalServer } from "../support/mortal_server.ts";
import { Publisher } from "../support/publisher.ts";
import { rounds, seeded } from "../support/seed.ts";
import { ViewerModel } from "../support/viewer_model.ts";

/** Of each job's publishers. */
const NAMES = ["a", "b"];

/** How long a server lives at most before it is killed, in milliseconds. */
const LIFE_MS = 250;

/** Of a job that is over retention thins the progress, in its first round or any, beyond so many. */
const KEPT = 1_000;

/** Whether nothing can have been taken from the log. */
function isUntouched(entries: readonly Entry[]): boolean {
  return (entries.at(-1)?.seq ?? 0) <= KEPT;
}

function assertWhole(entries: readonly Entry[]): void {
  const seqs = entries.map(({ seq }) => seq);
  if (isUntouched(entries)) assert.deepEqual(seqs, entries.map((_, index) => index + 1));
  else assert.ok(seqs.every((seq, index) => index === 0 || seq > seqs[index - 1]), `${seqs}`);
  const ends = entries.filter((entry) => entry.kind === "progress" && isTerminal(entry.status));
  assert.deepEqual(ends, entries.slice(-1));
}

seeded(
  "kill -9 again and again loses nothing that was acknowledged, and doubles nothing",
  async (random, t) => {
    const server = await mortalServer(t, random.fork());
    const { key } = server;
    const over = new AbortController();
    t.after(() => over.abort());
    let killed = 0;
    const all = rounds(20);
    const outside = await Promise.all(random.many(2, async () => {
      const { id } = await server.ask("/v1/sync/job", "POST");
      const url = `${server.url}/v1/sync/job/${id}`;
      const publishers = NAMES.map((name) =>
        new Publisher({ url, key, name, random: random.fork() })
      );
      const viewers = ["0", undefined].map((cursor) =>
        new ViewerModel({ url: `${url}/subscribe`, key, logs: "debug", cursor, pauseMs: 150 })
      );
      return { id, publishers, viewers };
    }));
    const watching = outside.flatMap(({ viewers }) => viewers).map((each) =>
      each.watch(over.signal)
    );
    const posting = outside.flatMap(({ publishers }) => publishers).map(async (publisher) => {
      while (killed < all) await publisher.post(over.signal);
    });
    const own: { id: string; viewer: ViewerModel; done: Promise<void> }[] = [];

    for (; killed < all; killed++) {
      const { id } = await server.ask("/v1/sync/slow/run", "POST");
      const url = `${server.url}/v1/sync/job/${id}/subscribe`;
      const viewer = new ViewerModel({ url, key, cursor: "0", pauseMs: 150 });
      own.push({ id, viewer, done: viewer.watch(over.signal) });
      await new Promise((resolve) => setTimeout(resolve, random.below(LIFE_MS)));
      await server.process().stop("SIGKILL");
      if (random.chance(0.2)) await server.startAndKill(random.below(2 * LIFE_MS));
      await server.start();
    }
    await Promise.all(posting);
    for (const { publishers } of outside) {
      await publishers[0].send([{ type: "end", status: "completed" }], over.signal);
    }
    await Promise.all([...watching, ...own.map(({ done }) => done)]);

    for (const { id, publishers, viewers } of outside) {
      const entries = loggedEntries(server.data, id);
      assertWhole(entries);
      const lines = entries.flatMap((entry) =>
        entry.kind === "log" ? [logWords(entry).message] : []
      );
      for (const [place, { acknowledged }] of publishers.entries()) {
        const name = NAMES[place];
        assert.deepEqual(lines.filter((words) => words.startsWith(`${name} `)), acknowledged);
      }
      const last = entries.at(-1);
      const inserted = publishers.reduce((sum, publisher) => sum + publisher.inserted, 0);
      assert.equal(last?.kind === "progress" && last.progress.inserted, inserted);
      for (const viewer of viewers) viewer.assertHolds(entries, isUntouched(entries));
    }
    for (const { id, viewer } of own) {
      const entries = loggedEntries(server.data, id);
      assertWhole(entries);
      const last = entries.at(-1);
      assert.equal(last?.kind === "progress" && last.error?.code, "worker_lost");
      viewer.assertHolds(entries, true);
    }
  },
);
