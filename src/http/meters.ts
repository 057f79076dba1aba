/** The meters behind Metrics, in the text format of Prometheus. */
import process from "node:process";
import type * as client from "prom-client";
import type { Dispatcher } from "../jobs/dispatcher.ts";
import type { Scheduler } from "../jobs/schedules/scheduler.ts";
import type { EventLog } from "../log/event_log.ts";
import type { Viewers } from "../stream/viewers.ts";
import { STATUSES } from "../sync/status.ts";
import { Counter, Gauge, Histogram, Registry } from "./prometheus.ts";

/** Most syncs that have gauges of their own, so that labels stay bounded. */
const SYNCS_MAX = 1_000;

const LAG_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];

/** What a scrape looks at. */
export interface Observed {
  readonly viewers: Pick<Viewers, "size" | "followed" | "draining" | "totals">;
  readonly log: EventLog;
  readonly scheduler: Pick<Scheduler, "standings">;
  readonly dispatcher: Pick<Dispatcher, "stopping">;
}

/** Counts what happens often as it happens; all else is looked up at a scrape. */
export class Meters {
  readonly #registry = new Registry();
  readonly #lag: client.Histogram;
  readonly #late: client.Histogram;
  readonly #requests: client.Counter<"route" | "status">;
  readonly #faults: client.Counter;
  #dispatcher: Observed["dispatcher"] | undefined;

  /** @param version of this program @param runtime what runs it: `deno 2.9.6` */
  constructor(version: string, runtime: string) {
    const registers = [this.#registry];
    this.#lag = new Histogram({
      name: "synctail_delivery_lag_seconds",
      help: "From the append of an entry until its frames were handed to the viewers' sockets",
      buckets: LAG_S,
      registers,
    });
    this.#late = new Histogram({
      name: "synctail_heartbeat_late_seconds",
      help: "How late heartbeats were sent",
      buckets: LAG_S,
      registers,
    });
    this.#requests = new Counter({
      name: "synctail_requests_total",
      help: "Answers by route and status; streams are counted when they begin",
      labelNames: ["route", "status"],
      registers,
    });
    // Without labels it is there from the start, at 0: else the first fault is no increase.
    this.#faults = new Counter({
      name: "synctail_faults_total",
      help:
        "Answers of 500 or more, and faults of which none tells, as of messages that no target takes; " +
        "none of a server that stops",
      registers,
    });
    new Gauge({
      name: "synctail_build_info",
      help: "Always 1",
      labelNames: ["version", "runtime"],
      registers,
    }).set({ version, runtime }, 1);
    const startedS = Date.now() / 1000 - process.uptime();
    this.#gauge("process_start_time_seconds", "Start of the process", () => startedS);
    this.#gauge("process_resident_memory_bytes", "Memory in use", () => process.memoryUsage().rss);
    this.#total("process_cpu_seconds_total", "Processor time used", () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    });
  }

  served(lagMs: number): void {
    this.#lag.observe(Math.max(0, lagMs) / 1000);
  }

  beaten(lateMs: number): void {
    this.#late.observe(Math.max(0, lateMs) / 1000);
  }

  /** @param route its pattern, never the path that was asked for */
  answered(route: string, status: number): void {
    this.#requests.inc({ route, status });
    if (status >= 500) this.faulted();
  }

  /** A fault; not counted while the server stops. */
  faulted(): void {
    if (!this.#dispatcher?.stopping) this.#faults.inc();
  }

  /** Adds the meters that are looked up at a scrape. */
  observe({ viewers, log, scheduler, dispatcher }: Observed): void {
    this.#dispatcher = dispatcher;
    this.#gauge("synctail_streams_open", "Streams open now", () => viewers.size);
    this.#gauge("synctail_jobs_followed", "Jobs with a stream open", () => viewers.followed);
    this.#gauge(
      "synctail_draining",
      "1 while viewers are sent away",
      () => viewers.draining ? 1 : 0,
    );
    this.#totals("synctail_streams_opened_total", {
      help: "Streams opened: start, snapshot, resumed, gap, or jobs for those of many",
      label: "resume",
      read: () => viewers.totals.opened,
    });
    this.#totals("synctail_streams_refused_total", {
      help: "Viewers there was no place for, by the limit that was reached",
      label: "limit",
      read: () => viewers.totals.refused,
    });
    this.#total(
      "synctail_streams_cut_total",
      "Viewers cut off because they did not read",
      () => viewers.totals.cut,
    );
    this.#total(
      "synctail_merged_reads_total",
      "Reads of the log for viewers so far behind that superseded progress was left out",
      () => viewers.totals.merged,
    );
    this.#gauge("synctail_log_bytes", "Size of the event log", () => log.bytes());
    this.#labelled("synctail_jobs", "Jobs in the log by status", ["status"], async (set) => {
      const counts = await log.counts();
      for (const status of STATUSES) set({ status }, counts.get(status) ?? 0);
    });
    this.#ofSyncs("synctail_sync_overdue", "1 while an expected run has not begun", {
      scheduler,
      read: ({ overdue }) => overdue ? 1 : 0,
    });
    this.#ofSyncs("synctail_sync_skipped_runs", "Scheduled runs skipped since the start", {
      scheduler,
      read: ({ skippedRuns }) => skippedRuns,
    });
    this.#ofSyncs("synctail_sync_last_success_timestamp_seconds", "End of the last completed run", {
      scheduler,
      async read({ tenant, sync }) {
        const query = { tenant, syncId: sync.id, statuses: ["completed"], limit: 1 } as const;
        const [last] = (await log.list(query)).items;
        return last?.endedAtMs == null ? undefined : last.endedAtMs / 1000;
      },
    });
  }

  /** All meters as text. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  #gauge(name: string, help: string, read: () => number | Promise<number>): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      async collect() {
        this.set(await read());
      },
    });
  }

  /** A total that is counted elsewhere. */
  #total(name: string, help: string, read: () => number): void {
    new Counter({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  #totals(name: string, { help, label, read }: {
    readonly help: string;
    readonly label: string;
    readonly read: () => Readonly<Record<string, number>>;
  }): void {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [value, total] of Object.entries(read())) this.inc({ [label]: value }, total);
      },
    });
  }

  #labelled(
    name: string,
    help: string,
    labelNames: readonly string[],
    read: (set: (labels: Record<string, string>, value: number) => void) => Promise<void>,
  ): void {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.#registry],
      async collect() {
        this.reset();
        await read((labels, value) => this.set(labels, value));
      },
    });
  }

  #ofSyncs(name: string, help: string, { scheduler, read }: {
    readonly scheduler: Observed["scheduler"];
    readonly read: (
      standing: ReturnType<Scheduler["standings"]>[number],
    ) => number | undefined | Promise<number | undefined>;
  }): void {
    this.#labelled(name, help, ["tenant", "sync"], async (set) => {
      for (const standing of scheduler.standings().slice(0, SYNCS_MAX)) {
        const value = await read(standing);
        if (value !== undefined) {
          set({ tenant: standing.tenant, sync: standing.sync.name }, value);
        }
      }
    });
  }
}
