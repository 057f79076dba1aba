// Figures of several rounds, and how they are written.

/**
 * One figure from its rounds: the median, and the lowest and highest of them.
 * @param {number[]} values one a round, at least one
 * @param {string} unit such as "/s", "us", "KiB"
 */
export function figure(values, unit) {
  const rounds = values.map((value) => Number(value.toPrecision(5)));
  return {
    median: middle(values),
    low: Math.min(...values),
    high: Math.max(...values),
    unit,
    rounds,
  };
}

/** @param {number[]} values at least one */
function middle(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * The figures of many rounds, each an object of numbers.
 * @param {Record<string, number>[]} rounds
 * @param {Record<string, string>} units by the names of the figures; these are taken and no others
 */
export function figures(rounds, units) {
  return Object.fromEntries(
    Object.entries(units)
      .filter(([name]) => rounds.every((round) => Number.isFinite(round[name])))
      .map(([name, unit]) => [name, figure(rounds.map((round) => round[name]), unit)]),
  );
}

/**
 * Whether a ratio is what was wanted.
 * @param {string} text whose figures, such as "Bun / Nchan deliveries/s, 1 in flight"
 * @param {number | undefined} ratio undefined when a row is missing: then there is no target
 * @param {string} wanted such as ">= 1.0"
 */
export function target(text, ratio, wanted) {
  const [relation, bound] = wanted.split(" ");
  if (relation !== ">=" && relation !== "<=") throw new Error(`no relation: ${wanted}`);
  if (ratio === undefined || !Number.isFinite(ratio)) return [];
  const holds = relation === ">=" ? ratio >= Number(bound) : ratio <= Number(bound);
  return [{ text, ratio, wanted, holds }];
}

/**
 * How a figure of one server stands to that of another, in the same setting or another: the
 * median of the rounds' own ratios. Those of a round are measured one after the other, so a machine
 * whose speed changes between rounds changes both. Undefined when a row is missing.
 */
export function versus(rows, server, peer, setting, name, peerSetting = setting) {
  const ours = rowOf(rows, server, setting)?.figures[name]?.rounds;
  const theirs = rowOf(rows, peer, peerSetting)?.figures[name]?.rounds;
  if (!ours || ours.length !== theirs?.length) return undefined;
  return middle(ours.map((value, round) => value / theirs[round]));
}

/** The median of a figure in the row of a server and a setting; undefined when there is none. */
export function median(rows, server, setting, name) {
  return rowOf(rows, server, setting)?.figures[name]?.median;
}

function rowOf(rows, server, setting) {
  return rows.find((row) =>
    row.server === server &&
    Object.entries(setting).every(([key, value]) => row.setting[key] === value)
  );
}

/** Three or four digits are what a round can tell. */
export function short(value) {
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(2);
}
