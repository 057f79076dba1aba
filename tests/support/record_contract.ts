/** What every RecordDestination must hold; each implementation runs the whole of it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { renameSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { DestinationError } from "../../src/destinations/index_destination.ts";
import type {
  RecordDestination,
  RecordSession,
  SyncRecord,
} from "../../src/destinations/record_destination.ts";
import type { Cleanup } from "./program.ts";
import { record, type RecordKind, recordsAt } from "./records.ts";
import { RUN } from "./runtime.ts";
import { tempDirectory } from "./temp.ts";

const CHILD = new URL("./record_child.ts", import.meta.url).pathname;
const SOURCE = "default/users";

interface Bench {
  readonly path: string;
  open(): RecordSession;
  /** Another object over the same files. */
  destination(): RecordDestination;
}

function bench(t: Cleanup, kind: RecordKind): Bench {
  const { path: directory, remove } = tempDirectory();
  t.after(remove);
  const path = `${directory}/below/records`;
  const destination = () => recordsAt(kind, path);
  return { path, destination, open: () => destination().open(SOURCE) };
}

/** @param held what is held at a path, by type and key; undefined where nothing is */
export function recordContract(
  kind: RecordKind,
  held?: (path: string) => Record<string, unknown>,
): void {
  test(`${kind}: put() tells what is new, what has changed and what is known`, (t) => {
    const session = bench(t, kind).open();

    const outcomes = [
      session.put(record("1", "a")),
      session.put(record("1", "a")),
      session.put(record("1", "b")),
      session.put(record("2", "b")),
      session.put(record("1", "a")),
    ];
    session.flush();
    const later = [session.put(record("1", "a")), session.put(record("2", "c"))];

    assert.deepEqual(outcomes, ["inserted", "kept", "updated", "inserted", "updated"]);
    assert.deepEqual(later, ["kept", "updated"]);
    session.close();
  });

  test(`${kind}: put() tells records apart by type and key, whatever these are`, (t) => {
    const session = bench(t, kind).open();
    const ids = [
      ["a", "b c"],
      ["a b", "c"],
      ["", "a"],
      ["a", ""],
      ['"', "\\\n\u2028"],
      ["\u00fc", "\u{1f600}"],
    ];
    const all = () => ids.map(([type, key]) => session.put({ ...record(key, "x"), type }));

    assert.deepEqual(new Set(all()), new Set(["inserted"]));
    session.flush();
    assert.deepEqual(new Set(all()), new Set(["kept"]));
    session.close();
  });

  test(`${kind}: remove() tells whether there was one, written or not`, (t) => {
    const session = bench(t, kind).open();
    session.put(record("old", "a"));
    session.flush();
    session.put(record("new", "a"));

    const removed = ["old", "new", "none", "old"].map((key) => session.remove("users", key));
    session.flush();
    const again = [session.remove("users", "old"), session.put(record("old", "a"))];

    assert.deepEqual(removed, [true, true, false, false]);
    assert.deepEqual(again, [false, "inserted"]);
    session.close();
  });

  test(`${kind}: put() knows records again that were written long ago`, (t) => {
    const session = bench(t, kind).open();
    const all = (content: string) => {
      const counts = { inserted: 0, updated: 0, kept: 0 };
      for (let n = 0; n < 2_500; n++) counts[session.put(record(`${n}`, content))]++;
      return counts;
    };

    assert.deepEqual(all("a"), { inserted: 2_500, updated: 0, kept: 0 });
    assert.deepEqual(all("a"), { inserted: 0, updated: 0, kept: 2_500 });
    assert.deepEqual(all("b"), { inserted: 0, updated: 2_500, kept: 0 });
    session.close();
  });

  test(`${kind}: put() takes large records`, (t) => {
    const session = bench(t, kind).open();
    const large = (n: number): SyncRecord => record(`${n}`, "x".repeat(1_000_000));

    for (let n = 0; n < 12; n++) assert.equal(session.put(large(n)), "inserted");
    session.flush();

    assert.equal(session.put(large(0)), "kept");
    session.close();
  });

  if (!held) {
    test(`${kind}: a session knows nothing of the one before`, (t) => {
      const { open } = bench(t, kind);
      const first = open();
      first.put(record("1", "a"));
      first.close();

      const second = open();

      assert.equal(second.put(record("1", "a")), "inserted");
      second.close();
    });
    return;
  }

  test(`${kind}: a session knows what the one before has closed with`, (t) => {
    const { open, path } = bench(t, kind);
    const first = open();
    for (const key of ["1", "2", "3"]) first.put(record(key, "a"));
    first.remove("users", "3");
    first.close();

    const second = open();
    const outcomes = ["1", "2", "3"].map((key) => second.put(record(key, key === "2" ? "b" : "a")));
    second.close();

    assert.deepEqual(outcomes, ["kept", "updated", "inserted"]);
    assert.deepEqual(held(path), {
      "users 1": { name: "a" },
      "users 2": { name: "b" },
      "users 3": { name: "a" },
    });
  });

  test(`${kind}: put() and flush() lose nothing while another program has it locked`, (t) => {
    const { open, path } = bench(t, kind);
    const session = open();
    session.put(record("0", "a"));
    session.flush();
    const other = new DatabaseSync(kind === "jsonl" ? `${path}.index` : path);
    other.exec("BEGIN IMMEDIATE");

    for (let n = 1; n < 700; n++) assert.equal(session.put(record(`${n}`, "a")), "inserted");
    assert.throws(() => session.flush(), { name: "DestinationLockedError" });
    assert.equal(session.put(record("1", "a")), "kept");
    other.exec("ROLLBACK");
    other.close();
    session.flush();
    session.close();

    assert.equal(Object.keys(held(path)).length, 700);
  });

  test(`${kind}: flush() fails where its file was removed meanwhile`, (t) => {
    const { open, path } = bench(t, kind);
    const session = open();
    session.put(record("1", "a"));
    renameSync(path, `${path}.away`);

    assert.throws(
      () => session.flush(),
      (cause) =>
        cause instanceof DestinationError && cause.code === "destination_changed" &&
        cause.message.endsWith("it was removed while the sync ran"),
    );
    session.close();
  });

  test(`${kind}: open() refuses the records of another source`, (t) => {
    const { open, destination, path } = bench(t, kind);
    const session = open();
    session.put(record("1", "a"));
    session.close();

    assert.throws(
      () => destination().open("default/orders"),
      (cause) =>
        cause instanceof DestinationError && cause.code === "destination_of_other_source" &&
        /"default\/orders".*of "default\/users"$/.test(cause.message),
    );
    assert.deepEqual(held(path), { "users 1": { name: "a" } });
  });

  test(`${kind}: open() says so when it cannot write`, (t) => {
    const { path } = bench(t, kind);

    assert.throws(
      () => recordsAt(kind, `${path}\0`).open(SOURCE),
      (cause) => cause instanceof DestinationError && cause.code === "destination_unwritable",
    );
  });

  test(`${kind}: what a killed run has flushed is held, and the next run repairs the rest`, async (t) => {
    const { path, open } = bench(t, kind);
    let told = 0;
    for (let round = 0; round < 3; round++) {
      const child = spawn(RUN[0], [...RUN.slice(1), CHILD, kind, path, SOURCE, `${round}`], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      t.after(() => void child.kill("SIGKILL"));
      for await (const chunk of child.stdout) {
        told = Number(String(chunk).trimEnd().split("\n").at(-1));
        if (told > 300) break;
      }
      const exit = once(child, "exit");
      child.kill("SIGKILL");
      await exit;
    }

    const session = open();
    while (session.repair?.());
    const counts = { inserted: 0, updated: 0, kept: 0 };
    for (let n = 0; n < told; n++) counts[session.put(record(`${n}`, "round 2"))]++;
    const rest = session.put(record("beyond", "round 2"));
    session.close();

    assert.deepEqual(counts, { inserted: 0, updated: 0, kept: told });
    assert.equal(rest, "inserted");
    const all = held(path);
    assert.deepEqual(all["users 0"], { name: "round 2" });
    assert.ok(Object.keys(all).length > told);
  });
}
