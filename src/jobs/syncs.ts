/** The syncs that are configured now. Callers can run these and nothing else. */
import { JsonlRecords } from "../destinations/jsonl_records.ts";
import { NoRecords } from "../destinations/no_records.ts";
import type { RecordDestination } from "../destinations/record_destination.ts";
import { SqliteIndex } from "../destinations/sqlite_index.ts";
import { SqliteRecords } from "../destinations/sqlite_records.ts";
import { commandSource } from "../sources/command.ts";
import { directorySource } from "../sources/directory.ts";
import { type FileSystem, fileSystem } from "../sources/file_system.ts";
import { formatOf } from "../sources/formats/formats.ts";
import type { JobSource } from "../sources/source.ts";
import { parseSyncId, type TenantId } from "../sync/ids.ts";
import type { Runnable } from "./dispatcher.ts";
import type { CommandSourceConfig } from "./command_config.ts";
import type { DestinationConfig, SqliteDestinationConfig } from "./destination_config.ts";
import type { ConfiguredSync, DirectorySourceConfig } from "./sync_config.ts";

/** Found by id or by name, each tenant its own. */
export class Syncs {
  readonly #excluded: readonly string[];
  readonly #files: FileSystem;
  #all: readonly ConfiguredSync[] = [];

  /** @param excluded paths that no source may enter: our own data directory */
  constructor(
    syncs: readonly ConfiguredSync[],
    excluded: readonly string[],
    files: FileSystem = fileSystem,
  ) {
    this.#excluded = excluded;
    this.#files = files;
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
    const { id, name, tenant, progressIntervalMs } = sync;
    const source = this.#source(sync);
    return source && { id, name, tenant, progressIntervalMs, source };
  }

  #source({ source, destination, tenant, name }: ConfiguredSync): (() => JobSource) | undefined {
    switch (source.type) {
      case "directory":
        if (destination?.type !== "sqlite") return undefined;
        return () => this.#directory(source, destination);
      case "command":
        return () => command(source, destination, `${tenant}/${name}`);
      case "redis_pubsub":
      case "outside":
        return undefined;
      default:
        source satisfies never;
    }
  }

  #directory(source: DirectorySourceConfig, destination: SqliteDestinationConfig) {
    return directorySource({
      path: source.path,
      maxPerS: source.maxPerS,
      maxFileBytes: source.maxFileBytes,
      destination: new SqliteIndex(destination.path),
      exclude: [...this.#excluded, ...this.#destinations()],
      files: this.#files,
    });
  }

  /**
   * The files of every destination. To open and close another sync's SQLite file would let go of
   * this process's locks on it (POSIX), and so lose what is being written there.
   */
  #destinations(): string[] {
    return this.#all.flatMap(({ source, destination }) => {
      if (!destination) return [];
      return source.type === "directory" && destination.type === "sqlite"
        ? new SqliteIndex(destination.path).paths
        : recordsOf(destination).paths;
    });
  }
}

function command(
  source: CommandSourceConfig,
  destination: DestinationConfig | null,
  origin: string,
): JobSource {
  const format = formatOf(source.format, { percent: source.percent });
  const records = destination && recordsOf(destination);
  return commandSource({
    ...source,
    format,
    destination: records ? { records, origin } : undefined,
  });
}

function recordsOf(destination: DestinationConfig): RecordDestination {
  switch (destination.type) {
    case "sqlite":
      return new SqliteRecords(destination.path);
    case "jsonl":
      return new JsonlRecords(destination.path);
    case "none":
      return new NoRecords();
  }
}
