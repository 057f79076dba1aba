import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { barText } from "../../src/cli/display.ts";
import { logText, shareOf, summaryText } from "../../src/cli/words.ts";
import { OWN, startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

const TERMINAL = new URL("../support/terminal.py", import.meta.url).pathname;

test("a terminal that does not know its width is shown whole lines", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "tree"));
  for (const name of ["a", "b"]) writeFileSync(join(path, "tree", name), name);
  const config = join(path, "synctail.json");
  const source = { type: "directory", path: "tree", max_per_s: 1 };
  const destination = { type: "sqlite", path: "tree.db" };
  writeFileSync(config, JSON.stringify({ syncs: [{ name: "tree", source, destination }] }));
  const args = ["run", "tree", "--config", config, "--data", join(path, "data")];

  // terminal.py gives it none.
  const { stdout } = await startProgram.toEnd(t, {
    command: ["python3", TERMINAL, "never shown", ""],
    args: [...OWN, ...args],
  });

  // Between the sequences that draw a line anew.
  const drawn = stdout.split("\x1b").map((text) => text.replace(/^\[[\d;?]*[a-zA-Z]/, ""));
  const begun = drawn.filter((text) => text.includes("nothing"));
  assert.ok(begun.length > 0, stdout);
  for (const text of begun) assert.match(text, /nothing counted yet$/);
  const bars = drawn.filter((text) => text.includes(" % "));
  assert.deepEqual(bars.map((text) => text.length).filter((length) => length > 79), []);
});

test("no mark that turns the direction of writing gets to a terminal", () => {
  const marks = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069";

  const text = logText({ type: "log", level: "info", message: `job ${marks}1/2 é😀` });

  assert.equal(text, "[info] job 1/2 é😀");
});

test("a narrow terminal is shown no part of a number", () => {
  const payload = {
    ...{ type: "progress", status: "in_progress", phase: "syncing", paced: true },
    ...{ inserted: 18291, kept: 8692, skipped: 159, percent: 40.7, rate_per_s: 4790.2, eta_s: 6 },
  };
  const counts = "18291 inserted, 8692 kept, 159 skipped";
  const bar = "████░░░░░░  40.7 %";

  assert.equal(
    barText(payload, 120),
    `${"█".repeat(12)}${"░".repeat(18)}  40.7 %  syncing  ${counts}  4790/s (paced)  6 s left`,
  );
  assert.equal(barText(payload, 90), `${bar}  ${counts}  4790/s (paced)  6 s left`);
  assert.equal(barText(payload, 80), `${bar}  ${counts}  6 s left`);
  assert.equal(barText(payload, 60), `${bar}  ${counts}`);
  assert.equal(barText(payload, 43), `${bar}  18291 inserted, 8692 …`);
  assert.equal(barText(payload, 23), `${bar}  …`);
  assert.equal(
    barText({ ...payload, percent: undefined }, 70),
    `${counts}  4790/s (paced)  6 s left`,
  );
});

test("a job that tells bytes shows them while it runs, with or without counts", () => {
  const payload = { type: "progress", status: "in_progress", bytes_done: 30_000_000 };
  const counted = { ...payload, inserted: 300, rate_per_s: 50 };

  assert.equal(barText(payload, 80), "28.6 MiB");
  assert.equal(barText({ ...payload, bytes_done: 0 }, 80), "nothing counted yet");
  const path = `/srv/${"photos/".repeat(20)}`;
  assert.equal(barText({ ...payload, bytes_done: 0, current: path }, 40), `${path.slice(0, 38)}…`);
  assert.equal(barText(counted, 80), "300 inserted  28.6 MiB  50/s");
  assert.equal(barText(counted, 29), "300 inserted  28.6 MiB  50/s");
  assert.equal(barText(counted, 28), "300 inserted  50/s");
  assert.equal(barText({ ...counted, phase: "copying" }, 30), "300 inserted  28.6 MiB  50/s");
  const exact = [9, 8].map((columns) =>
    barText({ ...payload, bytes_done: 0, current: "photos/a" }, columns)
  );
  assert.deepEqual(exact, ["photos/a", "photos…"]); // the last column stays free
  const faces = barText({ ...payload, bytes_done: 0, current: "😀".repeat(40) }, 41);
  assert.equal(faces, `${"😀".repeat(19)}…`);
});

test("the lines of a trace and of a reason are told apart", () => {
  const message = "user 7 failed\nTraceback:\r\n  File\tetl.py\rbye\n\u001b[0m\n";
  const error = "duplicate key\r\nDETAIL: 7\tis\rthere";

  assert.equal(
    logText({ type: "log", level: "er\u001bror", message }),
    "[error] user 7 failed\n  Traceback:\n    File etl.py\n  bye\n  [0m",
  );
  assert.equal(
    summaryText({ type: "progress", status: "failed", error }),
    "failed: duplicate key DETAIL: 7 is there " +
      "(0 inserted, 0 updated, 0 deleted, 0 kept, 0 skipped)",
  );
});

test("the last line tells of warnings, also of a job that counts nothing else", () => {
  const done = { type: "progress", status: "completed" };
  const counts = "0 inserted, 0 updated, 0 deleted, 0 kept, 0 skipped";

  assert.equal(summaryText({ ...done, warnings: 1 }), `completed (${counts}, 1 warning)`);
  assert.equal(
    summaryText({ ...done, bytes_done: 1024, warnings: 4 }),
    `completed (${counts}, 1.0 KiB, 4 warnings)`,
  );
  assert.equal(summaryText({ ...done, warnings: 0 }), `completed (${counts})`);
});

test("barText() shows what a job that counts nothing is busy with", () => {
  const payload = { type: "progress", status: "in_progress", current: " 98 MB \u001b[1ma.iso" };

  assert.equal(barText(payload, 80), "98 MB [1ma.iso");
  assert.equal(barText({ ...payload, inserted: 1 }, 80), "1 inserted");
});

test("shareOf() is no percent beyond the total, unless the job has completed", () => {
  const of = (payload: object) =>
    shareOf({ type: "progress", status: "in_progress", percent: 100, ...payload });

  assert.equal(of({ inserted: 290, total: 100 }), undefined);
  assert.equal(of({ inserted: 290, total: 100, status: "failed" }), undefined);
  assert.equal(of({ inserted: 290, total: 100, status: "completed" }), 100);
  assert.equal(of({ inserted: 100, deleted: 5, total: 100 }), 100);
  assert.equal(of({ bytes_done: 11, bytes_total: 10 }), undefined);
  assert.equal(of({ bytes_done: 10, bytes_total: 10, inserted: 2, total: 1 }), 100);
  assert.equal(of({ bytes_total: 10, inserted: 2, total: 1 }), undefined);
  assert.equal(of({ percent: 40, inserted: 290, total: 100 }), 40);
  assert.equal(of({ percent: undefined }), undefined);
});
