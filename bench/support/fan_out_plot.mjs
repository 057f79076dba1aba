// The fan-out of all servers as a plot.
import { barPlot } from "./plot.mjs";

const PRODUCT = ["Bun", "Deno"];
const VIEWERS = 1000;
const IN_FLIGHT = 4;

/** @returns {string | undefined} an SVG; nothing when the fan-out was not measured */
export function fanOutPlot(rows, { machine, date, mode }) {
  const shown = rows.filter(({ section, setting }) =>
    section === "fan_out" && setting.viewers === VIEWERS && setting["in flight"] === IN_FLIGHT
  );
  if (shown.length === 0) return undefined;
  const rounds = mode === "full" ? "median of 5 rounds, line: range" : "one short round";
  return barPlot({
    title: `Deliveries a second to ${VIEWERS.toLocaleString("en")} viewers, ` +
      `${IN_FLIGHT} posts in flight`,
    foot: `${rounds}; server CPU a delivery behind it; one core for the server; ` +
      `${machine.cpu}, ${date.slice(0, 10)}`,
    bars: shown.map(({ server, figures, note }) => ({
      name: PRODUCT.includes(server) ? `synctail, ${server}` : server,
      own: PRODUCT.includes(server),
      figure: figures.deliveries,
      beside: ` · ${figures.cpu.median.toFixed(2)} µs` +
        (note?.includes("client full") ? " (or more)" : ""),
    })),
  });
}
