/** The schema of the targets in a configuration file. */
import { z } from "zod";
import { parseTenantId, TENANT_FORM } from "../../sync/ids.ts";
import { type OccurrenceKind, OCCURRENCES } from "../occurrence.ts";
import { checked } from "../sync_config.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$/;
const VARIABLE = /^(?!SYNCTAIL_)[A-Za-z_][A-Za-z0-9_]*$/;
const ON: readonly OccurrenceKind[] = [
  "failed",
  "warning",
  "stalled",
  "overdue",
  "recovered",
];
const PINGS_ON: readonly OccurrenceKind[] = ["started", "completed", "failed"];

const file = z.string().min(1, "expected a path").describe("A file that holds it");
const variable = z.string()
  .regex(VARIABLE, "expected the name of a variable that does not start with SYNCTAIL_")
  .describe("An environment variable that holds it");

const common = {
  name: z.string()
    .regex(NAME, "expected 1 to 100 of a-z A-Z 0-9 . _ -, starting with a letter or digit")
    .describe("Unique; what lists and logs show of a target"),
  url: z.string().optional().describe("Where to send to; http or https"),
  url_file: file.optional(),
  url_env: variable.optional(),
  on: z.array(z.enum(OCCURRENCES)).min(1, "expected at least one").optional()
    .describe(
      `What it is told of; ${ON.join(", ")} when left out (healthchecks: ${PINGS_ON.join(", ")})`,
    ),
  syncs: z.array(z.string().min(1)).optional().describe("Names or ids; all when left out"),
  tenant: checked(parseTenantId, `expected ${TENANT_FORM}`).optional()
    .describe("Whose jobs; those of all tenants when left out"),
};
const secret = {
  secret: z.string().optional(),
  secret_file: file.optional(),
  secret_env: variable.optional(),
};

const webhook = z.strictObject({ type: z.literal("webhook"), ...common, ...secret })
  .describe("Posts JSON, signed as of Standard Webhooks; the secret is whsec_ and base64");
const ntfy = z.strictObject({ type: z.literal("ntfy"), ...common, ...secret })
  .describe("A topic of ntfy.sh or of a server of one's own; the secret is an access token");
const healthchecks = z.strictObject({ type: z.literal("healthchecks"), ...common })
  .describe("A ping URL of healthchecks.io or its kin");
const slack = z.strictObject({ type: z.literal("slack"), ...common })
  .describe("An incoming webhook of Slack or Mattermost");
const discord = z.strictObject({ type: z.literal("discord"), ...common })
  .describe("A webhook of a Discord channel");
const template = z.strictObject({
  type: z.literal("template"),
  ...common,
  ...secret,
  method: z.enum(["POST", "PUT", "PATCH"]).default("POST"),
  headers: z.record(z.string(), z.string().max(2_000)).default({}),
  body: z.string().max(20_000).describe("With placeholders such as {{job.status}}"),
}).describe("Any other HTTP API");

/** The schema of a target in the file; `configuredTargets` converts it. */
export const TARGET_SCHEMA = z.discriminatedUnion("type", [
  webhook,
  ntfy,
  healthchecks,
  slack,
  discord,
  template,
]);

/** A target as the file has it, checked by the schema. */
export type WrittenTarget = z.output<typeof TARGET_SCHEMA>;

/** The kinds of occurrences that the target is told of. */
export function occurrencesOf({ type, on }: WrittenTarget): readonly OccurrenceKind[] {
  return on ?? (type === "healthchecks" ? PINGS_ON : ON);
}
