/** What of an answer is not as the OpenAPI document has it. */
import type { Schema, Schemas } from "./schema_values.ts";

interface Bounds {
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
}

const FORMATS: Readonly<Record<string, RegExp>> = {
  "uuid": /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  "date-time": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
};

/**
 * Each place where the value is not as the schema says. A member that an object's schema does not
 * name is one, too: a client that is made of the document does not know it.
 */
export function schemaFaults(
  schemas: Schemas,
  schema: Schema,
  value: unknown,
  at = "",
): readonly string[] {
  const full: Schema & Bounds = schema;
  const into = (inner: Schema, child: unknown, name: string | number) =>
    schemaFaults(schemas, inner, child, `${at}/${name}`);
  if (full.$ref !== undefined) {
    return schemaFaults(schemas, schemas[full.$ref.split("/").at(-1) ?? ""], value, at);
  }
  if (full.anyOf) {
    const each = full.anyOf.map((one) => schemaFaults(schemas, one, value, at));
    return each.some(({ length }) => length === 0) ? [] : each.flat();
  }
  const types = [full.type ?? []].flat();
  const type = typeOf(value);
  if (
    types.length > 0 && !types.includes(type) && !(type === "integer" && types.includes("number"))
  ) {
    return [`${at}: ${type}, not ${types.join(" or ")}`];
  }
  if (full.enum && !full.enum.includes(value)) return [`${at}: ${value} is none of the values`];
  if (typeof value === "number") {
    const low = full.minimum !== undefined && value < full.minimum;
    const none = full.exclusiveMinimum !== undefined && value <= full.exclusiveMinimum;
    const high = full.maximum !== undefined && value > full.maximum;
    return low || none || high ? [`${at}: ${value} is out of bounds`] : [];
  }
  if (typeof value === "string") {
    const format = FORMATS[full.format ?? ""];
    return format && !format.test(value) ? [`${at}: ${value} is no ${full.format}`] : [];
  }
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => full.items ? into(full.items, item, index) : []);
  }
  if (type !== "object") return [];
  const members = value as Record<string, unknown>;
  const missing = (full.required ?? []).filter((name) => members[name] === undefined);
  return [
    ...missing.map((name) => `${at}/${name}: missing`),
    ...Object.entries(members).flatMap(([name, member]) => {
      const inner = full.properties?.[name] ?? full.additionalProperties;
      if (typeof inner === "object") return into(inner, member, name);
      return inner ? [] : [`${at}/${name}: not in the document`];
    }),
  ];
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}
