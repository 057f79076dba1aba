/** The server's own settings: one table for flags, environment, file and defaults. */
import { SERVER_LOG_LEVELS } from "../logger.ts";
import { DURATIONS, formOf, SIZES, strictFormOf } from "../jobs/amounts.ts";
import { HOST_PORT, HOSTS, NETWORKS, ORIGINS, PUBLIC_URL } from "./address_rules.ts";
import {
  BOOLEAN,
  choice,
  NOT_EMPTY,
  type Rule,
  textLike,
  UTF_8_PATH,
  whole,
} from "./setting_rules.ts";

/** One row of the table: a setting, where it may be given, and its rule. */
export interface Setting<T = unknown> {
  /** As commander names it: `heartbeatMs`. */
  readonly key: string;
  /** Without its two dashes: `heartbeat-ms`. */
  readonly flag: string;
  readonly env: string;
  /** Its name in the file's `server`; undefined when it cannot stand there. */
  readonly fileKey: string | undefined;
  /** A path in the file is relative to the file's directory. */
  readonly kind: "text" | "path" | "number" | "boolean";
  readonly rule: Rule;
  readonly fallback: T;
  /** One line for `--help`, without the default. */
  readonly help: string;
}

/** Every setting, by its key. Commander must get no defaults: they would beat the file. */
export const SETTINGS = {
  hostname: row("hostname", "text", NOT_EMPTY, "127.0.0.1", "Address to listen on"),
  port: row("port", "number", whole(0, 65_535), 8017, "Port to listen on; 0 picks a free one"),
  data: row("data", "path", UTF_8_PATH, "./.synctail", "Directory for logs and keys"),
  config: row(
    "config",
    "path",
    NOT_EMPTY,
    undefined,
    "File that configures syncs; ./synctail.json where there is one",
    false,
  ),
  durability: row(
    "durability",
    "text",
    choice(["normal", "full"]),
    "normal",
    "What an answer waits for: normal survives a killed process, full a power cut too",
  ),
  heartbeatMs: row(
    "heartbeatMs",
    "number",
    whole(50, 60_000), // `watch` and the page take a stream for dead after 90 s without a frame
    30_000,
    "Milliseconds between two heartbeats of a stream",
  ),
  retryMs: row(
    "retryMs",
    "number",
    whole(100, 600_000),
    3_000,
    "Milliseconds a client waits before it reconnects",
  ),
  mergeAfter: row(
    "mergeAfter",
    "number",
    whole(1, 1_000_000),
    1_000,
    "Entries a viewer may be behind before superseded progress is left out",
  ),
  stallAfterMs: row(
    "stallAfterMs",
    "number",
    whole(100, 86_400_000),
    60_000,
    "Milliseconds without a word after which a job is shown as stalled",
  ),
  cancelGraceMs: row(
    "cancelGraceMs",
    "number",
    whole(100, 86_400_000),
    30_000,
    "Milliseconds a worker has to end a job that was cancelled",
  ),
  eventsPerS: row(
    "eventsPerS",
    "number",
    whole(0, 10_000_000),
    10_000,
    "Events a second that workers may post of one job; 0 for no limit",
  ),
  bodyIdleMs: row(
    "bodyIdleMs",
    "number",
    whole(100, 3_600_000),
    30_000,
    "Milliseconds after which a request's body that stands still is cut",
  ),
  tenantEventsPerS: row(
    "tenantEventsPerS",
    "number",
    whole(0, 100_000_000),
    100_000,
    "Events a second that workers may post of all jobs of a tenant; 0 for no limit",
  ),
  requestsPerS: row(
    "requestsPerS",
    "number",
    whole(0, 10_000_000),
    0,
    "Requests a second that one key may make; 0 for no limit",
  ),
  writeTimeoutMs: row(
    "writeTimeoutMs",
    "number",
    whole(0, 3_600_000),
    60_000,
    "Milliseconds after which a viewer that does not read is cut off; 0 for no limit",
  ),
  viewersMax: row(
    "viewersMax",
    "number",
    whole(0, 10_000_000),
    50_000,
    "Most streams open at once; 0 for no limit",
  ),
  viewersPerTenant: row(
    "viewersPerTenant",
    "number",
    whole(0, 10_000_000),
    20_000,
    "Most of them of one tenant; 0 for no limit",
  ),
  viewersPerJob: row(
    "viewersPerJob",
    "number",
    whole(0, 10_000_000),
    20_000,
    "Most of them of one job; 0 for no limit",
  ),
  viewersPerKey: row(
    "viewersPerKey",
    "number",
    whole(0, 10_000_000),
    20_000,
    "Most of them with one key; 0 for no limit",
  ),
  jobsPerTenant: row(
    "jobsPerTenant",
    "number",
    whole(0, 10_000_000),
    10_000,
    "Most jobs of a tenant on their way when a worker is to create another; 0 for no limit",
  ),
  stopGraceMs: row(
    "stopGraceMs",
    "number",
    whole(0, 3_600_000),
    5_000,
    "Milliseconds that running jobs may go on when the server is stopped",
  ),
  metricsListen: row(
    "metricsListen",
    "text",
    HOST_PORT,
    undefined,
    "HOST:PORT for /metrics without a key; without it they need one of the scope metrics",
  ),
  retentionAge: row(
    "retentionAge",
    "text",
    textLike(
      strictFormOf(DURATIONS),
      "expected a duration with its unit, such as 30d, 12h, 15m or 90s; 0 for no limit",
    ),
    "30d",
    "How long an ended job is kept, such as 12h; 0 for no limit",
  ),
  retentionEntries: row(
    "retentionEntries",
    "number",
    whole(0, 1_000_000_000),
    100_000,
    "Most entries of one job that are kept; 0 for no limit",
  ),
  retentionBytes: row(
    "retentionBytes",
    "text",
    textLike(formOf(SIZES), "expected a size such as 5GB or 500MB; 0 for no limit"),
    "5GB",
    "Bytes of all jobs above which the oldest ended ones go; 0 for no limit",
  ),
  publicUrl: row(
    "publicUrl",
    "text",
    PUBLIC_URL,
    undefined,
    "Where people reach it behind a proxy, such as https://example.com/synctail",
  ),
  allowedHosts: row(
    "allowedHosts",
    "text",
    HOSTS,
    "",
    "Names that it answers to beside localhost, addresses and the public URL's; * for any",
  ),
  trustProxy: row(
    "trustProxy",
    "text",
    NETWORKS,
    "",
    "Addresses of proxies whose X-Forwarded headers are believed, such as 10.0.0.0/8,::1",
  ),
  corsOrigins: row(
    "corsOrigins",
    "text",
    ORIGINS,
    "",
    "Origins of pages elsewhere that may ask here, such as https://app.example.com",
  ),
  tlsCert: row("tlsCert", "path", NOT_EMPTY, undefined, "Certificate chain in PEM"),
  tlsKey: row("tlsKey", "path", NOT_EMPTY, undefined, "The certificate's key in PEM"),
  keysFile: row(
    "keysFile",
    "path",
    NOT_EMPTY,
    undefined,
    "File of API keys, for replicas: KEY TENANT SCOPES, one a line",
  ),
  ticketSecretFile: row(
    "ticketSecretFile",
    "path",
    NOT_EMPTY,
    undefined,
    "File of the secret that signs tickets and sessions, for replicas",
  ),
  json: row("json", "boolean", BOOLEAN, false, "One JSON object a line on stdout", false),
  logLevel: row(
    "logLevel",
    "text",
    choice(SERVER_LOG_LEVELS),
    "info",
    `Least level that is logged, of ${SERVER_LOG_LEVELS.join(", ")}`,
  ),
};

/** The value of each setting; units are in the names. */
export type ServerSettings = {
  readonly [K in keyof typeof SETTINGS]: typeof SETTINGS[K]["fallback"];
};

/** The rows in the order of `--help`. */
export const SETTING_ROWS: readonly Setting[] = Object.values(SETTINGS);

function row<T, F extends T | undefined>(
  key: string,
  kind: Setting["kind"],
  rule: Rule<T>,
  fallback: F,
  help: string,
  inFile = true,
): Setting<T | F> {
  const snake = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return {
    key,
    flag: snake.replaceAll("_", "-"),
    env: `SYNCTAIL_${snake.toUpperCase()}`,
    fileKey: inFile ? snake : undefined,
    kind,
    rule,
    fallback,
    help,
  };
}
