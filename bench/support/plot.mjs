// The plot for the README: one bar a server, its range as a line, readable on light and dark.
import { short } from "./figures.mjs";

const WIDTH = 760;
const LEFT = 150;
const RIGHT = 210;
const ROW = 30;
const TOP = 44;
const BOTTOM = 34;
/** A grey with a contrast of 4.5 or so on white and on near-black alike. */
const INK = "#767b83";
const OWN = "#2f81f7";
const PEER = "#8b949e";

/**
 * Bars of one figure, the highest first.
 * @param {{ title: string, foot: string, bars: { name: string, own: boolean,
 *   figure: import("./report.mjs").Figure, beside: string }[] }} plot `own` marks the product;
 *   `beside` is written behind the figure
 * @returns {string} an SVG
 */
export function barPlot({ title, foot, bars }) {
  const sorted = [...bars].sort((a, b) => b.figure.median - a.figure.median);
  const most = Math.max(...sorted.map(({ figure }) => figure.high));
  const scale = (value) => LEFT + (value / most) * (WIDTH - LEFT - RIGHT);
  const height = TOP + sorted.length * ROW + BOTTOM;
  const rows = sorted.map(({ name, own, figure, beside }, n) => {
    const y = TOP + n * ROW;
    const middle = y + ROW / 2;
    const end = scale(figure.median);
    return [
      label(LEFT - 10, middle, name, "end", own),
      `<rect x="${LEFT}" y="${y + 6}" width="${at(end - LEFT)}" height="${ROW - 12}" rx="2" ` +
      `fill="${own ? OWN : PEER}"/>`,
      `<path d="M${at(scale(figure.low))} ${middle}H${at(scale(figure.high))}" ` +
      `stroke="${INK}" stroke-width="2"/>`,
      label(
        Math.max(end, scale(figure.high)) + 8,
        middle,
        `${short(figure.median)}${figure.unit}${beside}`,
        "start",
        own,
      ),
    ].join("\n");
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" ` +
    `viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13" ` +
    `fill="${INK}" role="img">`,
    `<title>${escaped(title)}</title>`,
    label(0, 18, title, "start", true),
    ...rows,
    label(0, height - 14, foot, "start", false, 11),
    "</svg>\n",
  ].join("\n");
}

function label(x, y, text, anchor, strong, size) {
  return `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}" dominant-baseline="middle"` +
    `${strong ? ' font-weight="600"' : ""}${size ? ` font-size="${size}"` : ""}>` +
    `${escaped(text)}</text>`;
}

function at(value) {
  return Number(value.toFixed(1));
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
