/** Pieces of the OpenAPI document that many routes share. */
import { z } from "@hono/zod-openapi";
import { TENANT_FORM } from "../sync/ids.ts";
import { type ProblemCode, PROBLEMS } from "./problem.ts";
import { ProblemSchema } from "./schemas.ts";

/** What every operation has that needs a key, sent either way. */
export const KEYED = {
  security: [{ bearer: [] }, { apiKey: [] }] as Record<string, string[]>[],
  // Described but not validated: that is done as soon as it is known who asks.
  parameters: [{
    name: "Synctail-Tenant",
    in: "header" as const,
    required: false,
    description: "The tenant to act for, another than the key's own; needs the scope `tenants`. " +
      `A name has ${TENANT_FORM}`,
    schema: { type: "string" as const },
  }],
};

export const JobParams = z.object({
  job_id: z.string().openapi({ format: "uuid", description: "The job's UUID" }),
});

export const SyncParams = z.object({
  sync: z.string().openapi({ description: "The sync's id or name" }),
});

/** A JSON body of this schema. */
export function json<Schema extends z.ZodType>(schema: Schema, description: string) {
  return { description, content: { "application/json": { schema } } };
}

/** The member that lists a response's problem codes: the pages of problems find routes by it. */
export const CODES_EXTENSION = "x-problems";

/**
 * The problems that a route can answer, by status, always with 401. `default` stands for those that
 * any request may meet: a body that is too large, a limit, a stop.
 */
export function problems(...codes: ProblemCode[]) {
  const told: ProblemCode[] = ["unauthenticated", ...codes];
  const content = { "application/problem+json": { schema: ProblemSchema } };
  const responses: Record<number | "default", {
    readonly description: string;
    readonly content: typeof content;
    readonly [CODES_EXTENSION]?: readonly ProblemCode[];
  }> = { default: { description: "Any other problem; /problems lists them", content } };
  for (const code of told) {
    const [status, title] = PROBLEMS[code];
    const before = responses[status];
    responses[status] = {
      description: before ? `${before.description}; ${title}` : title,
      content,
      [CODES_EXTENSION]: [...(before?.[CODES_EXTENSION] ?? []), code],
    };
  }
  return responses;
}
