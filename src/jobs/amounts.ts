/** Amounts with a unit: `30d`, `5GB`. */

/** What each unit is worth; `""` is for an amount without one. */
export type Units = Readonly<Record<string, number>>;

/** Milliseconds; without a unit seconds. */
export const DURATIONS: Units = { "": 1e3, s: 1e3, m: 60e3, h: 3_600e3, d: 86_400e3 };
/** Bytes, in powers of ten. */
export const SIZES: Units = { "": 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

/** The value of a duration, in milliseconds; 0 for 0. */
export function durationMs(text: string): number {
  return Number.parseInt(text) === 0 ? 0 : worth(text, DURATIONS);
}

/** A duration such as `15m`, in the largest unit that leaves no remainder; in whole seconds. */
export function durationText(ms: number): string {
  const units = Object.entries(DURATIONS).filter(([unit]) => unit !== "");
  const [unit, worthMs] = units.findLast(([, each]) => ms % each === 0) ?? ["s", 1e3];
  return `${Math.round(ms / worthMs)}${unit}`;
}

/** The form of an amount: digits, and one of the units or none. */
export function formOf(units: Units): RegExp {
  const names = Object.keys(units).filter((name) => name !== "").join("|");
  return new RegExp(`^\\d{1,12}(${names})?$`);
}

/** As `formOf`, but only 0 needs no unit: for ages at which data is removed, as 7 may mean days. */
export function strictFormOf(units: Units): RegExp {
  const names = Object.keys(units).filter((name) => name !== "").join("|");
  return new RegExp(`^(0+|\\d{1,12}(${names}))$`);
}

/** The value of such an amount; `Infinity` for 0, which means no limit. */
export function worth(text: string, units: Units): number {
  const [, digits, unit] = /^(\d+)(.*)$/.exec(text) ?? [];
  return Number(digits) * units[unit] || Infinity;
}
