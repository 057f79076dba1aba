// What a viewer costs that only waits: its memory, its heartbeats, and what is left when it has gone.
import { figures, median, target } from "../support/figures.mjs";
import { connectClient } from "../support/load_client.mjs";
import { SERVERS } from "../support/servers.mjs";

export const title = "Idle viewers: 10,000 of them, memory of each and the heartbeats' CPU";

const VIEWERS = 10_000;
const WARM_VIEWERS = 200;
/** How often the server beats where it is not told otherwise. */
const HEARTBEAT_S = 30;
/** In quick mode the server beats so often, and a heartbeat's cost is scaled to the usual rate. */
const QUICK_HEARTBEAT_S = 2;
const UNITS = {
  viewer: "KiB",
  viewerPss: "KiB",
  heartbeats: "",
  heartbeat: "us",
  core: "%",
  before: "MiB",
  after: "MiB",
  left: "MiB",
};

export async function measure({ quick, rounds, report }) {
  const names = ["bun", "deno", "nchan", ...(quick ? [] : ["bareDeno", "bareBun", "betterSse"])];
  const told = names.map(() => []);
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    for (const [n, name] of names.entries()) told[n].push(await idle(name, quick));
  }
  const rows = names.map((name, n) => ({
    section: "memory",
    server: SERVERS[name].name,
    setting: {
      viewers: VIEWERS,
      ...(beats(name) && quick && { "heartbeat s": QUICK_HEARTBEAT_S }),
    },
    figures: figures(told[n], UNITS),
  }));
  rows.forEach((row) => report.row(row));
  return rows;
}

/** Whether the server is the product, which alone sends heartbeats. */
function beats(name) {
  return name === "bun" || name === "deno";
}

async function idle(name, quick) {
  const everyS = quick ? QUICK_HEARTBEAT_S : HEARTBEAT_S;
  const args = quick ? ["--heartbeat-ms", String(everyS * 1000)] : [];
  const server = await SERVERS[name].start(beats(name) ? { args } : {});
  // The first viewers bring code and tables into memory that are no viewer's own.
  const first = await connectClient(server, WARM_VIEWERS);
  await first.stop();
  await seconds(quick ? 0.5 : 2);
  const before = server.memory();
  const client = await connectClient(server, VIEWERS);
  // What is left of the connecting: under Deno the heap's collections go on for half a minute.
  await client.idle(quick ? 1 : beats(name) ? everyS : 5);
  // A server that does not beat has nothing to do; its memory settles meanwhile.
  const waited = await client.idle(beats(name) ? everyS : quick ? 1 : 10);
  const after = server.memory();
  await client.close();
  await seconds(quick ? 1 : 10);
  const left = server.memory();
  await client.stop();
  await server.stop();
  const perS = VIEWERS / HEARTBEAT_S;
  const heartbeat = waited.cpuUs / waited.notices;
  if (beats(name) && waited.notices < VIEWERS * 0.95) {
    throw new Error(`void: ${waited.notices} heartbeats of ${VIEWERS} came in ${everyS} s`);
  }
  return {
    before: before.rss / 2 ** 20,
    after: after.rss / 2 ** 20,
    left: left.rss / 2 ** 20,
    viewer: (after.rss - before.rss) / 1024 / VIEWERS,
    viewerPss: (after.pss - before.pss) / 1024 / VIEWERS,
    ...(beats(name) && {
      heartbeats: waited.notices,
      heartbeat,
      core: quick ? heartbeat * perS / 1e4 : waited.core,
    }),
  };
}

function seconds(count) {
  return new Promise((resolve) => setTimeout(resolve, count * 1000));
}

export function targets(rows) {
  const of = (server, name = "viewer") => median(rows, server, { viewers: VIEWERS }, name);
  return [
    ...target("Bun / Nchan memory of an idle viewer", of("Bun") / of("Nchan"), "<= 0.8"),
    ...target(
      "Deno / bare Deno stream memory of an idle viewer",
      of("Deno") / of("bare, Deno"),
      "<= 1.1",
    ),
    ...["Bun", "Deno"].flatMap((server) =>
      target(
        `${server} % of a core, 10,000 idle viewers with heartbeats`,
        of(server, "core"),
        "<= 2",
      )
    ),
  ];
}
