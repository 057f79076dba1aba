/** The spools of a machine: one file a job, and what becomes of those that were left behind. */
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { reasonOf } from "../reason.ts";
import type { Endpoint } from "./delivery.ts";
import { Spool, SpoolBrokenError } from "./spool.ts";
import type { SpooledJob } from "./spool_file.ts";
import { SpoolDelivery } from "./spool_delivery.ts";

const SUFFIX = ".job";
/** Bytes of all spools; above, the oldest that were left keep little more than their ends. */
const BYTES_MAX = 256 * 1024 * 1024;
/** Jobs that were left, of which the oldest go above that. */
const JOBS_MAX = 10_000;
/** A file in which there is nothing is somebody's who makes it, for as long, in milliseconds. */
const FRESH_MS = 60_000;
/** Failures in a row after which what was left stays for another time. */
const TRIES_MAX = 3;

/** How a job ends whose teller was killed: nobody knows how the program fared. */
const KILLED = JSON.stringify({
  type: "end",
  status: "failed",
  error: {
    code: "exec_killed",
    message: "synctail exec was killed while the program ran, so nobody knows how that ended.",
  },
});

export interface FlushOptions {
  /** As in SpooledJob. */
  readonly server: string | null;
  /** What was for this server goes to the one above too, and stays its own. */
  readonly from?: string;
  /** Only what this key was to tell; undefined for all of the server's. */
  readonly keyPrint?: string | null;
  readonly endpoint: (again: boolean) => Promise<Endpoint | undefined>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onFault: (message: string) => void;
}

/** How many jobs were told of to the end, and how many stay. */
export interface Flushed {
  readonly sent: number;
  readonly left: number;
  /** How many stay for others, by `server`. */
  readonly others: ReadonlyMap<string | null, number>;
  /** In words, why the server has not answered; undefined where it has, or there is none. */
  readonly reason: string | undefined;
}

/** One file a job; what a process that is gone has left is told by whoever comes next. */
export class SpoolDirectory {
  readonly path: string;
  readonly #onFault: (message: string) => void;

  /** Makes it where it is missing, for its owner alone. @throws {Error} when that cannot be */
  constructor(path: string, onFault: (message: string) => void) {
    this.path = path;
    this.#onFault = onFault;
    mkdirSync(path, { recursive: true, mode: 0o700 });
  }

  /** A spool of its own for a job. @throws {Error} when the disk does not take it */
  create(job: SpooledJob, nowMs: number): Spool {
    this.#tidy();
    // Sorted by name they are sorted by age.
    return Spool.create(
      join(this.path, `${String(nowMs).padStart(14, "0")}-${job.id}${SUFFIX}`),
      job,
    );
  }

  /** Tells the server of the jobs whose process has left them, oldest first. Never rejects. */
  async flush(options: FlushOptions): Promise<Flushed> {
    const { server, from, keyPrint, signal, onFault } = options;
    let [sent, left] = [0, 0];
    const others = new Map<string | null, number>();
    let reachable = true;
    let reason: string | undefined;
    for (const path of this.#files()) {
      if (signal.aborted) break;
      const spool = this.#opened(path);
      if (!spool) continue;
      const { job } = spool;
      const wanted = job.server === server || (from !== undefined && job.server === from);
      if (!wanted || (keyPrint !== undefined && job.keyPrint !== keyPrint)) {
        others.set(job.server, (others.get(job.server) ?? 0) + 1);
        spool.close();
        continue;
      }
      if (!this.#is(spool, server) || !reachable || !this.#ended(spool)) {
        left++;
        spool.close();
        continue;
      }
      const delivery = new SpoolDelivery({ ...options, spool, onFault, triesMax: TRIES_MAX });
      const told = await delivery.run(signal);
      if (told === "delivered") sent++;
      if (told !== "left") continue;
      left++;
      reachable = false;
      reason = delivery.reason;
      spool.close();
    }
    return { sent, left, others, reason };
  }

  /** Whether it is the server's, as it is made to be; the disk may take no change, which is told. */
  #is(spool: Spool, server: string | null): boolean {
    try {
      if (spool.job.server !== server) spool.moveTo(server);
      return true;
    } catch (cause) {
      this.#onFault(`Cannot change whose the spool "${spool.path}" is: ${reasonOf(cause)}`);
      return false;
    }
  }

  /** Whether it has an end, ours where its process was killed; the disk may take none, which is told. */
  #ended(spool: Spool): boolean {
    try {
      if (!spool.ended) spool.append("end", KILLED);
      return true;
    } catch (cause) {
      this.#onFault(`Cannot end the spool "${spool.path}": ${reasonOf(cause)}`);
      return false;
    }
  }

  #files(): string[] {
    return readdirSync(this.path).filter((name) => name.endsWith(SUFFIX)).sort()
      .map((name) => join(this.path, name));
  }

  /** Undefined for one that somebody has, that is over, or that is broken. */
  #opened(path: string): Spool | undefined {
    try {
      const spool = Spool.open(path);
      if (spool === "busy") return undefined;
      if (spool !== "empty") return spool;
      // Its process makes it just now, or was killed while it did, or at the end.
      if (untouchedFor(path, FRESH_MS)) rmSync(path, { force: true });
      return undefined;
    } catch (cause) {
      if (!(cause instanceof SpoolBrokenError)) throw cause;
      this.#onFault(`${cause.message}; it is kept as ${path}.broken`);
      renameSync(path, `${path}.broken`);
      return undefined;
    }
  }

  /** Keeps what was left within its limits, oldest first. */
  #tidy(): void {
    const files = this.#files();
    let gone = 0;
    for (const path of files.slice(0, Math.max(0, files.length - JOBS_MAX))) {
      const spool = this.#opened(path);
      if (!spool) continue;
      spool.remove();
      gone++;
    }
    if (gone > 0) this.#onFault(`${gone} jobs that no server could be told of are forgotten`);
    let bytes = files.reduce((sum, path) => sum + sizeOf(path), 0);
    for (const path of files) {
      if (bytes <= BYTES_MAX) return;
      const before = sizeOf(path);
      const spool = this.#opened(path);
      if (!spool) continue;
      spool.shrink();
      spool.close();
      bytes -= before - sizeOf(path);
    }
  }
}

function sizeOf(path: string): number {
  return [path, `${path}-wal`].reduce(
    (sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

function untouchedFor(path: string, ms: number): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs > ms;
}
