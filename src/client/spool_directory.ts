/** The spools of a machine, and how those of ended processes are sent. */
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { turn } from "../event_loop.ts";
import { reasonOf } from "../reason.ts";
import type { Endpoint } from "./delivery.ts";
import { Spool, SpoolBrokenError } from "./spool.ts";
import type { SpooledJob } from "./spool_file.ts";
import { SpoolDelivery } from "./spool_delivery.ts";

const SUFFIX = ".job";
/** Limit of all spools, in bytes. Above it the oldest of ended processes keep little but ends. */
const BYTES_MAX = 256 * 1024 * 1024;
/** Limit of spools. Above it the oldest of ended processes are deleted. */
const JOBS_MAX = 10_000;
/** How long an empty file may be one that its process is just filling, in milliseconds. */
const FRESH_MS = 60_000;
/** Failures in a row after which a spool is left for another time. */
const TRIES_MAX = 3;

/** The end of a job whose `exec` was killed: how its program ended is not known. */
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
  /** Spools of this server are sent to `server` too, and become its own. */
  readonly from?: string;
  /** Digest of the key that is used; null for none. */
  readonly keyPrint: string | null;
  /** Whether spools of other keys are sent too. */
  readonly everyKey?: boolean;
  readonly endpoint: (again: boolean) => Promise<Endpoint | undefined>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onFault: (message: string) => void;
}

/** How many jobs were sent to their end, and how many stay. */
export interface Flushed {
  readonly sent: number;
  readonly left: number;
  /** How many stay for other servers or keys, by `server`. */
  readonly others: ReadonlyMap<string | null, number>;
  /** Why the last request has failed, in words; undefined when none has. */
  readonly reason: string | undefined;
}

/** One file a job. The spool of a process that is gone is sent by the next one. */
export class SpoolDirectory {
  readonly path: string;
  readonly #onFault: (message: string) => void;

  /**
   * Makes the directory when it is missing, for its owner alone.
   *
   * @throws {Error} when that fails
   */
  constructor(path: string, onFault: (message: string) => void) {
    this.path = path;
    this.#onFault = onFault;
    mkdirSync(path, { recursive: true, mode: 0o700 });
  }

  /** Creates the spool of a job. @throws {Error} when the disk does not take it */
  create(job: SpooledJob, nowMs: number): Spool {
    this.#tidy();
    // Sorted by name they are sorted by age.
    return Spool.create(
      join(this.path, `${String(nowMs).padStart(14, "0")}-${job.id}${SUFFIX}`),
      job,
    );
  }

  /**
   * Sends the spools whose process is gone, oldest first.
   *
   * @throws {Error} when the directory cannot be read, or a broken spool not renamed
   */
  async flush(options: FlushOptions): Promise<Flushed> {
    const { server, from, keyPrint, everyKey = false, signal, onFault } = options;
    let [sent, left] = [0, 0];
    const others = new Map<string | null, number>();
    let reachable = true;
    let reason: string | undefined;
    for (const path of this.#files()) {
      await turn(); // there may be thousands, of others too, and to open one takes 3 ms
      if (signal.aborted) break;
      const spool = this.#opened(path);
      if (!spool) continue;
      const { job } = spool;
      const wanted = job.server === server || (from !== undefined && job.server === from);
      const foreign = job.keyPrint !== keyPrint;
      if (!wanted || (foreign && !everyKey)) {
        others.set(job.server, (others.get(job.server) ?? 0) + 1);
        spool.close();
        continue;
      }
      if (!this.#is(spool, server) || !reachable || !this.#ended(spool)) {
        left++;
        spool.close();
        continue;
      }
      const delivery = new SpoolDelivery({
        ...options,
        spool,
        foreign,
        onFault,
        triesMax: TRIES_MAX,
      });
      const told = await delivery.run(signal);
      if (told === "delivered") sent++;
      if (told === "delivered" || told === "refused") continue;
      left++;
      if (told === "left") reachable = delivery.gated; // then the next one tells whether it is
      reason = delivery.reason;
      spool.close();
    }
    return { sent, left, others, reason };
  }

  /** Makes the spool the server's own. False, and reported, when the disk does not take that. */
  #is(spool: Spool, server: string | null): boolean {
    try {
      if (spool.job.server !== server) spool.moveTo(server);
      return true;
    } catch (cause) {
      this.#onFault(`Cannot change whose the spool "${spool.path}" is: ${reasonOf(cause)}`);
      return false;
    }
  }

  /** Gives the spool an end if it has none. False, and reported, if the disk does not take that. */
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

  /** Takes over a spool; undefined when another process has it, it is empty or it is broken. */
  #opened(path: string): Spool | undefined {
    try {
      const spool = Spool.open(path);
      if (spool === "busy") return undefined;
      if (spool !== "empty") return spool;
      // Its process is filling it, or was killed while it filled or removed it.
      if (untouchedFor(path, FRESH_MS)) rmSync(path, { force: true });
      return undefined;
    } catch (cause) {
      if (!(cause instanceof SpoolBrokenError)) throw cause;
      this.#onFault(`${cause.message}; it is kept as ${path}.broken`);
      renameSync(path, `${path}.broken`);
      return undefined;
    }
  }

  /** Keeps the spools of ended processes within the limits. The oldest go first. */
  #tidy(): void {
    const files = this.#files();
    let gone = 0;
    for (const path of files.slice(0, Math.max(0, files.length - JOBS_MAX))) {
      const spool = this.#opened(path);
      if (!spool) continue;
      spool.remove();
      gone++;
    }
    if (gone > 0) {
      const jobs = gone === 1 ? "1 job is" : `${gone} jobs are`;
      this.#onFault(`${jobs} forgotten that no server could be told of`);
    }
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
