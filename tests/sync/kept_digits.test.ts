import assert from "node:assert/strict";
import { test } from "node:test";
import { keptDigits } from "../../src/sync/kept_digits.ts";

/** The same by a reviver, which is slow. */
function revived(text: string): unknown {
  const keep = (_name: string, value: unknown, { source }: { source?: string } = {}) => {
    if (typeof value !== "number" || source === undefined) return value;
    if (!Number.isFinite(value)) return source;
    if (String(value) === source || !/^-?\d+$/.test(source)) return value;
    return BigInt(source) === BigInt(value) ? value : source;
  };
  return JSON.parse(text, keep as (name: string, value: unknown) => unknown);
}

/** JSON values in all forms, the same for the same seed. */
function* values(seed: number): Generator<string, never> {
  let state = seed;
  const below = (count: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor(state / 65_536) % count;
  };
  const digits = () => `${1 + below(9)}${String(below(10)).repeat(below(24))}${below(10)}`;
  const space = () => " \n\t".slice(below(4));
  const text = () =>
    JSON.stringify(['"', "\\", '\\"', ": ", digits(), "ö\n", ""].slice(below(4)).join(digits()));
  const value = (depth: number): string => {
    const kind = below(depth > 3 ? 6 : 8);
    if (kind === 0) return text();
    if (kind === 1) return `-${digits()}`;
    if (kind === 2) return `${digits()}.${digits()}`;
    if (kind === 3) {
      return `${digits()}${below(2) ? "e" : "E"}${["", "+", "-"][below(3)]}${below(999)}`;
    }
    if (kind < 6) return kind === 4 ? digits() : ["0", "-0", "true", "null", "0.5e400"][below(5)];
    const many = Array.from({ length: below(4) }, () => value(depth + 1));
    if (kind === 6) return `[${space()}${many.join(`${space()},${space()}`)}${space()}]`;
    return `{${many.map((one) => `${space()}${text()}${space()}:${space()}${one}`).join(",")}}`;
  };
  for (;;) yield `{"fields":${space()}${value(0)}${space()}}`;
}

test("keptDigits() keeps numbers that would be changed as strings, and nothing else, wherever they are", () => {
  let kept = 0;
  const random = values(7);
  for (let n = 0; n < 5_000; n++) {
    const text = random.next().value;
    assert.deepEqual(JSON.parse(keptDigits(text)), revived(text), text);
    if (keptDigits(text) !== text) kept++;
  }
  assert.ok(kept > 500);
});

test("keptDigits() leaves other JSON as it is, and what is no JSON none", () => {
  const long = "12345678901234567890";
  for (const text of [`{"id": ${long}}`, `{"fields": {"n": 1, "s": "${long}"}}`]) {
    assert.equal(keptDigits(text), text);
  }
  for (
    const value of [
      `0${long}`,
      `+${long}`,
      `--${long}`,
      `${long}.`,
      `.${long}`,
      `{${long}: 1}`,
      `{${long} \n: 1}`,
      `${long}${long.slice(0, 3)}x`,
      `1 ${long}`,
      `"${long}`,
      `"\\" ${long}`,
      "1e400e1",
      "01e400",
    ]
  ) {
    const text = `{"fields": ${value}}`;
    assert.throws(() => JSON.parse(keptDigits(text)), SyntaxError, text);
  }
});
