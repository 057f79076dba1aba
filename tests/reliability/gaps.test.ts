import assert from "node:assert/strict";
import { join } from "node:path";
import { backUpLog } from "../../src/log/backup.ts";
import { restoreLog } from "../../src/log/restore.ts";
import { DataDirectory } from "../../src/log/data_directory.ts";
import type { EventLog } from "../../src/log/event_log.ts";
import { MemoryLog } from "../support/memory_log.ts";
import { SqliteLog } from "../../src/log/sqlite_log.ts";
import {
  type Entry,
  type Fact,
  levelAtLeast,
  LOG_LEVELS,
  type LogLevel,
} from "../../src/sync/entry.ts";
import type { Job } from "../../src/sync/job.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { line, newJob, progress } from "../support/log_contract.ts";
import { type Random, rounds, seeded } from "../support/seed.ts";
import { type Seen, streamBench, type StreamReader } from "../support/stream_bench.ts";
import { tempDirectory } from "../support/temp.ts";

type Bench = ReturnType<typeof streamBench>;
const QUERIES = [undefined, "debug", "warning"] as const;

/** A job, and what was ever appended to it, whatever became of it. */
class History {
  readonly facts: Fact[] = [];
  #inserted = 0;

  constructor(readonly bench: Bench, readonly random: Random, readonly key: Job) {}

  static async begin(store: EventLog, random: Random): Promise<History> {
    const bench = streamBench({ store, heartbeatMs: 1e12 });
    return new History(bench, random, await bench.job());
  }

