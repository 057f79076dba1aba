/** Reads synctail.json: the whole of it, or all its faults. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import process from "node:process";
import { z } from "zod";
import { reasonOf, whyUnreadable } from "../reason.ts";
import type { Target } from "../jobs/notify/target.ts";
import { configuredTargets } from "../jobs/notify/target_config.ts";
import { TARGET_SCHEMA } from "../jobs/notify/target_schema.ts";
import {
  type ConfigIssue,
  type ConfiguredSync,
  configuredSyncs,
  SYNC_SCHEMA,
} from "../jobs/sync_config.ts";
import { type AuthConfig, NO_AUTH } from "./auth_config.ts";
import { AUTH_SCHEMA, authConfig } from "./auth_schema.ts";
import { check, ConfigError, issueLine } from "./config_error.ts";
import { jsonFault } from "./json_fault.ts";
import { SERVER_SCHEMA } from "./server_schema.ts";
import { SETTING_ROWS } from "./server_settings.ts";

/** The whole file. */
const CONFIG_SCHEMA = z.strictObject({
  $schema: z.string().optional().describe("Where editors find the form of this file"),
  server: SERVER_SCHEMA.optional().describe(
    "The server's own settings; flags and variables beat them",
  ),
  auth: AUTH_SCHEMA.optional().describe("Whom the server believes besides its own keys"),
  syncs: z.array(SYNC_SCHEMA).describe("All that callers can run"),
  notify: z.array(TARGET_SCHEMA).optional().describe("Who is told of what happens to jobs"),
}).meta({ title: "synctail.json" });

/** The part that commands use that start no server. */
const DATA_SCHEMA = z.looseObject({
  server: z.looseObject({ data: SERVER_SCHEMA.shape.data }).optional(),
});

/** A file without faults. */
export interface Config {
  readonly syncs: readonly ConfiguredSync[];
  /**
   * Reads the targets with their secrets; only processes that send to targets may be able to.
   *
   * @throws {ConfigError} with a line for each fault
   */
  readonly notify: () => readonly Target[];
  /** The server's settings, for `resolveSettings`. Paths are absolute. */
  readonly server: Readonly<Record<string, unknown>>;
  readonly auth: AuthConfig;
}

/** Finds faults in the syncs of a file of the right form. `server` as in Config. */
export type Look = (
  syncs: readonly ConfiguredSync[],
  server: Config["server"],
) => readonly ConfigIssue[];

/**
 * Reads and checks a file.
 *
 * @param look finds further faults, which are reported with the others
 * @throws {ConfigError} when the file cannot be read, or with a line for each fault in it
 */
export function readConfig(path: string, look?: Look): Config {
  return parseConfig(read(path), path, look);
}

/**
 * The file's data directory, whatever other faults it has; undefined when it names none.
 *
 * @throws {ConfigError} when the file cannot be read, or this setting is wrong
 */
export function readData(path: string): string | undefined {
  const { server } = checked(DATA_SCHEMA, read(path), path);
  const data = server?.data;
  return typeof data === "string" ? resolve(dirname(path), data) : undefined;
}

/**
 * Parses and checks a file's text.
 *
 * @param path named in errors as it is given; relative paths inside start from its directory
 * @param look as for readConfig
 * @throws {ConfigError} with a line for each fault
 */
export function parseConfig(text: string, path: string, look: Look = () => []): Config {
  const written = checked(CONFIG_SCHEMA, text, path);
  const directory = dirname(resolve(path));
  const server = { ...written.server };
  for (const { kind, fileKey } of SETTING_ROWS) {
    if (kind !== "path" || fileKey === undefined) continue;
    const given = server[fileKey];
    if (typeof given === "string") server[fileKey] = resolve(directory, given);
  }
  const { syncs, issues } = configuredSyncs(written.syncs, directory);
  const all = [...issues, ...look(syncs, server)];
  if (all.length > 0) throw wrong(path, all);
  const notify = () => {
    const { targets, issues } = configuredTargets(written.notify ?? [], {
      directory,
      env: process.env,
    });
    if (issues.length > 0) throw wrong(path, issues);
    return targets;
  };
  const { auth } = written;
  return { syncs, notify, server, auth: auth ? authConfig(auth, directory) : NO_AUTH };
}

/** The JSON Schema 2020-12 of the file, for editors; committed as docs/synctail.schema.json. */
export function configJsonSchema(): unknown {
  return z.toJSONSchema(CONFIG_SCHEMA, { io: "input" });
}

function checked<S extends z.ZodType>(schema: S, text: string, path: string): z.output<S> {
  const outcome = check(schema, parseJson(text, path));
  if ("issues" in outcome) throw wrong(path, outcome.issues);
  return outcome.value;
}

function wrong(path: string, issues: readonly ConfigIssue[]): ConfigError {
  return new ConfigError(issues.map((issue) => issueLine(path, issue)));
}

/** The first fault of the text; undefined when it has none, or is nested too deeply to check. */
function faultOf(json: string): ReturnType<typeof jsonFault> {
  try {
    return jsonFault(json);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause; // the stack is full
    return undefined;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new ConfigError([`${path}: ${whyUnreadable(cause)}`], { cause });
  }
}

function parseJson(text: string, path: string): unknown {
  const json = text.replace(/^\ufeff/, ""); // Some editors on Windows write a byte order mark.
  const fault = faultOf(json);
  if (fault) {
    const { line, column, found, expected } = fault;
    const place = `line ${line}, column ${column}`;
    throw new ConfigError([`${path}: ${place}: got ${found}: expected ${expected}`]);
  }
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new ConfigError([`${path}: not JSON: ${reasonOf(cause)}`], { cause });
  }
}
