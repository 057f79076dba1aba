/** The options of a server, and what a running one offers. */
import type { KeyStore } from "../auth/key_store.ts";
import type { SignInStore } from "../auth/sign_in_store.ts";
import type { Clock } from "../clock.ts";
import type { Target } from "../jobs/notify/target.ts";
import type { ConfiguredSync } from "../jobs/sync_config.ts";
import type { DataDirectory, ServerNote } from "../log/data_directory.ts";
import type { Durability } from "../log/sqlite_log.ts";
import type { AuthConfig } from "./auth_config.ts";

export interface ServerOptions {
  readonly data: string;
  readonly hostname: string;
  readonly port: number;
  readonly durability: Durability;
  readonly heartbeatMs: number;
  readonly retryMs: number;
  readonly mergeAfter: number;
  readonly stallAfterMs: number;
  readonly cancelGraceMs: number;
  readonly eventsPerS: number;
  readonly bodyIdleMs: number;
  /** The next ones are limits; 0 or left out for none. */
  readonly tenantEventsPerS?: number;
  readonly requestsPerS?: number;
  readonly writeTimeoutMs?: number;
  readonly viewersMax?: number;
  readonly viewersPerTenant?: number;
  readonly viewersPerJob?: number;
  readonly viewersPerKey?: number;
  readonly jobsPerTenant?: number;
  /** How long running jobs may go on after `stop`, in milliseconds; not at all when left out. */
  readonly stopGraceMs?: number;
  /** `HOST:PORT` for metrics without a key; when left out, the server's own port and with a key. */
  readonly metricsListen?: string;
  readonly retentionAge: string;
  readonly retentionEntries: number;
  readonly retentionBytes: string;
  readonly publicUrl?: string;
  /** The next three are lists, with commas between. */
  readonly allowedHosts?: string;
  readonly trustProxy?: string;
  readonly corsOrigins?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly keysFile?: string;
  readonly ticketSecretFile?: string;
  readonly auth?: AuthConfig;
  readonly syncs: readonly ConfiguredSync[];
  /**
   * Whether it stays: it runs syncs by their schedules, reports overdue ones, listens to feeds and
   * removes old jobs. A server that a command starts for itself does none of that.
   */
  readonly resident?: boolean;
  /**
   * The notification targets; what it throws ends the start. Left out, notifications wait for a
   * server that has targets.
   */
  readonly notify?: () => readonly Target[];
  /** Limit of the log's size, in pages of 4 KiB; none when left out. */
  readonly pagesMax?: number;
  readonly clock: Clock;
  /** Called when all but the listener is ready; what it throws ends the start. */
  readonly beforeListening?: (parts: { readonly keys: KeyStore }) => void;
}

/** A server that accepts connections. */
export interface RunningServer {
  readonly url: string;
  readonly port: number;
  /** What other commands may know of it, once `directory` announces it. */
  readonly note: ServerNote;
  readonly directory: DataDirectory;
  readonly keys: KeyStore;
  /** For links that sign a browser in. */
  readonly signIns: SignInStore;
  /** Replaces the syncs, and the targets when they are given. */
  reload(syncs: readonly ConfiguredSync[], notify?: readonly Target[]): void;
  /** Ends running jobs as cancelled, sends viewers away, and closes everything. */
  stop(): Promise<void>;
}
