// Many jobs with few viewers each: nothing can be shared or put together, and each event is a row.
import { cpSync } from "node:fs";
import { median, target, versus } from "../support/figures.mjs";
import { output } from "../support/processes.mjs";
import { dataDirectory } from "../support/product.mjs";
import { measureServers } from "../support/rounds.mjs";

export const title = "Many jobs: 1,000 jobs x 10 viewers, each event a durable post, 16 in flight";

const { DENO = "deno" } = process.env;
const JOBS = 1000;
const VIEWERS = 10;
const IN_FLIGHT = 16;
const FINISHED = 100_000;
const BENCH = new URL("../", import.meta.url).pathname;

export async function measure({ quick, rounds, seconds, report }) {
  const plan = {
    section: "many_jobs",
    rounds,
    viewers: VIEWERS,
    report,
    steps: [{ setting: {}, run: (client) => client.load(IN_FLIGHT, seconds, quick ? 0.4 : 1) }],
  };
  const setting = { jobs: JOBS, viewers: VIEWERS };
  const names = ["bun", "deno", "nchan", ...(quick ? [] : ["floor", "bareBun", "bareDeno"])];
  const rows = await measureServers({ ...plan, names, setting, start: { channels: JOBS } });
  if (quick) {
    report.note(`beside ${FINISHED.toLocaleString("en")} finished jobs: in full mode only`);
    return rows;
  }
  const full = dataDirectory();
  await output([
    DENO,
    "run",
    "--quiet",
    "-A",
    `${BENCH}peers/finished_jobs.ts`,
    full.path,
    FINISHED,
  ]);
  for (const name of ["bun", "deno"]) {
    const copies = dataDirectory();
    let round = 0;
    const start = {
      channels: JOBS,
      get data() {
        const path = `${copies.path}/${round++}`;
        cpSync(full.path, path, { recursive: true });
        return path;
      },
    };
    const beside = { ...setting, finished: FINISHED };
    rows.push(...await measureServers({ ...plan, names: [name], setting: beside, start }));
    copies.remove();
  }
  full.remove();
  return rows;
}

export function targets(rows) {
  const rate = (server, setting = {}) => median(rows, server, setting, "deliveries");
  const alone = (server) =>
    rows.find((row) => row.server === server && row.setting.finished === undefined)?.figures
      .deliveries.median;
  return [
    ...target(
      "Bun / Nchan deliveries/s, 1,000 jobs",
      versus(rows, "Bun", "Nchan", {}, "deliveries"),
      ">= 1.0",
    ),
    ...target(
      "Deno / Nchan deliveries/s, 1,000 jobs",
      versus(rows, "Deno", "Nchan", {}, "deliveries"),
      ">= 0.7",
    ),
    ...["Bun", "Deno"].flatMap((server) =>
      target(
        `${server} deliveries/s beside 100,000 finished jobs / without`,
        rate(server, { finished: FINISHED }) / alone(server),
        ">= 0.95",
      )
    ),
  ];
}
