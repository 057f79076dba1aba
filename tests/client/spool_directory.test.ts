import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import type { Posted } from "../../src/client/delivery.ts";
import { SpoolDirectory } from "../../src/client/spool_directory.ts";
import { newJobId } from "../../src/sync/ids.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { tempDirectory } from "../support/temp.ts";

const OURS = "http://ours";

test("flush() tells a server of its own jobs alone, of all of the key's, and each once", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const faults: string[] = [];
  const spools = new SpoolDirectory(path, (message) => faults.push(message));
  const left = (server: string | null, keyPrint: string) => {
    const id = newJobId();
    const spool = spools.create({ id, producer: "p", body: "{}", server, keyPrint }, 1);
    spool.append("log", '"a line"');
    spool.close();
    return id;
  };
  const ours = left(OURS, "k1");
  left(OURS, "k2");
  left("http://theirs", "k1");
  left(null, "k1");
  const clock = new FakeClock();
  const bodies: string[] = [];
  const fetch = (url: string, { body = "" }: Posted) => {
    bodies.push(`${url.slice(OURS.length)} ${body}`);
    return Promise.resolve(Response.json({}));
  };
  const flush = () =>
    spools.flush({
      server: OURS,
      keyPrint: "k1",
      endpoint: () => Promise.resolve({ server: OURS, key: "k", fetch, clock }),
      clock,
      signal: new AbortController().signal,
      onFault: (message) => faults.push(message),
    });

  const first = await flush();
  const again = await flush();

  assert.deepEqual([first.sent, first.left, first.others], [1, 0, 3]);
  assert.deepEqual([again.sent, again.left, again.others], [0, 0, 3]);
  assert.equal(bodies.length, 2);
  assert.equal(bodies[0], "/v1/sync/job {}");
  const [said, end] = JSON.parse(bodies[1].replace(`/v1/sync/job/${ours}/events `, ""));
  assert.deepEqual([said, end.status, end.error.code], ["a line", "failed", "exec_killed"]);
  assert.deepEqual([readdirSync(path).filter((name) => name.includes(ours)), faults], [[], []]);
});
