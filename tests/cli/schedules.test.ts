import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

test("serve runs a sync by its schedule, from a SIGHUP on, as its streams show", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "tree"));
  writeFileSync(join(path, "tree", "a.txt"), "a");
  const config = join(path, "synctail.json");
  const write = (timing: object) => {
    const sync = {
      name: "docs",
      source: { type: "directory", path: "tree" },
      destination: { type: "sqlite", path: "docs.db" },
    };
    writeFileSync(config, JSON.stringify({ syncs: [{ ...sync, ...timing }] }));
  };
  write({});
  const server = await startProgram(t, { args: ["serve", "--config", config] });
  const headers = { Authorization: `Bearer ${await server.firstKey()}` };
  /** The jobs, oldest first, as soon as there are so many. */
  const jobs = async (count: number) => {
    for (;;) {
      const { items } = await (await fetch(`${server.url}/v1/sync/jobs`, { headers })).json();
      if (items.length >= count) return items.reverse();
    }
  };
  const { items: before } = await (await fetch(`${server.url}/v1/sync/jobs`, { headers })).json();

  write({ schedule: { every: "1s" }, expect: { every: "1h" } });
  process.kill(server.pid, "SIGHUP");
  const [first, second] = await jobs(2);
  const stream = await fetch(`${server.url}/v1/sync/job/${second.id}/subscribe`, { headers });
  const frames = await stream.text();
  const { items: [sync] } = await (await fetch(`${server.url}/v1/sync`, { headers })).json();

  assert.deepEqual(before, []);
  assert.match(frames, /"entities_inserted": 0, "entities_updated": 0, "status": "completed"/);
  assert.deepEqual([first.meta.trigger, second.meta.trigger], ["schedule", "schedule"]);
  assert.deepEqual([sync.schedule, sync.overdue], ["every 1s", false]);
  assert.equal(await server.stop("SIGTERM"), 0);
});

test("check says when each sync runs next, in words", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const config = join(path, "synctail.json");
  const sync = (name: string, schedule: object) => ({
    name,
    source: { type: "directory", path: "." },
    destination: { type: "sqlite", path: `${name}.db` },
    schedule,
  });
  const syncs = [
    sync("docs", { every: "90m" }),
    sync("nightly", { cron: "0 3 * * *", time_zone: "Europe/Berlin" }),
  ];
  writeFileSync(config, JSON.stringify({ syncs }));

  const { code, stdout } = await startProgram.toEnd(t, { args: ["check", config] });
  const json = await startProgram.toEnd(t, { args: ["check", config, "--json"] });

  const [, docs, nightly] = stdout.split("\n");
  assert.equal(code, 0);
  assert.equal(docs, "docs: every 90m, counted from the start of its last run");
  const day = "\\d{4}-\\d\\d-\\d\\d 03:00";
  assert.match(
    nightly,
    new RegExp(`^nightly: 0 3 \\* \\* \\*; next: ${day}, ${day}, ${day} Europe/Berlin$`),
  );
  const [first, second] = [docs, nightly].map((line) => line.slice(line.indexOf(": ") + 2));
  assert.deepEqual([json.code, JSON.parse(json.stdout)], [0, {
    file: config,
    syncs: [{ name: "docs", schedule: first }, { name: "nightly", schedule: second }],
    notify: [],
  }]);
});
