/** The channels of a feed over a log in memory, in a time that the test lets pass. */
import { setImmediate } from "node:timers/promises";
import { FeedChannels } from "../../src/jobs/feeds/feed_channels.ts";
import { readFeedMessage } from "../../src/jobs/feeds/feed_message.ts";
import { OutsideJobs } from "../../src/jobs/outside_jobs.ts";
import { configuredSyncs, SYNC_SCHEMA } from "../../src/jobs/sync_config.ts";
import { Syncs } from "../../src/jobs/syncs.ts";
import { reasonOf } from "../../src/reason.ts";
import type { Job } from "../../src/sync/job.ts";
import { FakeClock } from "./fake_clock.ts";
import { TENANT } from "./log_contract.ts";
import { MemoryLog } from "./memory_log.ts";

const LEASE_S = 60;

/** A feed of channels `p:*`; a job is lost after 60 s. */
export function feedBench(openMax?: number) {
  const clock = new FakeClock();
  const log = new MemoryLog(clock);
  const { syncs } = configuredSyncs([
    SYNC_SCHEMA.parse({
      name: "legacy",
      source: {
        type: "redis_pubsub",
        url: "redis://h",
        pattern: "p:*",
        lease_s: LEASE_S,
      },
    }),
  ], "/");
  const [sync] = syncs;
  if (sync.source.type !== "redis_pubsub") {
    throw new Error("It is another source");
  }
  const outside = new OutsideJobs({
    log,
    syncs: new Syncs(syncs, []),
    clock,
    openMax,
  });
  const refused: string[] = [];
  const options = {
    sync,
    source: sync.source,
    outside,
    log,
    clock,
    onFault: (cause: unknown) => refused.push(`fault: ${reasonOf(cause)}`),
    onRefused: (channel: string, cause: unknown) => refused.push(`${channel}: ${reasonOf(cause)}`),
  };
  let channels = new FeedChannels(options);
  return {
    clock,
    log,
    outside,
    refused,
    /** All messages at once, and what becomes of them: the log in memory needs no time. */
    async say(channel: string, ...messages: unknown[]): Promise<void> {
      for (const each of messages) {
        const message = readFeedMessage(JSON.stringify(each), {}, {});
        if (message) channels.take(channel, message);
      }
      await setImmediate();
    },
    stop: () => channels.stop(),
    /** As a server that starts anew. */
    async restart(): Promise<void> {
      channels = new FeedChannels(options);
      await channels.find();
    },
    /** The newest first. */
    async jobs(): Promise<readonly Job[]> {
      return (await log.list({ tenant: TENANT, limit: 200 })).items;
    },
    /** `name status inserted`, the oldest first. */
    async shown(): Promise<string[]> {
      return (await this.jobs()).toReversed().map((
        { name, status, progress },
      ) => `${name} ${status} ${progress.inserted}`);
    },
  };
}
