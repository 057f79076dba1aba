/** The syncs of a configuration file: their schema, and their conversion. */
import { resolve } from "node:path";
import { z } from "zod";
import { whole } from "./amount_schemas.ts";
import {
  commandConfig,
  commandSource,
  type CommandSourceConfig,
  pathText,
} from "./command_config.ts";
import {
  destination,
  type DestinationConfig,
  destinationConfig,
  destinationFault,
} from "./destination_config.ts";
import {
  redisConfig,
  redisPubsubSource,
  type RedisPubsubSourceConfig,
} from "./feeds/redis_config.ts";
import { onlyWhereItRuns, type Timing, TIMING_FIELDS, timingOf } from "./schedules/timing.ts";
import {
  DEFAULT_TENANT,
  deriveSyncId,
  parseSyncId,
  parseTenantId,
  parseUuid,
  type SyncId,
  TENANT_FORM,
  type TenantId,
} from "../sync/ids.ts";
import { inTheWay, marksOf, ownFilesIn } from "./written_files.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$/;
/** The default of how often a source's totals are logged, in milliseconds. */
const PROGRESS_INTERVAL_MS = 250;
const PROGRESS_INTERVAL_MAX_MS = 60_000;

/** Reads the files below a directory. */
export interface DirectorySourceConfig {
  readonly type: "directory";
  /** Absolute. */
  readonly path: string;
  /** Entities a second at most; no limit when absent. */
  readonly maxPerS?: number;
  /** Larger files are skipped; 1 GiB when absent. */
  readonly maxFileBytes?: number;
}

/** Jobs that workers elsewhere post; nothing is run here. */
export interface OutsideSourceConfig {
  readonly type: "outside";
}

/** A sync that callers can run, or that workers elsewhere run. */
export interface ConfiguredSync extends Timing {
  readonly id: SyncId;
  readonly tenant: TenantId;
  readonly name: string;
  readonly source:
    | DirectorySourceConfig
    | CommandSourceConfig
    | RedisPubsubSourceConfig
    | OutsideSourceConfig;
  /** Null when workers do the work, or a program that writes by itself. */
  readonly destination: DestinationConfig | null;
  readonly progressIntervalMs: number;
}

/** A fault at one place of a configuration. */
export interface ConfigIssue {
  /** Names and positions that lead there. */
  readonly path: readonly PropertyKey[];
  readonly given: unknown;
  /** Whether `given` may be shown, though this setting often holds a secret. */
  readonly open?: boolean;
  /** Follows "got ...:", without a full stop. */
  readonly reason: string;
}

const OWN_FILE = "expected a file that the server does not keep for itself in its data directory";
const atLeastOne = "expected a whole number of at least 1";

const directorySource = z.strictObject({
  type: z.literal("directory"),
  path: pathText.describe("Relative to this file, or absolute"),
  max_per_s: z.number().positive().optional().describe("Entities a second at most"),
  max_file_bytes: z.int(atLeastOne).min(1, atLeastOne).optional()
    .describe("Larger files are skipped"),
}).describe("Reads the files below a directory");

const outsideSource = z.strictObject({ type: z.literal("outside") })
  .describe("Workers elsewhere post its jobs; it cannot be run");

/** The schema of a sync in the file; `configuredSyncs` converts it. */
export const SYNC_SCHEMA = z.strictObject({
  id: checked(parseSyncId, "expected a UUID").optional()
    .meta({ format: "uuid", description: "Derived from tenant and name when it is left out" }),
  name: z.string()
    .regex(NAME, "expected 1 to 100 of a-z A-Z 0-9 . _ -, starting with a letter or digit")
    .refine((name) => parseUuid(name) === undefined, "expected a name that is no UUID")
    .describe("Unique in its tenant"),
  tenant: checked(parseTenantId, `expected ${TENANT_FORM}`).prefault(DEFAULT_TENANT)
    .describe(`Whose sync it is: ${TENANT_FORM}`),
  source: z.discriminatedUnion("type", [
    directorySource,
    commandSource,
    redisPubsubSource,
    outsideSource,
  ]),
  destination: destination.optional()
    .describe("What is written to; a source that cannot be run has none, a command may have one"),
  progress_interval_ms: whole(1, PROGRESS_INTERVAL_MAX_MS).optional()
    .meta({
      description: "Milliseconds between two progress entries",
      default: PROGRESS_INTERVAL_MS,
    }),
  ...TIMING_FIELDS,
}).superRefine(onlyWhereItRuns).refine((sync) => destinationFault(sync) === undefined, {
  path: ["destination"],
  when: () => true, // also beside other faults: all are reported at once
  error: ({ input }) => destinationFault(input),
});

/**
 * Fills in ids and absolute paths.
 *
 * @param directory what relative paths start from
 * @returns also the faults between syncs: names, ids, destinations and feeds that occur twice
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
    progressIntervalMs: sync.progress_interval_ms ?? PROGRESS_INTERVAL_MS,
    ...timingOf(sync),
  }));
  return { syncs: configured, issues: clashes(configured) };
}

/** Faults of syncs that would write a server's own files in its data directory. */
export function ownFileIssues(syncs: readonly ConfiguredSync[], data: string): ConfigIssue[] {
  const isOwn = ownFilesIn(data);
  return syncs.flatMap(({ destination }, index) => {
    if (!destination || destination.type === "none" || !isOwn(destination)) return [];
    const path = ["syncs", index, "destination", "path"];
    return [{ path, given: destination.path, reason: OWN_FILE }];
  });
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
  return redisConfig(source);
}

/** The schema of a text that a parser takes; its value is what the parser returns. */
export function checked<T>(parse: (text: string) => T | undefined, reason: string) {
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
  const written = new Map<string, number>();
  const claim = (key: string, index: number, field: readonly string[], given: string) => {
    const other = taken.get(key);
    if (other === undefined) taken.set(key, index);
    else issues.push({ path: ["syncs", index, ...field], given, reason: reasonFor(field, other) });
    return other === undefined;
  };
  for (const [index, { tenant, name, id, source, destination }] of syncs.entries()) {
    // Equal names mean equal derived ids: one fault is enough.
    const fresh = claim(`name ${tenant}/${name}`, index, ["name"], name);
    if (fresh) claim(`id ${tenant}/${id}`, index, ["id"], id);
    if (destination && destination.type !== "none") {
      const place = { path: ["syncs", index, "destination", "path"], given: destination.path };
      const there = inTheWay(destination.path);
      if (there) issues.push({ ...place, reason: `expected a file, and it is ${there}` });
      const marks = marksOf(destination);
      const other = marks.map((mark) => written.get(mark)).find((writer) => writer !== undefined);
      if (other !== undefined) {
        issues.push({ ...place, reason: `expected a file that syncs[${other}] does not write to` });
      } else for (const mark of marks) written.set(mark, index);
    }
    if (source.type === "redis_pubsub") {
      const { url, pattern } = source;
      claim(`feed ${tenant} ${url} ${pattern}`, index, ["source", "pattern"], pattern);
    }
  }
  return issues;
}

function reasonFor(field: readonly string[], other: number): string {
  if (field[0] === "source") return `expected one that syncs[${other}] does not listen to`;
  return `expected another ${field[0]} than that of syncs[${other}], which has the same tenant`;
}
