/** The operations of an OpenAPI document. */
import type { Schema, Schemas } from "./schema_values.ts";

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly schema: Schema;
}

export interface Operation {
  readonly method: string;
  /** With `{names}`. */
  readonly path: string;
  readonly parameters: readonly Parameter[];
  /** Schemas of the body, by its media type. */
  readonly bodies: readonly { readonly type: string; readonly schema: Schema }[];
  readonly secured: boolean;
}

interface Described {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema: Schema }> };
  readonly security?: readonly object[];
}

/** Asks a server for its document. */
export async function operationsOf(
  url: string,
): Promise<{ operations: readonly Operation[]; schemas: Schemas }> {
  const document: {
    paths: Record<string, Record<string, Described>>;
    components: { schemas: Schemas };
  } = await (await fetch(`${url}/openapi.json`)).json();
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody, security = [] }]) => ({
      method: method.toUpperCase(),
      path,
      parameters,
      bodies: Object.entries(requestBody?.content ?? {}).map(([type, { schema }]) => ({
        type,
        schema,
      })),
      secured: security.length > 0,
    }))
  );
  return { operations, schemas: document.components.schemas };
}
