// Viewers that come late: a long log to one of them, and many that resume at once.
import { createWriteStream, mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { figures, median, target } from "../support/figures.mjs";
import { compile, connectClient } from "../support/load_client.mjs";
import { CLIENT_CORE, output, SERVER_CORE, start } from "../support/processes.mjs";
import { RUNTIMES, startProduct } from "../support/product.mjs";

export const title = "Replay: a long log to a late viewer, and many that resume at once";

const BENCH = new URL("../", import.meta.url).pathname;
/** Log lines: every one is owed to whoever asks for them, where superseded progress is not. */
const LINE = '{"type": "log", "message": "docs/file-########.txt: updated, 12,345 bytes", ' +
  '"source": "bench", "fields": {"file": ########}}';
const BATCH = 100;
const LATE = { entries: 1_000_000, quick: 100_000 };
const RESUMING = { viewers: 1_000, entries: 2_000 };
const LIVE = { viewers: 100, rate: 50 };
const EVENT = '{"type": "progress", "delta": true, "entities_inserted": 1, ' +
  '"current": "e##########"}';
/** No log is thinned while it is measured. */
const KEPT = ["--retention-entries", "0"];

export async function measure({ quick, rounds, seconds, report }) {
  const rows = [];
  const add = (server, setting, measured, units) => {
    rows.push({ section: "replay", server, setting, figures: figures(measured, units) });
    report.row(rows.at(-1));
  };
  const entries = quick ? LATE.quick : LATE.entries;
  const directory = mkdtempSync(join(tmpdir(), "synctail-bench-replay-"));
  try {
    for (const runtime of ["Bun", "Deno"]) {
      const server = await startProduct(runtime, { args: KEPT });
      const ours = [];
      const resumed = [];
      const live = { without: [], meanwhile: [] };
      try {
        const long = await filled(server, entries);
        for (let round = 0; round < rounds; round++) ours.push(await read(server, long, 1));
        const short = await filled(server, RESUMING.entries);
        for (let round = 0; round < rounds; round++) {
          const told = await resuming(server, short, seconds);
          resumed.push(told.resumed);
          live.without.push(told.without);
          live.meanwhile.push(told.meanwhile);
        }
      } finally {
        await server.stop();
      }
      const file = join(directory, "stream");
      await sized(file, ours[0].bytes);
      const files = [];
      for (let round = 0; round < rounds; round++) files.push(await served(runtime, file));
      const units = { rate: "MB/s", entries: "/s", cpu: "us CPU", seconds: "s" };
      add(runtime, { viewers: 1, entries }, ours, units);
      add(`file, ${runtime}`, { viewers: 1 }, files, { rate: "MB/s", seconds: "s" });
      add(runtime, { resuming: RESUMING.viewers, entries: RESUMING.entries }, resumed, units);
      const latency = { p50Ms: "ms", p99Ms: "ms" };
      add(runtime, { live: LIVE.viewers, meanwhile: "nothing" }, live.without, latency);
      add(runtime, { live: LIVE.viewers, meanwhile: "resuming" }, live.meanwhile, latency);
    }
    return rows;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export function targets(rows) {
  return ["Bun", "Deno"].flatMap((runtime) => [
    ...target(
      `${runtime}, one late viewer / a file, MB/s`,
      median(rows, runtime, { viewers: 1 }, "rate") /
        median(rows, `file, ${runtime}`, { viewers: 1 }, "rate"),
      ">= 0.5",
    ),
    ...target(
      `${runtime}, live p99 while ${RESUMING.viewers} resume / without`,
      median(rows, runtime, { meanwhile: "resuming" }, "p99Ms") /
        median(rows, runtime, { meanwhile: "nothing" }, "p99Ms"),
      "<= 2",
    ),
  ]);
}

/** A job with so many log lines, and where its stream is. */
async function filled(server, entries) {
  const { id } = await server.api("POST", "/v1/sync/job", { name: "bench" });
  const path = `/v1/sync/job/${id}`;
  const lines = Array.from({ length: BATCH }, (_, n) => LINE.replaceAll("########", 1e7 + n));
  const body = lines.join("\n");
  for (let at = 0; at < entries; at += 50 * BATCH) {
    const count = Math.min(50 * BATCH, entries - at) / BATCH;
    const response = await fetch(`${server.url}${path}/events`, {
      method: "POST",
      headers: {
        "Authorization": `Bearer ${server.key}`,
        "Content-Type": "application/x-ndjson",
      },
      body: Array(count).fill(body).join("\n"),
    });
    if (!response.ok) throw new Error(`posting failed: ${await response.text()}`);
    await response.text();
  }
  return { path: `${path}/subscribe?logs=debug`, epoch: await epochOf(server, path), entries };
}

/** The first part of the ids of the job's frames. */
async function epochOf(server, path) {
  const leave = new AbortController();
  const response = await fetch(`${server.url}${path}/subscribe`, {
    headers: { Authorization: `Bearer ${server.key}` },
    signal: leave.signal,
  });
  let text = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const id = /\nid: (\w+)-\d+\n/.exec(text);
    if (!id) continue;
    leave.abort();
    return id[1];
  }
  throw new Error("a stream ended without an id");
}

/** So many viewers, which begin at cursors spread over the log. */
async function read(server, { path, epoch, entries }, viewers) {
  const before = server.cpuUs();
  const header = `Authorization: Bearer ${server.key}\r\n`;
  const told = JSON.parse(
    await output([await compile("replay.c"), server.port, path, header, viewers, epoch, entries], {
      core: CLIENT_CORE,
    }),
  );
  return {
    ...told,
    rate: told.bytes / 1e6 / told.seconds,
    entries: told.frames / told.seconds,
    cpu: (server.cpuUs() - before) / told.frames,
  };
}

/** Live viewers of another job, first by themselves and then while all the others resume. */
async function resuming(server, log, seconds) {
  const { id } = await server.api("POST", "/v1/sync/job", { name: "live" });
  const path = `/v1/sync/job/${id}`;
  const client = await connectClient({
    ...server,
    header: `Authorization: Bearer ${server.key}`,
    ids: "seq",
    body: EVENT,
    channels: [{ get: `${path}/subscribe`, post: `${path}/events` }],
  }, LIVE.viewers);
  try {
    const without = await client.latency(LIVE.rate, seconds);
    // They come one wave after another, so that the whole time that is looked at has some.
    const measured = client.latency(LIVE.rate, seconds, 0);
    const waves = [];
    for (const until = performance.now() + seconds * 1000; performance.now() < until;) {
      waves.push(await read(server, log, RESUMING.viewers));
    }
    return { without, meanwhile: await measured, resumed: waves[0] };
  } finally {
    await client.stop();
  }
}

async function sized(path, bytes) {
  await new Promise((resolve, reject) => {
    const file = createWriteStream(path).on("error", reject).on("finish", resolve);
    const block = Buffer.alloc(1 << 20, "data: x\n");
    let left = Math.ceil(bytes / block.length);
    const more = () => {
      while (left > 0) {
        left--;
        if (!file.write(block)) return file.once("drain", more);
      }
      file.end();
    };
    more();
  });
  truncateSync(path, bytes);
}

/** A file of as many bytes, served by the runtime alone. */
async function served(runtime, path) {
  const [program, run, ...flags] = RUNTIMES[runtime];
  const server = start([program, run, ...flags, `${BENCH}peers/file.ts`, path], {
    core: SERVER_CORE,
  });
  try {
    const port = await server.line();
    const told = JSON.parse(
      await output([await compile("replay.c"), port, "/", "", 1, "", 0], { core: CLIENT_CORE }),
    );
    return { ...told, rate: told.bytes / 1e6 / told.seconds };
  } finally {
    await server.stop();
  }
}
