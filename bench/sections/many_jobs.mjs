// Many jobs with few viewers each: nothing can be shared or put together, and each event is a row.
import { cpSync } from "node:fs";
import { target, versus } from "../support/figures.mjs";
import { output } from "../support/processes.mjs";
import { dataDirectory } from "../support/product.mjs";
import { measureServers } from "../support/rounds.mjs";

export const title = "Many jobs: 1,000 jobs x 10 viewers, each event a durable post, 16 in flight";

const { DENO = "deno" } = process.env;
const JOBS = 1000;
const VIEWERS = 10;
const IN_FLIGHT = 16;
const FINISHED = 100_000;
/** Without jobs that are over. */
const ALONE = { finished: undefined };
const BENCH = new URL("../", import.meta.url).pathname;

export async function measure({ quick, rounds, seconds, report }) {
  const crowd = quick ? undefined : await finishedJobs();
  const beside = (name) => crowd ? [{ name, ...crowd.beside }] : [];
  try {
    const rows = await measureServers({
      section: "many_jobs",
      rounds,
      viewers: VIEWERS,
      report,
      setting: { jobs: JOBS, viewers: VIEWERS },
      start: { channels: JOBS },
      names: [
        ...["bun", ...beside("bun"), "deno", ...beside("deno"), "nchan"],
        ...(quick ? [] : ["floor", "bareBun", "bareDeno"]),
      ],
      steps: [{ setting: {}, run: (client) => client.load(IN_FLIGHT, seconds, quick ? 0.4 : 1) }],
    });
    if (quick) {
      report.note(`beside ${FINISHED.toLocaleString("en")} finished jobs: in full mode only`);
    }
    return rows;
  } finally {
    crowd?.remove();
  }
}

/** A log with many jobs that are over; each server gets a fresh copy. */
async function finishedJobs() {
  const full = dataDirectory();
  const copy = dataDirectory();
  const fill = ["run", "--quiet", "-A", `${BENCH}peers/finished_jobs.ts`, full.path, FINISHED];
  await output([DENO, ...fill]);
  return {
    beside: {
      setting: { finished: FINISHED },
      async start() {
        copy.remove();
        cpSync(full.path, copy.path, { recursive: true });
        await output(["sync", "-f", copy.path]); // or the system writes it while others are measured
        return { data: copy.path };
      },
    },
    remove() {
      full.remove();
      copy.remove();
    },
  };
}

export function targets(rows) {
  return [
    ...target(
      "Bun / Nchan deliveries/s, 1,000 jobs",
      versus(rows, "Bun", "Nchan", ALONE, "deliveries"),
      ">= 1.0",
    ),
    ...target(
      "Deno / Nchan deliveries/s, 1,000 jobs",
      versus(rows, "Deno", "Nchan", ALONE, "deliveries"),
      ">= 0.7",
    ),
    ...["Bun", "Deno"].flatMap((server) =>
      target(
        `${server} deliveries/s beside 100,000 finished jobs / without`,
        versus(rows, server, server, { finished: FINISHED }, "deliveries", ALONE),
        ">= 0.95",
      )
    ),
  ];
}
