// The report: rows as they come, a table a section, and what of it holds.
import { short } from "./figures.mjs";

/**
 * One measurement of a server in a setting.
 * @typedef {{ median: number, low: number, high: number, unit: string }} Figure
 * @typedef {{
 *   section: string,
 *   server: string,
 *   setting: Record<string, string | number>,
 *   figures: Record<string, Figure>,
 *   saturated?: boolean,
 *   note?: string,
 * }} Row
 */

/** Prints rows as they come. */
export class Report {
  targets = [];

  /** Begins a section. */
  section(title) {
    console.log(`\n## ${title}`);
  }

  /** @param {Row} row */
  row(row) {
    const setting = Object.entries(row.setting).map(([name, value]) => `${name} ${value}`).join(
      ", ",
    );
    const figures = Object.entries(row.figures).map(([name, figure]) => `${name} ${text(figure)}`);
    const notes = [
      ...(row.saturated === false ? ["not saturated"] : []),
      ...(row.note ? [row.note] : []),
    ];
    console.log(
      [row.server.padEnd(18), setting.padEnd(30), figures.join("  "), ...notes].join("  ")
        .trimEnd(),
    );
  }

  note(words) {
    console.log(`  ${words}`);
  }

  /** @param {{ text: string, ratio: number, wanted: string, holds: boolean }[]} targets */
  judge(targets) {
    for (const target of targets) {
      this.targets.push(target);
      const verdict = target.holds ? "holds" : "MISSED";
      console.log(
        `  ${verdict.padEnd(6)} ${target.text}: ${short(target.ratio)} (${target.wanted})`,
      );
    }
  }
}

/** `1,234/s (1,200-1,300)` */
function text({ median, low, high, unit }) {
  const value = unit.startsWith("/") || unit === "%"
    ? short(median) + unit
    : `${short(median)} ${unit}`;
  return low === high ? value : `${value} (${short(low)}-${short(high)})`;
}
