// The directory source: an index of a tree, beside a walk that hashes and inserts and no more.
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { figure, figures, median, target } from "../support/figures.mjs";
import { output, SERVER_CORE } from "../support/processes.mjs";
import { dataDirectory, RUNTIMES, startProduct } from "../support/product.mjs";

export const title = "Directory source: an index of a tree of files";

const BENCH = new URL("../", import.meta.url).pathname;
const FILES = { full: 20_000, quick: 5_000, each: 100 };
/** Sizes of files, each as often as the others: most are small, as in a home. */
const SIZES = [200, 700, 1_500, 3_000, 6_000, 12_000, 25_000, 60_000];
const HEARTBEAT_MS = 100;
const VIEWERS = 20;
/** How often it is asked whether a run is over. */
const ASK_MS = 20;

export async function measure({ quick, rounds, report }) {
  const rows = [];
  const add = (row) => {
    rows.push({ section: "directory", ...row });
    report.row(rows.at(-1));
  };
  const tree = mkdtempSync(join(tmpdir(), "synctail-bench-tree-"));
  try {
    const files = quick ? FILES.quick : FILES.full;
    plant(tree, files);
    for (const runtime of ["Bun", "Deno"]) {
      await bare(runtime, tree); // what is read once is in memory
      const first = [];
      const again = [];
      const without = [];
      const late = [];
      for (let round = 0; round < rounds; round++) {
        without.push({ files: rate(await bare(runtime, tree)) });
        const told = await indexed(runtime, tree, files);
        first.push({ files: rate({ files, ms: told.firstMs }), run: told.firstMs });
        again.push({ files: rate({ files, ms: told.againMs }), run: told.againMs });
        late.push(...told.late);
      }
      const units = { files: "/s", run: "ms" };
      add({ server: runtime, setting: { files, run: "first" }, figures: figures(first, units) });
      add({ server: runtime, setting: { files, run: "second" }, figures: figures(again, units) });
      add({ server: `bare, ${runtime}`, setting: { files }, figures: figures(without, units) });
      late.sort((a, b) => a - b);
      const p99 = late[Math.floor(late.length * 0.99)];
      add({
        server: runtime,
        setting: { heartbeats: late.length, meanwhile: "first run" },
        figures: { p99: figure([p99], "ms late"), worst: figure([late.at(-1)], "ms late") },
      });
    }
    return rows;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

export function targets(rows) {
  return ["Bun", "Deno"].flatMap((runtime) => {
    const first = median(rows, runtime, { run: "first" }, "files");
    return [
      ...target(
        `${runtime}, first run / bare walk, hash and insert, files/s`,
        first / median(rows, `bare, ${runtime}`, {}, "files"),
        ">= 0.7",
      ),
      ...target(
        `${runtime}, an unchanged second run / the first, files/s`,
        median(rows, runtime, { run: "second" }, "files") / first,
        ">= 5",
      ),
      ...target(
        `${runtime}, heartbeats meanwhile, p99 ms late`,
        median(rows, runtime, { meanwhile: "first run" }, "p99"),
        "<= 100",
      ),
    ];
  });
}

/** The same tree every time; old enough that no run has to look at a file twice. */
function plant(tree, count) {
  const old = new Date("2026-01-01");
  let seed = 1;
  const block = Buffer.alloc(Math.max(...SIZES) + 4);
  for (let at = 0; at < block.length; at++) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    block[at] = seed >> 16;
  }
  for (let n = 0; n < count; n++) {
    const directory = join(tree, `part-${Math.floor(n / FILES.each)}`);
    if (n % FILES.each === 0) mkdirSync(directory);
    block.writeUInt32LE(n); // no two files are the same
    const path = join(directory, `file-${n}.${["txt", "json", "html"][n % 3]}`);
    writeFileSync(path, block.subarray(0, SIZES[n % SIZES.length]));
    utimesSync(path, old, old);
  }
}

async function bare(runtime, tree) {
  const data = dataDirectory();
  try {
    const [program, run, ...flags] = RUNTIMES[runtime];
    const command = [program, run, ...flags, `${BENCH}peers/bare_index.ts`, tree];
    return JSON.parse(await output([...command, join(data.path, "b.db")], { core: SERVER_CORE }));
  } finally {
    data.remove();
  }
}

/** Two runs of the sync in a server, and how late its heartbeats were during the first. */
async function indexed(runtime, tree, files) {
  const data = dataDirectory();
  const config = join(data.path, "synctail.json");
  const source = { type: "directory", path: tree };
  const destination = { type: "sqlite", path: join(data.path, "index.db") };
  writeFileSync(config, JSON.stringify({ syncs: [{ name: "tree", source, destination }] }));
  const args = ["--config", config, "--heartbeat-ms", HEARTBEAT_MS];
  const server = await startProduct(runtime, { data: data.path, args });
  try {
    const quiet = await server.api("POST", "/v1/sync/job", { name: "quiet" });
    const beats = Array.from({ length: VIEWERS }, () => heartbeats(server, quiet.id));
    const first = await runOf(server);
    const late = beats.flatMap((viewer) => viewer.leave());
    const again = await runOf(server);
    if (first.inserted !== files || again.kept !== files) {
      throw new Error(`void: ${first.inserted} of ${files} inserted, then ${again.kept} kept`);
    }
    return { firstMs: first.ms, againMs: again.ms, late };
  } finally {
    await server.stop();
    data.remove();
  }
}

async function runOf(server) {
  const { id } = await server.api("POST", "/v1/sync/tree/run");
  for (;;) {
    const job = await server.api("GET", `/v1/sync/job/${id}`);
    if (job.status === "completed") {
      const ms = Date.parse(job.ended_at) - Date.parse(job.started_at);
      return { ms, inserted: job.entities_inserted, kept: job.entities_kept };
    }
    if (job.ended_at) throw new Error(`the run has ${job.status}: ${JSON.stringify(job.error)}`);
    await new Promise((resolve) => setTimeout(resolve, ASK_MS));
  }
}

/** A viewer; `leave` tells by how many milliseconds each heartbeat missed its time. */
function heartbeats(server, job) {
  const late = [];
  let before;
  const socket = connect(server.port, "127.0.0.1", () => {
    socket.write(
      `GET /v1/sync/job/${job}/subscribe HTTP/1.1\r\nHost: 127.0.0.1\r\n` +
        `Authorization: Bearer ${server.key}\r\n\r\n`,
    );
  });
  socket.on("data", (bytes) => {
    if (!bytes.includes('"type": "heartbeat"')) return;
    const now = performance.now();
    if (before !== undefined) late.push(Math.max(0, now - before - HEARTBEAT_MS));
    before = now;
  });
  return {
    leave() {
      socket.destroy();
      return late;
    },
  };
}

function rate({ files, ms }) {
  return files / (ms / 1000);
}
