/** A `redis_pubsub` source in a configuration file. */
import { z } from "zod";
import { LEASE_S_MAX } from "../../sync/event_limits.ts";
import type { TerminalStatus } from "../../sync/status.ts";
import { whole } from "../amount_schemas.ts";
import { FEED_NAMES, type FeedFields, STATUS_MAX } from "./feed_message.ts";

/** Jobs that workers elsewhere report on Redis channels; nothing is run here. */
export interface RedisPubsubSourceConfig {
  readonly type: "redis_pubsub";
  readonly url: string;
  /** With one `*`, which stands for the job's name. */
  readonly pattern: string;
  readonly fields: FeedFields;
  /** The feed's own words for the ends, in lower case. */
  readonly statusValues: Readonly<Record<string, TerminalStatus>>;
  readonly leaseMs: number;
}

const URL_FORM = "expected redis://[user:password@]host[:port][/database], or rediss://";
const PATTERN = "expected a pattern with one *, and none of ? [ ] \\";
const ONE_STAR = /^[^*?[\]\\]*\*[^*?[\]\\]*$/;
const WORD = `expected a word of 1 to ${STATUS_MAX} characters`;

/** The schema of a `redis_pubsub` source. */
export const redisPubsubSource = z.strictObject({
  type: z.literal("redis_pubsub"),
  url: z.string().refine(isRedisUrl, URL_FORM)
    .describe("Where Redis is: redis://user:password@host:port"),
  pattern: z.string().max(500).regex(ONE_STAR, PATTERN)
    .describe("Channels to listen to; the * stands for what names the job"),
  fields: z.partialRecord(z.enum(FEED_NAMES), z.string().min(1, "expected a dotted path"))
    .default({})
    .describe("Where our names are found in a message, as dotted paths"),
  status_values: z.record(
    z.string().min(1, WORD).max(STATUS_MAX, WORD),
    z.enum(["completed", "failed", "cancelled"]),
  ).default({})
    .describe("The feed's own words for the ends"),
  lease_s: whole(1, LEASE_S_MAX).default(900)
    .describe("Seconds of silence after which a job counts as lost"),
}).describe("Listens to a Redis pub/sub feed of workers elsewhere; it cannot be run");

/** Converts the source for the bridge. */
export function redisConfig(source: z.output<typeof redisPubsubSource>): RedisPubsubSourceConfig {
  const { type, url, pattern, fields, status_values, lease_s } = source;
  const statuses = Object.entries(status_values);
  return {
    type,
    url,
    pattern,
    fields,
    statusValues: Object.fromEntries(statuses.map(([word, end]) => [word.toLowerCase(), end])),
    leaseMs: lease_s * 1000,
  };
}

/** Whether node-redis takes the URL, and ignores no part of it. */
function isRedisUrl(text: string): boolean {
  if (!/^rediss?:\/\//i.test(text) || !URL.canParse(text)) return false;
  const { hostname, port, pathname, search, hash, username, password } = new URL(text);
  return hostname !== "" && port !== "0" && /^(\/\d{0,2})?$/.test(pathname) &&
    search === "" && hash === "" && (username === "" || password !== "") &&
    isEncoded(username) && isEncoded(password);
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false; // a % without two hex digits behind it
  }
}
