// One job, many viewers: how many deliveries a second, and what CPU each costs the server.
import { target, versus } from "../support/figures.mjs";
import { measureServers } from "../support/rounds.mjs";

export const title = "Fan-out: deliveries of one job's events, publishers always in flight";

const SHOWN = ["bun", "deno", "nchan", "floor"];
const PEERS = ["floorInTurns", "bareBun", "bareDeno", "betterSse", "honoNode", "honoBun"];
const QUICK_PEERS = ["betterSse"];
/** Of so many viewers the garbage of their connecting is collected for most of a second. */
const CROWD = 10_000;

export async function measure({ quick, rounds, seconds, report }) {
  const [one, four, sixteen] = [1, 4, 16].map((count) => ({
    setting: { "in flight": count },
    run: (client) => client.load(count, seconds, quick && client.viewers < CROWD ? 0.3 : 1),
  }));
  const plan = { section: "fan_out", rounds, viewers: 1000, report, setting: { viewers: 1000 } };
  const sized = (viewers) =>
    (quick ? ["bun", "deno"] : SHOWN).map((name) => ({
      name,
      viewers,
      setting: { viewers },
      steps: [four],
    }));
  return [
    ...(await measureServers({
      ...plan,
      names: [
        ...SHOWN.map((name) => ({ name, steps: quick ? [one, four] : [one, four, sixteen] })),
        ...sized(100),
        ...sized(CROWD),
      ],
      steps: [one, four, sixteen],
    })),
    ...(await measureServers({
      ...plan,
      names: quick ? QUICK_PEERS : PEERS,
      steps: quick ? [four] : [one, four, sixteen],
    })),
  ];
}

export function targets(rows) {
  const ratio = (server, peer, inFlight, name) =>
    versus(rows, server, peer, { viewers: 1000, "in flight": inFlight }, name);
  const sized = (viewers) => ({ viewers, "in flight": 4 });
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
          versus(rows, server, server, sized(viewers), "cpu", sized(1000)),
          "<= 1.35",
        )
      )
    ),
  ];
}
