// What workers may post a second, each event kept: beside SQLite alone and beside a bare echo.
import { join } from "node:path";
import { figures, median, target } from "../support/figures.mjs";
import { compile } from "../support/load_client.mjs";
import { CLIENT_CORE, output, SERVER_CORE, start } from "../support/processes.mjs";
import { dataDirectory, RUNTIMES, startProduct } from "../support/product.mjs";

export const title = "Durable ingest: events a second that are kept";

const BENCH = new URL("../", import.meta.url).pathname;
const EVENT = '{"type": "progress", "entities_inserted": ########, "entities_updated": ########, ' +
  '"current": "docs/file-########.txt"}';
/** Running totals of a job only rise, so connections that share one send what is added. */
const ADDED = EVENT.replace("{", '{"delta": true, ').replaceAll(": ########,", ": 1,");
const NDJSON = { events: 100, connections: 4, jobs: 4, event: EVENT };
const SINGLE = { events: 1, connections: 16, jobs: 1, event: ADDED };
const SCATTERED = { events: 1, connections: 16, jobs: 16, event: EVENT };
const UNITS = { events: "/s", cpu: "us CPU", p50: "ms", p99: "ms", client: "%" };
/** A server that leaves more of its core idle than a tenth waits for something else. */
const FULL = 0.9;

export async function measure({ quick, rounds, seconds, report }) {
  const rows = [];
  const add = (server, setting, measured) => {
    const row = { section: "ingest", server, setting, figures: figures(measured, UNITS) };
    const core = measured.map(({ core }) => core).sort((a, b) => a - b)[measured.length >> 1];
    if (core !== undefined) row.saturated = core >= FULL;
    rows.push(row);
    report.row(row);
  };
  for (const durability of quick ? ["normal"] : ["normal", "full"]) {
    for (const runtime of ["Bun", "Deno"]) {
      const ours = { ndjson: [], single: [], scattered: [] };
      const bare = [];
      const echo = [];
      for (let round = 0; round < rounds; round++) {
        const data = dataDirectory();
        try {
          ours.ndjson.push(await posted(runtime, { ...NDJSON, durability, seconds, data }));
          bare.push(await inserted(runtime, { durability, seconds, data }));
        } finally {
          data.remove();
        }
        ours.single.push(await posted(runtime, { ...SINGLE, durability, seconds }));
        if (!quick) {
          ours.scattered.push(await posted(runtime, { ...SCATTERED, durability, seconds }));
        }
        if (durability === "normal") echo.push(await echoed(runtime, seconds));
      }
      add(runtime, { posts: "NDJSON of 100", durability }, ours.ndjson);
      add(`bare SQLite, ${runtime}`, { posts: "rows of 100", durability }, bare);
      add(runtime, { posts: "single", durability }, ours.single);
      if (!quick) add(runtime, { posts: "single, 16 jobs", durability }, ours.scattered);
      if (echo.length > 0) add(`bare echo, ${runtime}`, { posts: "single" }, echo);
    }
  }
  return rows;
}

export function targets(rows) {
  const ratio = (posts, durability, runtime, peer) =>
    median(rows, runtime, { posts, durability }, "events") /
    median(rows, `${peer}, ${runtime}`, {}, "events");
  return ["Bun", "Deno"].flatMap((runtime) => [
    ...target(
      `${runtime}, NDJSON of 100 / SQLite alone, events/s`,
      ratio("NDJSON of 100", "normal", runtime, "bare SQLite"),
      ">= 0.8",
    ),
    ...target(
      `${runtime}, single posts / bare echo, answers/s`,
      ratio("single", "normal", runtime, "bare echo"),
      ">= 0.5",
    ),
  ]);
}

/** The product under posts. */
async function posted(runtime, { durability, data, ...load }) {
  const args = ["--durability", durability];
  const server = await startProduct(runtime, { args, data: data?.path });
  const paths = [];
  for (let n = 0; n < load.jobs; n++) {
    const { id } = await server.api("POST", "/v1/sync/job", { name: `bench ${n}` });
    paths.push(`/v1/sync/job/${id}/events`);
  }
  try {
    const header = `Authorization: Bearer ${server.key}\r\n`;
    return await under(server, { header, ...load, paths });
  } finally {
    await server.stop();
  }
}

async function echoed(runtime, seconds) {
  const access = runtime === "Deno" ? ["--allow-net"] : [];
  const [program, run, ...flags] = RUNTIMES[runtime].filter((part) => part !== "-P");
  const server = start([program, run, ...access, ...flags, `${BENCH}peers/echo.ts`], {
    core: SERVER_CORE,
  });
  try {
    const port = Number(await server.line());
    return await under({ ...server, port }, { header: "", ...SINGLE, seconds, paths: ["/"] });
  } finally {
    await server.stop();
  }
}

/** A short load to warm up, then the one that counts; the client sees to it that no seq is wrong. */
async function under(server, { header, event, events, connections, seconds, paths }) {
  const warm = Math.min(1, seconds);
  const client = start(
    [
      await compile("post.c"),
      ...[server.port, header, event, events, connections, warm, seconds, ...paths],
    ].map(String),
    { core: CLIENT_CORE },
  );
  await client.line(); // warm
  const before = server.cpuUs();
  const told = JSON.parse(await client.line());
  const cpuUs = server.cpuUs() - before;
  return {
    events: told.events / told.seconds,
    cpu: cpuUs / told.events,
    core: cpuUs / 1e6 / told.seconds,
    p50: told.p50Ms,
    p99: told.p99Ms,
    client: (told.cpuS / told.seconds) * 100,
  };
}

/** The rows that the product has just written, inserted by SQLite alone. */
async function inserted(runtime, { durability, seconds, data }) {
  const [program, run, ...flags] = RUNTIMES[runtime];
  const told = JSON.parse(
    await output(
      [
        ...[program, run, ...flags, `${BENCH}peers/bare_insert.ts`],
        join(data.path, "log.db"),
        join(data.path, "bare.db"),
        durability,
        String(seconds),
      ],
      { core: SERVER_CORE },
    ),
  );
  return { events: told.rows / told.seconds, cpu: told.cpuUs / told.rows };
}
