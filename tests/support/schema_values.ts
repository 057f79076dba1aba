/** Values of a JSON Schema, and values that are none of it. */
import type { Random } from "./seed.ts";

/** What is used here of a schema of an OpenAPI 3.1 document. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
}

export type Schemas = Readonly<Record<string, Schema>>;

const TEXTS = [
  ...["", " ", "0", "-1", "1e999", "NaN", "null", "true", "a,b", "..", "../../etc/passwd", "%00"],
  ...["\0", "\ud800", "\u202e", "é😀", "'; DROP TABLE jobs; --", "__proto__", "constructor"],
  ...["completed", "in_progress", "debug", "progress", "end", "2024-02-30T25:00:00Z"],
];
const NUMBERS = [0, -0, -1, 0.5, 1, 7, 1e15, 2 ** 53, -(2 ** 53), 1e308, 2 ** 31];
const DEPTH_MAX = 4;

export function anyText(random: Random): string {
  if (random.chance(0.05)) return random.pick(["a", "é", "\\", '"']).repeat(random.below(70_000));
  return random.many(1 + random.below(2), () => random.pick(TEXTS)).join("");
}

/** Any JSON at all. */
export function anyJson(random: Random, depth = 0): unknown {
  const kind = random.below(depth > DEPTH_MAX ? 4 : 7);
  if (kind === 0) return random.pick([null, true, false]);
  if (kind === 1) return random.pick(NUMBERS);
  if (kind < 4) return anyText(random);
  if (kind === 4) return nested(random);
  const many = random.below(4);
  if (kind === 5) return random.many(many, () => anyJson(random, depth + 1));
  return Object.fromEntries(
    random.many(many, () => [anyText(random), anyJson(random, depth + 1)] as const),
  );
}

function nested(random: Random): unknown {
  let value: unknown = 1;
  for (let n = random.pick([1, 20, 5_000]); n > 0; n--) value = n % 2 ? [value] : { a: value };
  return value;
}

/**
 * A value as the schema has it, with things wrong here and there.
 *
 * @param wrong the share of places where it is something else
 */
export function valueOf(schema: Schema, schemas: Schemas, random: Random, wrong: number): unknown {
  const inner = (each: Schema) => valueOf(each, schemas, random, wrong);
  if (random.chance(wrong)) return anyJson(random);
  if (schema.$ref !== undefined) return inner(schemas[schema.$ref.split("/").at(-1) ?? ""] ?? {});
  const union = schema.anyOf ?? schema.oneOf;
  if (union) return inner(random.pick(union));
  if (schema.allOf) {
    return Object.assign({}, ...schema.allOf.map((each) => inner(each) as object)); // objects alone
  }
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return random.pick(schema.enum);
  const { type } = schema;
  switch (typeof type === "object" ? random.pick(type) : type) {
    case "object": {
      const { properties = {}, required = [], additionalProperties } = schema;
      const names = Object.keys(properties).filter((name) =>
        random.chance(required.includes(name) ? 0.97 : 0.3)
      );
      const entries = names.map((name) => [name, inner(properties[name])]);
      if (additionalProperties !== undefined && additionalProperties !== false) {
        const more = additionalProperties === true ? {} : additionalProperties;
        entries.push(...random.many(random.below(3), () => [anyText(random), inner(more)]));
      }
      return Object.fromEntries(entries);
    }
    case "array":
      return random.many(random.below(4), () => inner(schema.items ?? {}));
    case "integer":
    case "number":
      return random.chance(0.8) ? random.below(1_000) : random.pick(NUMBERS);
    case "boolean":
      return random.chance(0.5);
    case "null":
      return null;
    case "string":
      return schema.format === "uuid" ? uuid(random) : anyText(random);
    default:
      return anyJson(random);
  }
}

export function uuid(random: Random): string {
  const hex = random.many(32, () => random.below(16).toString(16)).join("");
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-8$4-$5");
}
