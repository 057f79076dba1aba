// One job, many viewers: how many deliveries a second, and what CPU each costs the server.
import { median, target, versus } from "../support/figures.mjs";
import { measureServers } from "../support/rounds.mjs";

export const title = "Fan-out: deliveries of one job's events, publishers always in flight";

const SHOWN = ["bun", "deno", "nchan", "floor"];
const PEERS = ["bareBun", "bareDeno", "betterSse", "honoNode", "honoBun"];
const QUICK_PEERS = ["betterSse"];

export async function measure({ quick, rounds, seconds, report }) {
  const warm = quick ? 0.3 : 1;
  const measured = (names, viewers, inFlight) =>
    measureServers({
      section: "fan_out",
      names,
      rounds,
      viewers,
      report,
      setting: { viewers },
      steps: inFlight.map((count) => ({
        setting: { "in flight": count },
        run: (client) => client.load(count, seconds, warm),
      })),
    });
  return [
    ...(await measured(SHOWN, 1000, quick ? [1, 4] : [1, 4, 16])),
    ...(await measured(quick ? QUICK_PEERS : PEERS, 1000, quick ? [4] : [1, 4, 16])),
    ...(await measured(quick ? ["bun", "deno"] : SHOWN, 100, [4])),
    ...(await measured(quick ? ["bun", "deno"] : SHOWN, 10_000, [4])),
  ];
}

export function targets(rows) {
  const cpu = (server, viewers = 1000) => median(rows, server, { viewers, "in flight": 4 }, "cpu");
  const ratio = (server, peer, inFlight, name) =>
    versus(rows, server, peer, { viewers: 1000, "in flight": inFlight }, name);
  const most = (server, viewers) => cpu(server, viewers) / cpu(server);
  return [
    ...target("Nchan / Bun CPU a delivery, 4 in flight", ratio("Nchan", "Bun", 4, "cpu"), ">= 3.5"),
    ...target(
      "Nchan / Deno CPU a delivery, 4 in flight",
      ratio("Nchan", "Deno", 4, "cpu"),
      ">= 2.4",
    ),
    ...target(
      "Bun / C floor deliveries/s, 4 in flight",
      ratio("Bun", "C floor", 4, "deliveries"),
      ">= 0.8",
    ),
    ...target(
      "Bun / Nchan deliveries/s, 1 in flight",
      ratio("Bun", "Nchan", 1, "deliveries"),
      ">= 1.0",
    ),
    ...target(
      "Deno / Nchan deliveries/s, 1 in flight",
      ratio("Deno", "Nchan", 1, "deliveries"),
      ">= 1.0",
    ),
    ...["Bun", "Deno"].flatMap((server) =>
      [100, 10_000].flatMap((viewers) =>
        target(
          `${server} CPU a delivery, ${viewers} viewers / 1000, 4 in flight`,
          most(server, viewers),
          "<= 1.35",
        )
      )
    ),
  ];
}
