/** A server as a process that dies and comes back, under one address all the time. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FaultDisk } from "./fault_disk.ts";
import { CuttingProxy } from "./cutting_proxy.ts";
import { type Cleanup, type RunningProgram, startProgram } from "./program.ts";
import type { Random } from "./seed.ts";
import { tempDirectory } from "./temp.ts";

export interface MortalServer {
  /** Of the proxy before it. */
  readonly url: string;
  readonly data: string;
  readonly key: string;
  readonly proxy: CuttingProxy;
  /** The process of now. */
  readonly process: () => RunningProgram;
  /** Starts it where it is not running. */
  start(): Promise<void>;
  /** Starts it and kills it so many milliseconds later, wherever it is by then. */
  startAndKill(afterMs: number): Promise<void>;
  /** A request with the key. @returns the JSON of the answer */
  // deno-lint-ignore no-explicit-any -- tests look into answers freely
  ask(path: string, method?: string): Promise<any>;
}

/** Has one sync, `slow`, which runs until it is stopped. */
export async function mortalServer(
  t: Cleanup,
  random: Random,
  flags: readonly string[] = [],
  disk?: FaultDisk,
): Promise<MortalServer> {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const data = disk?.data ?? join(path, "data");
  const config = join(path, "synctail.json");
  mkdirSync(join(path, "tree"));
  for (let n = 0; n < 200; n++) writeFileSync(join(path, "tree", `${n}.txt`), `${n}`);
  writeFileSync(
    config,
    JSON.stringify({
      syncs: [{
        name: "slow",
        source: { type: "directory", path: "tree", max_per_s: 2 },
        destination: { type: "sqlite", path: "slow.db" },
      }],
    }),
  );
  const options = { args: ["serve", "--config", config, ...flags], data, env: disk?.env };
  let running = await startProgram(t, options);
  const key = await running.firstKey();
  const portOf = ({ url }: RunningProgram) => Number(new URL(url).port);
  const proxy = await CuttingProxy.before(t, portOf(running), random);
  proxy.cutting = false;
  return {
    url: proxy.url,
    data,
    key,
    proxy,
    process: () => running,
    async start() {
      running = await startProgram(t, options);
      proxy.target = portOf(running);
    },
    async startAndKill(afterMs) {
      const args = [...options.args, "--port", "0", "--data", data];
      const child = startProgram.raw(t, { ...options, args });
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      await child.stop("SIGKILL");
    },
    async ask(path, method = "GET") {
      const headers = { Authorization: `Bearer ${key}` };
      return await (await fetch(proxy.url + path, { method, headers })).json();
    },
  };
}
