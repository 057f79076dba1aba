/** A whole server in this process, on a free port. */
import { join } from "node:path";
import { systemClock } from "../../src/clock.ts";
import { resolveSettings } from "../../src/cli/resolve_settings.ts";
import { type RunningServer, type ServerOptions, startServer } from "../../src/cli/server.ts";
import { configuredSyncs, SYNC_SCHEMA } from "../../src/jobs/sync_config.ts";
import type { Scope } from "../../src/auth/scopes.ts";
import type { TenantId } from "../../src/sync/ids.ts";
import type { Cleanup } from "./program.ts";
import { tempDirectory } from "./temp.ts";
import { TENANT } from "./log_contract.ts";
import { mkdirSync, writeFileSync } from "node:fs";

export interface TestServer extends RunningServer {
  readonly temp: string;
  /** A key of these scopes, all of the default tenant's when left out. */
  key(scopes?: Scope[], tenant?: string): string;
  /**
   * Stops it and starts it again on the same port and data. One that the system gave may be
   * somebody's connection by then: such a server is given a `freePort()`.
   */
  restart(): Promise<void>;
  /** A request with a key of all scopes, unless `headers` say otherwise. */
  ask(path: string, init?: RequestInit): Promise<Response>;
}

/** Files of `slow`, which takes one a second: no test may last as long. */
const SLOW_FILES = 100;

/**
 * Has two syncs: `docs` of three small files, and `slow`, which runs until it is stopped. A job is
 * not shown as stalled, however slow the machine is.
 */
export async function testServer(
  t: Cleanup,
  options: Partial<ServerOptions> = {},
): Promise<TestServer> {
  const { path: temp, remove } = tempDirectory();
  const slow = Array.from({ length: SLOW_FILES }, (_, n) => `${n}.txt`);
  for (const [tree, names] of [["tree", ["a.txt", "b.txt", "c.md"]], ["slow", slow]] as const) {
    mkdirSync(join(temp, tree));
    for (const name of names) writeFileSync(join(temp, tree, name), name);
  }
  const sync = (name: string, source: object) =>
    SYNC_SCHEMA.parse({
      name,
      source: { type: "directory", ...source },
      destination: { type: "sqlite", path: `${name}.db` },
    });
  const settings: ServerOptions = {
    ...resolveSettings({ flags: {}, env: {}, file: {} }).settings,
    data: join(temp, "data"),
    port: 0,
    tenantEventsPerS: 0,
    writeTimeoutMs: 0,
    stopGraceMs: 0,
    stallAfterMs: 86_400_000,
    syncs: configuredSyncs([
      sync("docs", { path: "tree" }),
      sync("slow", { path: "slow", max_per_s: 1 }),
    ], temp).syncs,
    clock: systemClock,
    ...options,
  };
  let server = await startServer(settings);
  let stopped: Promise<void> | undefined;
  const stop = () => stopped ??= server.stop();
  t.after(async () => {
    await stop();
    remove();
  });
  const key = (scopes: Scope[] = ["read", "run", "write"], tenant: string = TENANT) =>
    server.keys.create({ tenant: tenant as TenantId, scopes }).key;
  const all = key();
  return {
    ...server,
    stop,
    async restart() {
      const { port } = server;
      await server.stop();
      server = await startServer({ ...settings, port });
    },
    temp,
    key,
    ask: (path, init = {}) =>
      fetch(server.url + path, { headers: { Authorization: `Bearer ${all}` }, ...init }),
  };
}
