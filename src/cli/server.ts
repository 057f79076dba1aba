/** A whole server, put together: what serve, demo and a run without a server start. */
import { randomUUID, X509Certificate } from "node:crypto";
import { setImmediate } from "node:timers";
import type { KeyStore } from "../auth/key_store.ts";
import type { SignInStore } from "../auth/sign_in_store.ts";
import type { Clock } from "../clock.ts";
import { httpApp } from "../http/app.ts";
import { PublicOrigin } from "../http/public_origin.ts";
import { Hub } from "../hub/hub.ts";
import { PublishedLog } from "../hub/published_log.ts";
import { Bridges } from "../jobs/bridges.ts";
import { Dispatcher } from "../jobs/dispatcher.ts";
import { EventRate } from "../jobs/event_rate.ts";
import { OutsideJobs } from "../jobs/outside_jobs.ts";
import { Retention } from "../jobs/retention.ts";
import type { ConfiguredSync } from "../jobs/sync_config.ts";
import { Syncs } from "../jobs/syncs.ts";
import { DataDirectory } from "../log/data_directory.ts";
import { type Durability, SqliteLog } from "../log/sqlite_log.ts";
import { loggerOf } from "../logger.ts";
import { listen, urlOf } from "../runtime/serve.ts";
import { Viewers } from "../stream/viewers.ts";
import { DURATIONS, SIZES, worth } from "./amounts.ts";
import type { AuthConfig } from "./auth_config.ts";
import { openAuth, tlsOf } from "./open_auth.ts";
import { listOf } from "./server_settings.ts";
import { VERSION } from "./version.ts";

/** How long viewers get to take their farewell, in milliseconds. */
const DRAIN_MS = 1_000;
/** How long answers that are under way get after that. */
const STOP_MS = 300;

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
  /** Of its certificate (SHA-256); undefined for plain HTTP. */
  readonly fingerprint: string | undefined;
  readonly directory: DataDirectory;
  readonly keys: KeyStore;
  /** For links that sign a browser in. */
  readonly signIns: SignInStore;
  /** Puts other syncs in the place of the present ones. */
  reload(syncs: readonly ConfiguredSync[]): void;
  /** Ends running jobs as cancelled, sends viewers away, and lets go of everything. */
  stop(): Promise<void>;
}

/**
 * @throws {DataDirectoryTakenError} when another server has the data directory
 * @throws {PortTakenError} when another process listens on the port
 * @throws {StoreVersionError | StoreForeignError} when a file there is not this version's to open
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { clock, stallAfterMs, bodyIdleMs } = options;
  const logger = loggerOf("server");
  const onFault = (error: unknown) => logger.error("fault: {error}", { error });
  /** What has been opened so far, to be closed in the opposite order. */
  const opened: (() => void | Promise<void>)[] = [];
  const closeAll = async () => {
    for (const close of opened.splice(0).reverse()) await close();
  };
  try {
    const directory = new DataDirectory(options.data);
    opened.push(() => directory.release());
    const authenticator = await openAuth(options, directory, opened);
    const { keys, signIns } = authenticator.parts;
    const sqlite = new SqliteLog({ ...options, path: directory.file("log.db") });
    opened.push(() => sqlite.close());
    const hub = new Hub();
    const log = new PublishedLog(sqlite, hub);
    const viewers = new Viewers({ ...options, log, hub, onFault });
    const dispatcher = new Dispatcher({ ...options, log, owner: randomUUID(), onFault });
    await dispatcher.open();
    const retention = new Retention({
      log,
      clock,
      onFault,
      ageMs: worth(options.retentionAge, DURATIONS),
      entriesMax: options.retentionEntries || Number.MAX_SAFE_INTEGER,
      bytesMax: worth(options.retentionBytes, SIZES),
    });
    retention.start();
    opened.push(() => retention.stop());
    const syncs = new Syncs(options.syncs, [directory.path]);
    const outside = new OutsideJobs({ log, syncs, clock });
    const bridges = new Bridges(outside, onFault);
    bridges.replace(options.syncs);
    opened.push(() => bridges.stop());
    const rate = new EventRate(clock, options.eventsPerS);
    const app = httpApp({
      log,
      authenticator,
      origin: new PublicOrigin({
        hostname: options.hostname,
        publicUrl: options.publicUrl,
        allowedHosts: listOf(options.allowedHosts ?? ""),
        trustedProxies: listOf(options.trustProxy ?? ""),
      }),
      corsOrigins: listOf(options.corsOrigins ?? ""),
      syncs,
      dispatcher,
      outside,
      rate,
      viewers,
      clock,
      stallAfterMs,
      bodyIdleMs,
    }, VERSION);
    options.beforeListening?.({ keys });
    const { hostname } = options;
    const handler = (request: Request, connection: object) => app.fetch(request, connection);
    const tls = tlsOf(options);
    const listening = await listen({ hostname, port: options.port, handler, tls });
    opened.push(() => listening.stop(STOP_MS));
    opened.push(async () => {
      await dispatcher.stop();
      // Viewers of the jobs that have just ended are woken two turns later, and leave by themselves.
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      await viewers.drain(DRAIN_MS);
    });
    const url = urlOf(hostname, listening.port, tls && "https");
    const fingerprint = tls && new X509Certificate(tls.cert).fingerprint256;
    const reload = (replaced: readonly ConfiguredSync[]) => {
      syncs.replace(replaced);
      bridges.replace(replaced);
    };
    const { port } = listening;
    return { url, port, fingerprint, directory, keys, signIns, reload, stop: closeAll };
  } catch (cause) {
    await closeAll();
    throw cause;
  }
}
