import assert from "node:assert/strict";
import type { LogLevel } from "../../src/sync/entry.ts";
import { CuttingProxy } from "../support/cutting_proxy.ts";
import { loggedEntries } from "../support/log_file.ts";
import type { Cleanup } from "../support/program.ts";
import { Publisher } from "../support/publisher.ts";
import { type Random, rounds, seeded } from "../support/seed.ts";
import { testServer } from "../support/server.ts";
import { ViewerModel } from "../support/viewer_model.ts";

const JOBS = 4;
const LEVELS: readonly (LogLevel | undefined)[] = [undefined, "debug", "warning"];

/** Publishers and viewers, all of them through a proxy that cuts, until there were enough cuts. */
async function cutAndCompare(
  t: Cleanup,
  random: Random,
  { cuts, mergeAfter }: { readonly cuts: number; readonly mergeAfter: number },
): Promise<void> {
  const server = await testServer(t, { mergeAfter, retryMs: 1 });
  const key = server.key();
  const proxy = await CuttingProxy.before(t, server.port, random.fork());
  const over = new AbortController();
  t.after(() => over.abort());
  const jobs = await Promise.all(random.many(JOBS, async () => {
    const { id } = await (await server.ask("/v1/sync/job", {
      method: "POST",
      headers: {
        Authorization: `Bearer ${key}`,
      },
    })).json();
    return { id, path: `/v1/sync/job/${id}` };
  }));
  const viewers = jobs.flatMap(({ path }) =>
    LEVELS.flatMap((logs) =>
      ["0", "0", "0", undefined].map((cursor) =>
        new ViewerModel({ url: `${proxy.url}${path}/subscribe`, key, logs, cursor })
      )
    )
  );
  const watching = Promise.all(viewers.map((viewer) => viewer.watch(over.signal)));
  watching.catch(() => over.abort());

  await Promise.all(jobs.map(async ({ path }) => {
    const publishers = ["a", "b", "c"].map((name) =>
      new Publisher({ url: proxy.url + path, key, name, random: random.fork() })
    );
    await Promise.all(publishers.map(async (publisher) => {
      while (proxy.total < cuts && !over.signal.aborted) {
        await publisher.post(over.signal);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }));
    const end = { type: "end", status: random.pick(["completed", "failed", "cancelled"]) };
    await publishers[0].send([end], over.signal);
  }));
  proxy.cutting = false;
  await watching;

  assert.ok(proxy.total >= cuts);
  for (const [place, { id }] of jobs.entries()) {
    const entries = loggedEntries(server.directory.path, id);
    assert.deepEqual(entries.map(({ seq }) => seq), entries.map((_, index) => index + 1));
    for (const viewer of viewers.slice(place * 12, place * 12 + 12)) {
      viewer.assertHolds(entries, mergeAfter > entries.length);
      assert.deepEqual(viewer.gaps, []);
    }
  }
  assert.ok(viewers.some(({ connections }) => connections > 5));
}

seeded(
  "1,000 cuts at any byte cost no viewer an entry, and show it none twice",
  async (random, t) => {
    await cutAndCompare(t, random, { cuts: rounds(1_000), mergeAfter: 1e9 });
  },
);

seeded("with superseded progress left out the rest is all there", async (random, t) => {
  await cutAndCompare(t, random, { cuts: rounds(200), mergeAfter: 5 });
});
