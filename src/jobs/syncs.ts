/** The syncs that are configured now. Callers can run these and nothing else. */
import { SqliteIndex } from "../destinations/sqlite_index.ts";
import { directorySource } from "../sources/directory.ts";
import { parseSyncId, type TenantId } from "../sync/ids.ts";
import type { Runnable } from "./dispatcher.ts";
import type {
  ConfiguredSync,
  DirectorySourceConfig,
  SqliteDestinationConfig,
} from "./sync_config.ts";

/** Found by id or by name, each tenant its own. */
export class Syncs {
  readonly #excluded: readonly string[];
  #all: readonly ConfiguredSync[] = [];

  /** @param excluded paths that no source may enter: our own data directory */
  constructor(syncs: readonly ConfiguredSync[], excluded: readonly string[]) {
    this.#excluded = excluded;
    this.#all = syncs;
  }

  /** Puts others in their place; jobs that run go on as they were started. */
  replace(syncs: readonly ConfiguredSync[]): void {
    this.#all = syncs;
  }

  /** Of every tenant. */
  get all(): readonly ConfiguredSync[] {
    return this.#all;
  }

  of(tenant: TenantId): readonly ConfiguredSync[] {
    return this.#all.filter((sync) => sync.tenant === tenant);
  }

  find(tenant: TenantId, idOrName: string): ConfiguredSync | undefined {
    const id = parseSyncId(idOrName);
    return this.of(tenant).find((sync) => sync.id === id || sync.name === idOrName);
  }

  /** What the dispatcher runs; undefined where the work is done elsewhere. */
  runnable(sync: ConfiguredSync): Runnable | undefined {
    const { id, name, tenant, progressIntervalMs, source, destination } = sync;
    if (source.type !== "directory" || !destination) return undefined;
    const made = () => this.#source(source, destination);
    return { id, name, tenant, progressIntervalMs, source: made };
  }

  #source(source: DirectorySourceConfig, destination: SqliteDestinationConfig) {
    return directorySource({
      path: source.path,
      maxPerS: source.maxPerS,
      maxFileBytes: source.maxFileBytes,
      destination: new SqliteIndex(destination.path),
      exclude: [...this.#excluded, ...this.#destinations()],
    });
  }

  /**
   * The files of every destination. To open and close another sync's SQLite file would let go of
   * this process's locks on it (POSIX), and so lose what is being written there.
   */
  #destinations(): string[] {
    return this.#all.flatMap(({ destination }) =>
      destination ? [...new SqliteIndex(destination.path).paths] : []
    );
  }
}
