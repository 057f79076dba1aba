/** The product's own stream under load: SQLite log, keys, cursors and heartbeats on. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { systemClock } from "../src/clock.ts";
import { openAuth } from "../src/cli/open_auth.ts";
import { httpApp } from "../src/http/app.ts";
import { PublicOrigin } from "../src/http/public_origin.ts";
import { Metrics } from "../src/http/metrics.ts";
import { Rates } from "../src/http/rates.ts";
import { Hub } from "../src/hub/hub.ts";
import { PublishedLog } from "../src/hub/published_log.ts";
import { advance } from "../src/jobs/changes.ts";
import { Dispatcher } from "../src/jobs/dispatcher.ts";
import { OutsideJobs } from "../src/jobs/outside_jobs.ts";
import { Remembered } from "../src/jobs/schedules/remembered.ts";
import { Scheduler } from "../src/jobs/schedules/scheduler.ts";
import { Syncs } from "../src/jobs/syncs.ts";
import { DataDirectory } from "../src/log/data_directory.ts";
import { SqliteLog } from "../src/log/sqlite_log.ts";
import { listen } from "../src/runtime/serve.ts";
import { Viewers } from "../src/stream/viewers.ts";
import { newJobId, type TenantId } from "../src/sync/ids.ts";
import { NO_PROGRESS } from "../src/sync/progress.ts";
import { publishUntilStopped } from "./publish.ts";

const TENANT = "default" as TenantId; // a literal of the form that parseTenantId takes
const clock = systemClock;
const data = mkdtempSync(join(tmpdir(), "synctail-bench-"));
process.on("exit", () => rmSync(data, { recursive: true, force: true }));

const directory = new DataDirectory(data);
const authenticator = await openAuth({ clock }, directory, []);
const { keys } = authenticator.parts;
const hub = new Hub();
const sqlite = new SqliteLog({ path: join(data, "log.db"), durability: "normal", clock });
const log = new PublishedLog(sqlite, hub);
const onFault = (cause: unknown) => console.error(cause);
const viewers = new Viewers({
  log,
  hub,
  clock,
  heartbeatMs: 30_000,
  retryMs: 3_000,
  mergeAfter: 1_000,
  stallAfterMs: 60_000,
  onFault,
});
const dispatcher = new Dispatcher({ log, clock, owner: "bench", cancelGraceMs: 0, onFault });
const syncs = new Syncs([], []);
const remembered = new Remembered(undefined, onFault);
const onOccurrence = () => {};
const app = httpApp({
  log,
  authenticator,
  origin: new PublicOrigin({
    hostname: "127.0.0.1",
    publicUrl: undefined,
    allowedHosts: [],
    trustedProxies: [],
  }),
  corsOrigins: [],
  syncs,
  dispatcher,
  scheduler: new Scheduler({ log, clock, syncs, dispatcher, remembered, onOccurrence, onFault }),
  outside: new OutsideJobs({ log, syncs, clock }),
  rates: new Rates(clock, { jobEvents: 0, tenantEvents: 0, requests: 0 }),
  viewers,
  metrics: new Metrics("bench", "bench"),
  metricsElsewhere: true,
  notifications: { list: () => ({ items: [], nextCursor: null }) },
  clock,
  stallAfterMs: 60_000,
  bodyIdleMs: 30_000,
}, "bench");
const { job } = await log.create({
  tenant: TENANT,
  id: newJobId(),
  origin: "worker",
  sync: null,
  name: "bench",
  tags: [],
  meta: {},
  retryOf: null,
  attempt: 1,
  createdAtMs: clock.now(),
  owner: null,
  leaseUntilMs: null,
  leaseMs: null,
});
const { key } = keys.create({ tenant: TENANT, scopes: ["read"] });
const { port } = await listen({
  hostname: "127.0.0.1",
  port: 0,
  handler: (request, connection) => app.fetch(request, connection),
});

let inserted = 0;
publishUntilStopped(
  { port, path: `/v1/sync/job/${job.id}/subscribe`, key },
  () => log.append(job, advance({ ...NO_PROGRESS, inserted: ++inserted })),
);
