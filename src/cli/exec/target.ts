/** The server that exec reports to: a named one, that of the data directory, or one of its own. */
import { createHash } from "node:crypto";
import process from "node:process";
import type { Endpoint } from "../../client/delivery.ts";
import { type Asked, fetchFrom } from "../../client/fetch_from.ts";
import { type Clock, systemClock } from "../../clock.ts";
import { DataDirectoryTakenError, type ServerNote, serverOf } from "../../log/data_directory.ts";
import { reasonOf } from "../../reason.ts";
import { PortTakenError } from "../../runtime/serve.ts";
import { DEFAULT_TENANT } from "../../sync/ids.ts";
import { cliKey } from "../cli_key.ts";
import type { Client } from "../client.ts";
import { LINK_SCOPES } from "../../auth/scopes.ts";
import { signInUrl } from "../link.ts";
import { ON_THIS_MACHINE, withCliKey } from "../connect.ts";
import { pageUrl } from "../pages.ts";
import { type RunningServer, startServer } from "../server.ts";
import type { ServerSettings } from "../server_settings.ts";

export interface Target {
  /** As in SpooledJob: the spools with these values are sent there. */
  readonly server: string | null;
  readonly keyPrint: string | null;
  /** The server's URL; undefined while there is none. */
  readonly url: string | undefined;
  /** The page of a job. In a terminal the URL of our own server's page also signs in, once. */
  readonly pageOf: (jobId: string) => string | undefined;
  /**
   * The server to ask; undefined while there is none. Never rejects.
   *
   * @param again whether the server that was given before does not answer
   */
  readonly endpoint: (again: boolean) => Promise<Endpoint | undefined>;
  readonly close: () => Promise<void>;
}

/**
 * The target for `--server`.
 *
 * @param key undefined when there is none: nothing is sent, and all is kept
 */
export function namedTarget(server: string, key: string | undefined): Target {
  const endpoint = key === undefined ? undefined : endpointOf({ server, key });
  return {
    server,
    keyPrint: key === undefined
      ? null
      : createHash("sha256").update(key).digest("hex").slice(0, 16),
    url: server,
    pageOf: (jobId) => pageUrl(server, `job/${jobId}`),
    endpoint: () => Promise.resolve(endpoint),
    close: () => Promise.resolve(),
  };
}

/** The server of a data directory. While no process runs one, this process does, until `close`. */
export class LocalTarget implements Target {
  readonly server = null;
  readonly keyPrint = null;
  readonly #settings: ServerSettings;
  readonly #clock: Clock;
  readonly #onFault: (words: string) => void;
  #own: RunningServer | undefined;
  #client: Client | undefined;
  /** Whether a server was found that stays: then none is started in its place. */
  #staying = false;
  #asking: Promise<Endpoint | undefined> | undefined;
  #closed = false;

  constructor(
    settings: ServerSettings,
    { clock, onFault }: { readonly clock: Clock; readonly onFault: (words: string) => void },
  ) {
    this.#settings = settings;
    this.#clock = clock;
    this.#onFault = onFault;
  }

  get url(): string | undefined {
    return this.#client?.server;
  }

  pageOf = (jobId: string): string | undefined => {
    const { url } = this;
    if (url === undefined) return undefined;
    const path = `job/${jobId}`;
    return this.#own && process.stderr.isTTY
      ? signInUrl(url, this.#own, DEFAULT_TENANT, LINK_SCOPES, path)
      : pageUrl(this.#client?.pages ?? url, path);
  };

  endpoint = (again: boolean): Promise<Endpoint | undefined> => {
    this.#asking ??= this.#found(again).finally(() => this.#asking = undefined);
    return this.#asking;
  };

  async close(): Promise<void> {
    this.#closed = true;
    await this.#asking;
    await this.#own?.stop();
  }

  async #found(again: boolean): Promise<Endpoint | undefined> {
    try {
      const known = this.#own || !again ? this.#client : undefined;
      this.#client = known ?? await this.#looked() ?? this.#client;
      return this.#client && endpointOf(this.#client);
    } catch (cause) {
      const reason = reasonOf(cause);
      this.#onFault(`no server can be had: ${reason}`);
      return undefined;
    }
  }

  /** Starts a server of our own; else takes the announced one that holds the directory. */
  async #looked(): Promise<Client | undefined> {
    if (this.#closed) return undefined;
    const { data } = this.#settings;
    if (this.#staying) return this.#announced(serverOf(data));
    // On the last server's port, so that its viewers come back.
    const port = this.#client ? Number(new URL(this.#client.server).port) : 0;
    try {
      const own = this.#own = await this.#startOn(port).catch((cause) => {
        if (cause instanceof PortTakenError) return this.#startOn(0);
        throw cause;
      });
      own.directory.announce({ url: own.url, pid: process.pid, passing: true });
      return { server: own.url, key: cliKey(own.keys, own.directory.path, DEFAULT_TENANT) };
    } catch (cause) {
      if (cause instanceof DataDirectoryTakenError) return this.#announced(cause.server);
      throw cause;
    }
  }

  /** Undefined when the server is just starting or ending: a later call finds out. */
  #announced(note: ServerNote | undefined): Client | undefined {
    if (!note) return undefined;
    this.#staying ||= note.passing !== true;
    return withCliKey(this.#settings.data, note, DEFAULT_TENANT);
  }

  #startOn(port: number): Promise<RunningServer> {
    // Without the configured syncs: it must not start one.
    return startServer({
      ...this.#settings,
      ...ON_THIS_MACHINE,
      port,
      syncs: [],
      clock: this.#clock,
      onUpgrade: this.#onFault, // the program waits for it
    });
  }
}

function endpointOf({ server, key, fingerprint }: Client): Endpoint {
  const asking = (url: string, asked: Asked) => fetchFrom(url, asked, fingerprint);
  return { server, key, fetch: asking, clock: systemClock };
}
