/** What a server is started with, and what one that runs offers. */
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
  /** How long running jobs may go on after `stop`, in milliseconds; they are stopped at once without. */
  readonly stopGraceMs?: number;
  /** `HOST:PORT` where metrics are to be had without a key; on the server's own port with one without. */
  readonly metricsListen?: string;
  readonly retentionAge: string;
  readonly retentionEntries: number;
  readonly retentionBytes: string;
  readonly publicUrl?: string;
  /** These three are lists with commas between. */
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
   * Whether it is here to stay: runs syncs by their schedules, sees who is overdue, listens to feeds
   * and removes what is too old. One that a command starts for itself does none of that.
   */
  readonly resident?: boolean;
  /**
   * Who is told of what happens to jobs; what it throws ends the start. Left out, nobody is: what
   * happens meanwhile waits for a server that has targets.
   */
  readonly notify?: () => readonly Target[];
  /** A quota for the log, in pages of 4 KiB; none when left out. */
  readonly pagesMax?: number;
  readonly clock: Clock;
  /** Called when everything but the listener is there; what it throws ends the start. */
  readonly beforeListening?: (parts: { readonly keys: KeyStore }) => void;
}

/** A server that accepts connections. */
export interface RunningServer {
  readonly url: string;
  readonly port: number;
  /** What the commands beside it may know, once `directory` announces it. */
  readonly note: ServerNote;
  readonly directory: DataDirectory;
  readonly keys: KeyStore;
  /** For links that sign a browser in. */
  readonly signIns: SignInStore;
  /** Puts other syncs in the place of the present ones, and other targets where they are given. */
  reload(syncs: readonly ConfiguredSync[], notify?: readonly Target[]): void;
  /** Ends running jobs as cancelled, sends viewers away, and lets go of everything. */
  stop(): Promise<void>;
}