  async grow(): Promise<void> {
    const { random } = this;
    const facts = random.many(
      1 + random.below(6),
      () =>
        random.chance(0.5)
          ? progress("in_progress", this.#inserted += random.below(3))
          : line(`${random.below(1e9)}`, random.pick(LOG_LEVELS)),
    );
    this.facts.push(...facts);
    await this.bench.add(this.key, ...facts);
  }

  async end(): Promise<void> {
    this.facts.push(progress("completed", this.#inserted));
    await this.bench.add(this.key, ...this.facts.slice(-1));
  }

  async trim(): Promise<void> {
    const progressMax = this.random.chance(0.5) ? 3 : undefined;
    const entriesMax = this.random.below(40);
    while (await this.bench.log.trim(this.key, { entriesMax, progressMax }));
  }

  async kept(): Promise<readonly Entry[]> {
    return (await this.bench.log.read(this.key, { after: 0, limit: 10_000, logs: "debug" }))
      .entries;
  }

  /** Seqs of the lines after a position that a viewer is owed by what was appended. */
  owed(after: number, logs: LogLevel | undefined): number[] {
    return this.facts.flatMap((fact, index) =>
      fact.kind === "log" && logs !== undefined && levelAtLeast(fact.level, logs) && index >= after
        ? [index + 1]
        : []
    );
  }

  /** By design 2.5: whether a line that is owed behind that position is not kept any more. */
  async isGap(after: number, logs: LogLevel | undefined): Promise<boolean> {
    const kept = new Set((await this.kept()).map(({ seq }) => seq));
    return this.owed(after, logs).some((seq) => !kept.has(seq));
  }
}

const linesOf = (frames: readonly Seen[]) =>
  frames.filter(({ data }) => data.type === "log").map(({ data }) => data.seq);

/** Opens a stream at every position, and compares what it is told with what is owed. */
async function assertEveryCursor(history: History): Promise<void> {
  const { bench, key } = history;
  const end = history.facts.length;
  for (const logs of QUERIES) {
    for (let seq = 0; seq < end; seq++) {
      const cursor = seq === 0 ? "0" : `${key.epoch}-${seq}`;
      const gap = await history.isGap(seq, logs);
      const [connected, ...frames] = await (await bench.open(key, cursor, logs as "debug")).rest();

      assert.equal(connected.data.resume, gap ? "gap" : "resumed", `${cursor} with ${logs}`);
      assert.equal(frames.at(-1)?.data.seq, end);
      if (!gap) assert.deepEqual(linesOf(frames), history.owed(seq, logs));
      else {
        const first = (await history.kept())[0].seq;
        assert.equal(connected.data.requested, cursor);
        assert.equal(connected.data.first_available, `${key.epoch}-${first}`);
        assert.deepEqual(frames.map(({ data }) => data.type), ["progress"]);
      }
    }
    for (const cursor of [`${key.epoch}-${end + 1}`, `other-${end}`, "x", "-1", `${key.epoch}-`]) {
      const [connected] = await (await bench.open(key, cursor, logs as "debug")).rest();
      assert.deepEqual([connected.data.resume, connected.data.requested], ["gap", cursor]);
    }
    await assert.rejects(bench.open(key, `${key.epoch}-${end}`, logs as "debug"), /204/);
  }
}

/** Comes and goes while the log grows and is trimmed. */
class Comer {
  readonly held = new Set<number>();
  /** Stretches that it was told it would not get: behind the first, up to the second. */
  readonly forgiven: [number, number][] = [];
  #reader: StreamReader | undefined;
  #pending: Promise<Seen[]> | undefined;
  #arrived: Seen[] | undefined;
  #position = 0;

  constructor(readonly history: History, readonly logs: LogLevel | undefined) {}

  async come(): Promise<void> {
    const { bench, key } = this.history;
    await this.leave();
    const gap = await this.history.isGap(this.#position, this.logs);
    const cursor = this.#position === 0 ? "0" : `${key.epoch}-${this.#position}`;
    this.#reader = await bench.open(key, cursor, this.logs as "debug");
    const [connected, ...frames] = await this.#reader.next();
    assert.equal(connected.data.resume, gap ? "gap" : "resumed", `${cursor} with ${this.logs}`);
    if (gap) this.forgiven.push([this.#position, this.history.facts.length]);
    this.#take(frames);
  }

  async leave(): Promise<void> {
    await this.#reader?.cancel().catch(() => {});
    this.#reader = this.#pending = this.#arrived = undefined;
  }

  /** Takes what is there; being sent away it comes back. */
  async read(): Promise<void> {
    if (!this.#reader) return await this.come();
    this.#pending ??= this.#reader.next().then((frames) => this.#arrived = frames);
    for (let turn = 0; turn < 8 && !this.#arrived; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const frames = this.#arrived;
    if (!frames) return;
    this.#pending = this.#arrived = undefined;
    if (frames.some(({ retry }) => retry !== undefined)) return await this.come();
    this.#take(frames);
  }

  #take(frames: readonly Seen[]): void {
    for (const { id, data } of frames) {
      if (id === undefined) continue;
      assert.ok(data.seq > this.#position, `${data.seq} after ${this.#position}`);
      this.#position = data.seq;
      this.held.add(data.seq);
    }
  }

  assertKnows(): void {
    for (const seq of this.history.owed(0, this.logs)) {
      const told = this.forgiven.some(([after, through]) => seq > after && seq <= through);
      assert.ok(this.held.has(seq) || told, `line ${seq} is missing with ${this.logs}`);
    }
    assert.ok(this.held.has(this.history.facts.length));
  }
}

async function comeAndGo(history: History): Promise<void> {
  const { random } = history;
  const comers = [...QUERIES, ...QUERIES].map((logs) => new Comer(history, logs));
  for (let step = 0; step < 60; step++) {
    if (random.chance(0.4)) await history.grow();
    if (random.chance(0.15)) await history.trim();
    const comer = random.pick(comers);
    if (random.chance(0.3)) await comer.come();
    else if (random.chance(0.25)) await comer.leave();
    else await comer.read();
  }
  await history.end();
  for (const comer of comers) {
    for (let tries = 0; !comer.held.has(history.facts.length); tries++) {
      assert.ok(tries < 1_000, "the end does not come");
      await comer.read();
    }
    comer.assertKnows();
    await comer.leave();
  }
  assert.deepEqual([history.bench.viewers.size, history.bench.faults], [0, []]);
}

seeded(
  "a gap is told where a line that is owed was removed, and only there (memory)",
  async (random) => {
    for (let round = 0; round < rounds(40); round++) {
      const history = await History.begin(new MemoryLog(new FakeClock()), random.fork());
      await comeAndGo(history);
      if (round % 4 === 0) await assertEveryCursor(history);
    }
  },
);

seeded(
  "a gap is told where a line that is owed was removed, and only there (SQLite)",
  async (random, t) => {
    const { path, remove } = tempDirectory();
    const clock = new FakeClock();
    const store = new SqliteLog({ path: join(path, "log.db"), durability: "normal", clock });
    t.after(async () => {
      await store.close();
      remove();
    });
    for (let round = 0; round < rounds(40); round++) {
      const history = await History.begin(store, random.fork());
      await comeAndGo(history);
      if (round % 4 === 0) await assertEveryCursor(history);
    }
  },
);

seeded(
  "after a restore every cursor of before is told a gap, also one that the backup holds",
  async (random, t) => {
    const { path, remove } = tempDirectory();
    const clock = new FakeClock();
    const file = join(path, "data", "log.db");
    const directory = new DataDirectory(join(path, "data"));
    const open = () => new SqliteLog({ path: file, durability: "normal", clock });
    let store = open();
    t.after(async () => {
      await store.close();
      directory.release();
      remove();
    });
    const { job } = await store.create(newJob());
    const grow = () =>
      store.append(job, () => ({
        facts: [progress("in_progress", 1), line(`${random.next()}`), progress("in_progress", 2)],
      }));
    await grow();
    await backUpLog(file, join(path, "backup.db"));
    await grow();
    await store.close();

    restoreLog(directory, join(path, "backup.db"));
    store = open();
    const bench = streamBench({ store, heartbeatMs: 1e12 });
    const restored = await store.get(job);
    assert.ok(restored);
    await bench.add(restored, progress("completed", 3));

    for (let seq = 1; seq <= 6; seq++) {
      const frames = await (await bench.open(restored, `${job.epoch}-${seq}`, "debug")).rest();
      assert.deepEqual(
        frames.map(({ id, data }) => [id, data.resume ?? data.status]),
        [[undefined, "gap"], [`${restored.epoch}-4`, "completed"]],
      );
      assert.equal(frames[0].data.first_available, `${restored.epoch}-1`);
    }
    assert.notEqual(restored.epoch, job.epoch);
  },
);
