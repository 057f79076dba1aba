// Milliseconds from just before a post is written until its frame is read, at rates that no server
// is full at.
import { target, versus } from "../support/figures.mjs";
import { measureServers } from "../support/rounds.mjs";

export const title = "Latency: from a post to the receipt of its frame, 1,000 viewers";

const RATES = [20, 50];

export async function measure({ quick, rounds, seconds, report }) {
  const rows = await measureServers({
    section: "latency",
    names: [
      "bun",
      "deno",
      "nchan",
      "floor",
      ...(quick ? [] : ["bareBun", "bareDeno", "betterSse"]),
    ],
    rounds,
    viewers: 1000,
    report,
    setting: {},
    units: { p50Ms: "ms", p99Ms: "ms", maxMs: "ms", cpu: "us", core: "%", client: "%" },
    steps: (quick ? [50] : RATES).map((rate) => ({
      setting: { "events/s": rate },
      // A hundred events tell a p99 that one of them does not make alone.
      run: (client) => client.latency(rate, quick ? seconds : 2 * seconds, 0.5),
    })),
  });
  return rows;
}

export function targets(rows) {
  return RATES.flatMap((rate) =>
    ["p50Ms", "p99Ms"].flatMap((name) => {
      const ratio = (server, peer) => versus(rows, server, peer, { "events/s": rate }, name);
      const what = `${name.slice(0, 3)} at ${rate} events/s`;
      return [
        ...target(`Bun / Nchan ${what}`, ratio("Bun", "Nchan"), "<= 0.6"),
        ...target(`Bun / C floor ${what}`, ratio("Bun", "C floor"), "<= 1.3"),
        ...target(`Deno / Nchan ${what}`, ratio("Deno", "Nchan"), "<= 1.0"),
      ];
    })
  );
}
