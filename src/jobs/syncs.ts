/** The syncs that are configured now. Callers can run no others. */
import type { EventLog } from "../log/event_log.ts";
import { CursorError } from "../log/log_errors.ts";
import { commandStopMs } from "../sources/command_stop.ts";
import type { FileSystem } from "../sources/file_system.ts";
import type { JobSource } from "../sources/source.ts";
import { deriveSyncId, parseSyncId, type SyncId, type TenantId } from "../sync/ids.ts";
import type { SyncRef } from "../sync/job.ts";
import type { Runnable } from "./dispatcher.ts";
import type { ConfiguredSync } from "./sync_config.ts";

/**
 * The sync of that id or name: a configured one, else one that workers have named. A sync that was
 * configured with an id of its own keeps it when it is configured no more; one that is configured
 * under another name now is known by that.
 */
export async function knownSync(
  syncs: Syncs,
  log: Pick<EventLog, "registeredSyncs">,
  tenant: TenantId,
  idOrName: string,
): Promise<SyncRef | undefined> {
  const configured = syncs.find(tenant, idOrName);
  if (configured) return configured;
  const [usual] = await log.registeredSyncs(tenant, { id: usualSyncId(tenant, idOrName) });
  if (usual) return usual;
  const namesakes = await log.registeredSyncs(tenant, { name: idOrName });
  return namesakes.find(({ id }) => !syncs.find(tenant, id));
}

/** A sync, with its configuration where it has one. */
export interface ListedSync extends SyncRef {
  readonly configured?: ConfiguredSync;
  /** Where a list goes on behind it. */
  readonly cursor?: string;
}

/** Names that are read from the log at a time. */
const NAMES = 200;

/**
 * The syncs of a tenant: those that are configured, in that order, then those that workers alone
 * have named, by name.
 *
 * @param cursor of the sync behind which the list goes on
 * @throws {CursorError} where there is no such sync (any more), or others are configured by now:
 * one that has changed its place would be left out, or be there twice
 */
export async function* listedSyncs(
  syncs: Syncs,
  log: Pick<EventLog, "registeredSyncs">,
  tenant: TenantId,
  cursor?: string,
): AsyncGenerator<ListedSync, void, void> {
  const configured = syncs.of(tenant);
  const ids = new Set(configured.map(({ id }) => id));
  const mark = deriveSyncId(tenant, [...ids].join()).slice(0, 8); // of what is configured, in order
  const [, kind, text = "", marked] = /^(configured|named)\.(.+)\.(.+)$/.exec(cursor ?? "") ?? [];
  const id = parseSyncId(text);
  const at = configured.findIndex((sync) => sync.id === id);
  let after: SyncRef | undefined;
  if (kind === "named" && id) [after] = await log.registeredSyncs(tenant, { id });
  const found = after !== undefined || (kind === "configured" && at >= 0);
  if (cursor !== undefined && !(found && marked === mark)) {
    throw new CursorError(
      `Cannot list syncs from cursor "${cursor}": no list gave it, syncs were configured anew ` +
        "since, or its sync is gone; begin without a cursor",
    );
  }
  if (!after) {
    for (const sync of configured.slice(at + 1)) {
      const { id, name } = sync;
      yield { id, name, configured: sync, cursor: `configured.${id}.${mark}` };
    }
  }
  for (;;) {
    const named = await log.registeredSyncs(tenant, { after, limit: NAMES });
    for (const { id, name } of named) {
      if (!ids.has(id)) yield { id, name, cursor: `named.${id}.${mark}` };
    }
    if (named.length < NAMES) return;
    after = named.at(-1);
  }
}

/** The id of a sync of which nothing is known but its id or name. */
export function usualSyncId(tenant: TenantId, idOrName: string): SyncId {
  return parseSyncId(idOrName) ?? deriveSyncId(tenant, idOrName);
}

/** Finds syncs by id or name, within a tenant. */
export class Syncs {
  readonly #excluded: readonly string[];
  readonly #files: () => Promise<FileSystem>;
  #all: readonly ConfiguredSync[] = [];
  /** Syncs with a run on its way: it goes on writing after the configuration has changed. */
  readonly #running = new Set<ConfiguredSync>();

  /**
   * @param excluded paths that no source may enter: our own data directory
   * @param files loaded when a sync runs here, as a server may never run one
   */
  constructor(
    syncs: readonly ConfiguredSync[],
    excluded: readonly string[],
    files: () => Promise<FileSystem> = async () =>
      (await import("../sources/file_system.ts")).fileSystem,
  ) {
    this.#excluded = excluded;
    this.#files = files;
    this.#all = syncs;
  }

  /** Replaces the syncs; running jobs go on as they were started. */
  replace(syncs: readonly ConfiguredSync[]): void {
    this.#all = syncs;
  }

  /**
   * Loads what runs the syncs, where there are such. Later there may be files of another version in
   * its place, which do not fit: people pull a clone while a server runs from it.
   */
  async load(): Promise<void> {
    const runs = ({ source: { type } }: ConfiguredSync) =>
      type === "directory" || type === "command";
    if (!this.#all.some(runs)) return;
    await Promise.all([import("./configured_sources.ts"), this.#files()]);
  }

  /** The syncs of all tenants. */
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

  /** What the dispatcher runs; undefined when workers do the work. */
  runnable(sync: ConfiguredSync): Runnable | undefined {
    const { id, name, tenant, progressIntervalMs } = sync;
    const source = this.#source(sync);
    return source && { id, name, tenant, progressIntervalMs, source };
  }

  #source(sync: ConfiguredSync): (() => JobSource) | undefined {
    const { source, destination, tenant, name } = sync;
    const origin = `${tenant}/${name}`;
    const around = async () => {
      const files = await this.#files();
      return { excluded: this.#excluded, all: [...this.#all, ...this.#running], files };
    };
    switch (source.type) {
      case "directory":
        if (destination?.type !== "sqlite") return undefined;
        return () =>
          this.#late(sync, async () => {
            const { directoryOf, requireOwnFiles } = await import("./configured_sources.ts");
            const near = await around();
            requireOwnFiles(destination, origin, near);
            return directoryOf(source, destination, near);
          });
      case "command":
        return () =>
          this.#late(sync, async () => {
            const { commandOf, requireOwnFiles } = await import("./configured_sources.ts");
            if (destination) requireOwnFiles(destination, origin, await around());
            return commandOf(source, destination, origin);
          }, commandStopMs(source.stopGraceMs));
      case "redis_pubsub":
      case "outside":
        return undefined;
      default:
        source satisfies never;
    }
  }

  /** A source whose modules are loaded when it runs: a start is quicker without them. */
  #late(sync: ConfiguredSync, load: () => Promise<JobSource>, stopMs?: number): JobSource {
    const running = this.#running;
    return {
      stopMs,
      async *run(run) {
        const source = await load();
        running.add(sync);
        try {
          yield* source.run(run);
        } finally {
          running.delete(sync);
        }
      },
    };
  }
}
