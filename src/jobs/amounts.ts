/** Amounts with a unit: `30d`, `5GB`. */

/** What each unit is worth; `""` is for an amount without one. */
export type Units = Readonly<Record<string, number>>;

/** Milliseconds; without a unit seconds. */
export const DURATIONS: Units = { "": 1e3, s: 1e3, m: 60e3, h: 3_600e3, d: 86_400e3 };
/** Bytes, in powers of ten. */
export const SIZES: Units = { "": 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

/** What a duration is worth, in milliseconds; 0 for 0. */
export function durationMs(text: string): number {
  return Number.parseInt(text) === 0 ? 0 : worth(text, DURATIONS);
}

/** `15m`, in the largest unit that leaves no rest; whole seconds. */
export function durationText(ms: number): string {
  const units = Object.entries(DURATIONS).filter(([unit]) => unit !== "");
  const [unit, worthMs] = units.findLast(([, each]) => ms % each === 0) ?? ["s", 1e3];
  return `${Math.round(ms / worthMs)}${unit}`;
}

/** A text of digits and one of the units. */
export function formOf(units: Units): RegExp {
  const names = Object.keys(units).filter((name) => name !== "").join("|");
  return new RegExp(`^\\d{1,12}(${names})?$`);
}

/** As `formOf`, but only 0 needs no unit: for ages at which data is removed, where 7 could be days. */
export function strictFormOf(units: Units): RegExp {
  const names = Object.keys(units).filter((name) => name !== "").join("|");
  return new RegExp(`^(0+|\\d{1,12}(${names}))$`);
}

/** What an amount of that form is worth; `Infinity` for 0, which is no limit. */
export function worth(text: string, units: Units): number {
  const [, digits, unit] = /^(\d+)(.*)$/.exec(text) ?? [];
  return Number(digits) * units[unit] || Infinity;
}
