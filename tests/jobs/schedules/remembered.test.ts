import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { notAhead, placeOf, Remembered } from "../../../src/jobs/schedules/remembered.ts";
import { deriveSyncId } from "../../../src/sync/ids.ts";
import { TENANT } from "../../support/log_contract.ts";
import type { Cleanup } from "../../support/program.ts";
import { tempDirectory } from "../../support/temp.ts";

const DOCS = placeOf({ tenant: TENANT, id: deriveSyncId(TENANT, "docs") });
const USERS = placeOf({ tenant: TENANT, id: deriveSyncId(TENANT, "users") });

function bench(t: Cleanup) {
  const { path: directory, remove } = tempDirectory();
  t.after(remove);
  const path = join(directory, "schedules.json");
  const faults: unknown[] = [];
  return { path, faults, open: (at = path) => new Remembered(at, (cause) => faults.push(cause)) };
}

test("save() keeps what was put, for its owner alone, and only what is to be kept", (t) => {
  const { path, open, faults } = bench(t);
  const first = open();

  first.put(DOCS, { firstSeenMs: 1, schedule: "every 15m", handledMs: 7 });
  first.put(USERS, { firstSeenMs: 2 });
  first.keep(new Set([DOCS]));
  first.save();
  const second = open();

  assert.deepEqual([first.empty, second.empty, open(`${path}.x`).empty], [false, false, true]);
  assert.deepEqual(second.get(DOCS), { firstSeenMs: 1, schedule: "every 15m", handledMs: 7 });
  assert.equal(second.get(USERS), undefined);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(faults, []);
});

test("a file that cannot be read is told of and begun anew", (t) => {
  const { path, open, faults } = bench(t);
  writeFileSync(path, '{"version": 1, "syncs": {"x": {"firstSeenMs": "yesterday"}}}');

  const remembered = open();
  remembered.put(DOCS, { firstSeenMs: 1 });
  remembered.save();

  assert.match(
    String(faults[0]),
    /^Error: Cannot read ".*schedules\.json", so it begins anew: expected times/,
  );
  assert.deepEqual(Object.keys(JSON.parse(readFileSync(path, "utf8")).syncs), [DOCS]);
});

for (
  const [what, file] of [
    ["another version", { version: 2, syncs: {} }],
    ["no syncs", { version: 1 }],
    ["a list of syncs", { version: 1, syncs: [] }],
    ["a note that is none", { version: 1, syncs: { x: null } }],
    ["a note without its first moment", { version: 1, syncs: { x: {} } }],
    ["a time that is a text", { version: 1, syncs: { x: { firstSeenMs: 1, handledMs: "2" } } }],
    ["a time ahead that is a text", {
      version: 1,
      syncs: { x: { firstSeenMs: 1, ahead: { handledMs: "2" } } },
    }],
    ["a text that is a time", { version: 1, syncs: { x: { firstSeenMs: 1, schedule: 2 } } }],
  ] as const
) {
  test(`a file of ${what} is told of and begun anew`, (t) => {
    const { path, open, faults } = bench(t);
    writeFileSync(path, JSON.stringify(file));

    const { empty } = open();

    assert.deepEqual([empty, faults.length], [true, 1]);
  });
}

test("save() writes where something has changed, and the whole file or none of it", (t) => {
  const { path, open, faults } = bench(t);
  const remembered = open();
  remembered.put(DOCS, { firstSeenMs: 1 });
  remembered.save();
  const before = readFileSync(path, "utf8");

  mkdirSync(`${path}.tmp`); // where the new one would be written
  remembered.save();
  const unchanged = [...faults];
  remembered.put(DOCS, { firstSeenMs: 2 });
  remembered.save();

  assert.deepEqual([unchanged, faults.length], [[], 1]);
  assert.equal(readFileSync(path, "utf8"), before);
});

test("save() tells when it cannot write, and loses nothing that is in memory", (t) => {
  const { path, open, faults } = bench(t);
  const remembered = open(join(path, "no", "directory.json"));

  remembered.put(DOCS, { firstSeenMs: 1 });
  remembered.save();

  assert.match(String(faults[0]), /^Error: Cannot write ".*directory\.json"/);
  assert.deepEqual([faults.length, remembered.get(DOCS)], [1, { firstSeenMs: 1 }]);
});

const AHEAD = {
  firstSeenMs: 5_000,
  sinceMs: 500,
  lastStartMs: 9_000,
  handledMs: 3_000,
};

test("notAhead() brings back what a clock that was put back would wait for", () => {
  const { ahead, ...back } = notAhead({ ...AHEAD, excusedMs: 2_000 }, 1_000);

  assert.deepEqual(back, {
    firstSeenMs: 1_000,
    sinceMs: 500,
    lastStartMs: 1_000,
    handledMs: 1_000,
    excusedMs: 1_000,
  });
  assert.deepEqual(ahead, {
    firstSeenMs: 5_000,
    lastStartMs: 9_000,
    handledMs: 3_000,
    excusedMs: 2_000,
  });
});

test("notAhead() leaves the last start of what is overdue as long ago as it is", () => {
  const { firstSeenMs, lastStartMs, overdueMs } = notAhead(
    { ...AHEAD, overdueMs: 9_500 },
    1_000,
  );

  assert.deepEqual([firstSeenMs, lastStartMs, overdueMs], [-3_500, 500, 1_000]);
});

test("notAhead() takes what it has brought back for right, unless the clock jumps to where it was", () => {
  const back = notAhead(AHEAD, 1_000, 900);
  const passed = notAhead(back, 9_000, 8_000);
  const again = notAhead(notAhead(AHEAD, 100_000), 1_000, 100_000);
  const jumped = notAhead(again, 100_000, 2_000);
  const started = notAhead(back, 100_000);

  assert.deepEqual(passed, {
    ...AHEAD,
    firstSeenMs: 1_000,
    lastStartMs: 1_000,
    handledMs: 1_000,
    ahead: undefined,
  });
  assert.deepEqual([jumped, started], Array(2).fill({ ...AHEAD, ahead: undefined }));
});
