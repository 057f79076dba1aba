/** The syncs of a configuration file: their form, and what becomes of it. */
import { resolve } from "node:path";
import { z } from "zod";
import type { TerminalStatus } from "../sync/status.ts";
import { commandConfig, commandSource, type CommandSourceConfig } from "./command_config.ts";
import {
  destination,
  type DestinationConfig,
  destinationConfig,
  destinationFault,
} from "./destination_config.ts";
import { FEED_NAMES, type FeedFields } from "./feed_message.ts";
import { onlyWhereItRuns, type Timing, TIMING_FIELDS, timingOf } from "./schedules/timing.ts";
import {
  deriveSyncId,
  parseSyncId,
  parseTenantId,
  parseUuid,
  type SyncId,
  type TenantId,
} from "../sync/ids.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$/;
/** How often a source of ours may log its totals, in milliseconds, unless a sync says otherwise. */
const PROGRESS_INTERVAL_MS = 250;
const PROGRESS_INTERVAL_MAX_MS = 60_000;

/** Reads the files below a directory. */
export interface DirectorySourceConfig {
  readonly type: "directory";
  /** Absolute. */
  readonly path: string;
  /** Entities a second at most; no limit when absent. */
  readonly maxPerS?: number;
  /** Larger files are skipped; no limit when absent. */
  readonly maxFileBytes?: number;
}

/** Jobs that workers elsewhere tell of on Redis channels; nothing is run here. */
export interface RedisPubsubSourceConfig {
  readonly type: "redis_pubsub";
  readonly url: string;
  /** With one `*`, which stands for what names the job. */
  readonly pattern: string;
  readonly fields: FeedFields;
  /** The feed's own words for the ends, in lower case. */
  readonly statusValues: Readonly<Record<string, TerminalStatus>>;
  readonly leaseMs: number;
}

/** Jobs that workers elsewhere post; nothing is run here. */
export interface OutsideSourceConfig {
  readonly type: "outside";
}

/** A sync that callers can run, or whose workers elsewhere are known here. */
export interface ConfiguredSync extends Timing {
  readonly id: SyncId;
  readonly tenant: TenantId;
  readonly name: string;
  readonly source:
    | DirectorySourceConfig
    | CommandSourceConfig
    | RedisPubsubSourceConfig
    | OutsideSourceConfig;
  /** Null where the work is done elsewhere, or by a program itself. */
  readonly destination: DestinationConfig | null;
  readonly progressIntervalMs: number;
}

/** What is wrong at one place of a configuration. */
export interface ConfigIssue {
  /** Names and positions that lead there. */
  readonly path: readonly PropertyKey[];
  readonly given: unknown;
  /** Follows "got ...:", without a full stop. */
  readonly reason: string;
}

const path = z.string().min(1, "expected a path").describe("Relative to this file, or absolute");
const atLeastOne = "expected a whole number of at least 1";

const directorySource = z.strictObject({
  type: z.literal("directory"),
  path,
  max_per_s: z.number().positive().optional().describe("Entities a second at most"),
  max_file_bytes: z.int(atLeastOne).min(1, atLeastOne).optional()
    .describe("Larger files are skipped"),
}).describe("Reads the files below a directory");

const PATTERN = "expected a pattern with one *, and none of ? [ ] \\";
const ONE_STAR = /^[^*?[\]\\]*\*[^*?[\]\\]*$/;

const redisPubsubSource = z.strictObject({
  type: z.literal("redis_pubsub"),
  url: z.string().refine(isRedisUrl, "expected a URL, redis://host:port or rediss://")
    .describe("Where Redis is: redis://user:password@host:port"),
  pattern: z.string().max(500).regex(ONE_STAR, PATTERN)
    .describe("Channels to listen to; the * stands for what names the job"),
  fields: z.partialRecord(z.enum(FEED_NAMES), z.string().min(1)).default({})
    .describe("Where our names are found in a message, as dotted paths"),
  status_values: z.record(z.string(), z.enum(["completed", "failed", "cancelled"])).default({})
    .describe("The feed's own words for the ends"),
  lease_s: whole(1, 604_800).default(900)
    .describe("Seconds of silence after which a job counts as lost"),
}).describe("Listens to a Redis pub/sub feed of workers elsewhere; it cannot be run");

const outsideSource = z.strictObject({ type: z.literal("outside") })
  .describe("Workers elsewhere post its jobs; it cannot be run");

