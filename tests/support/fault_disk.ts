/** A disk that fails when a test says so: a library that is preloaded into a server. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Cleanup } from "./program.ts";
import { tempDirectory } from "./temp.ts";

const SOURCE = new URL("fault_disk.c", import.meta.url).pathname;

export type Fault =
  | "eio"
  | "enospc"
  | "full"
  | "scant"
  | "reads"
  | "renames"
  | "taken"
  | "links"
  | "moves"
  | "readonly";

export interface FaultDisk {
  /** A data directory that faults are of. */
  readonly data: string;
  /** What a server on that disk is started with. */
  readonly env: Readonly<Record<string, string>>;
  /** From now on that goes wrong; nothing any more when left out. */
  set(fault?: Fault): void;
}

/** Needs gcc. */
export function faultDisk(t: Cleanup): FaultDisk {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const library = join(path, "fault_disk.so");
  const built = spawnSync("gcc", ["-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], {
    encoding: "utf8",
  });
  if (built.status !== 0) throw new Error(`Cannot build the fault library: ${built.stderr}`);
  const switched = join(path, "fault");
  const data = join(path, "data");
  mkdirSync(data);
  return {
    data,
    env: { LD_PRELOAD: library, FAULT_DISK: switched, FAULT_DISK_DIR: data },
    set(fault) {
      if (fault) writeFileSync(switched, fault);
      else rmSync(switched, { force: true });
    },
  };
}