/** A sync as the file has it; `configuredSyncs` makes the rest of it. */
export const SYNC_SCHEMA = z.strictObject({
  id: checked(parseSyncId, "expected a UUID").optional()
    .meta({ format: "uuid", description: "Derived from tenant and name when it is left out" }),
  name: z.string()
    .regex(NAME, "expected 1 to 100 of a-z A-Z 0-9 . _ -, starting with a letter or digit")
    .refine((name) => parseUuid(name) === undefined, "expected a name that is no UUID")
    .describe("Unique in its tenant"),
  tenant: checked(
    parseTenantId,
    "expected 1 to 64 of a-z A-Z 0-9 . _ -, starting with a letter or digit",
  ).prefault("default")
    .describe("Whose sync it is: 1 to 64 of a-z A-Z 0-9 . _ -, starting with a letter or digit"),
  source: z.discriminatedUnion("type", [
    directorySource,
    commandSource,
    redisPubsubSource,
    outsideSource,
  ]),
  destination: destination.optional()
    .describe("What is written to; a source that cannot be run has none, a command may have one"),
  progress_interval_ms: whole(1, PROGRESS_INTERVAL_MAX_MS).default(PROGRESS_INTERVAL_MS)
    .describe("Milliseconds between two progress entries"),
  ...TIMING_FIELDS,
}).superRefine(onlyWhereItRuns).refine((sync) => destinationFault(sync) === undefined, {
  path: ["destination"],
  when: () => true, // also beside other faults: all are told at once
  error: ({ input }) => destinationFault(input),
});

/**
 * Fills in ids and absolute paths.
 *
 * @param directory what relative paths start from
 * @returns also what is wrong between the syncs: names, ids and destinations that occur twice
 */
export function configuredSyncs(
  syncs: readonly z.output<typeof SYNC_SCHEMA>[],
  directory: string,
): { readonly syncs: readonly ConfiguredSync[]; readonly issues: readonly ConfigIssue[] } {
  const configured = syncs.map((sync): ConfiguredSync => ({
    id: sync.id ?? deriveSyncId(sync.tenant, sync.name),
    tenant: sync.tenant,
    name: sync.name,
    source: sourceOf(sync.source, directory),
    destination: sync.destination ? destinationConfig(sync.destination, directory) : null,
    progressIntervalMs: sync.progress_interval_ms,
    ...timingOf(sync),
  }));
  return { syncs: configured, issues: clashes(configured) };
}

function sourceOf(
  source: z.output<typeof SYNC_SCHEMA>["source"],
  directory: string,
): ConfiguredSync["source"] {
  if (source.type === "directory") {
    return {
      type: "directory",
      path: resolve(directory, source.path),
      maxPerS: source.max_per_s,
      maxFileBytes: source.max_file_bytes,
    };
  }
  if (source.type === "outside") return { type: "outside" };
  if (source.type === "command") return commandConfig(source, directory);
  const statuses = Object.entries(source.status_values);
  return {
    type: "redis_pubsub",
    url: source.url,
    pattern: source.pattern,
    fields: source.fields,
    statusValues: Object.fromEntries(statuses.map(([word, end]) => [word.toLowerCase(), end])),
    leaseMs: source.lease_s * 1000,
  };
}

function isRedisUrl(text: string): boolean {
  return URL.canParse(text) && /^rediss?:$/.test(new URL(text).protocol);
}

/** A whole number of a range, with one reason for all that is none. */
export function whole(min: number, max: number) {
  const reason = `expected a whole number from ${min} to ${max}`;
  return z.int(reason).min(min, reason).max(max, reason);
}

/** A text that one of our parsers takes; what it makes of it is the value. */
function checked<T>(parse: (text: string) => T | undefined, reason: string) {
  return z.string().transform((text, context) => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.issues.push({ code: "custom", input: text, message: reason });
    return z.NEVER;
  });
}

function clashes(syncs: readonly ConfiguredSync[]): ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const taken = new Map<string, number>();
  const claim = (key: string, index: number, field: readonly string[], given: string) => {
    const other = taken.get(key);
    if (other === undefined) taken.set(key, index);
    else issues.push({ path: ["syncs", index, ...field], given, reason: reasonFor(field, other) });
    return other === undefined;
  };
  for (const [index, { tenant, name, id, destination }] of syncs.entries()) {
    // Equal names mean equal derived ids: one line tells it.
    const fresh = claim(`name ${tenant}/${name}`, index, ["name"], name);
    if (fresh) claim(`id ${tenant}/${id}`, index, ["id"], id);
    if (destination && destination.type !== "none") {
      claim(`path ${destination.path}`, index, ["destination", "path"], destination.path);
    }
  }
  return issues;
}

function reasonFor(field: readonly string[], other: number): string {
  if (field[0] === "destination") return `expected a file that syncs[${other}] does not write to`;
  return `expected another ${field[0]} than that of syncs[${other}], which has the same tenant`;
}
