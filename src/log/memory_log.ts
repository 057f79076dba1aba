/** An EventLog that lives as long as the process: for tests, and for runs that keep nothing. */
import type { Clock } from "../clock.ts";
import { type Entry, levelAtLeast, type Seq } from "../sync/entry.ts";
import { type JobKey, type JobKeyText, keyText } from "../sync/ids.ts";
import { type Job, keyOf, type NewJob } from "../sync/job.ts";
import { isTerminal } from "../sync/status.ts";
import {
  type Appended,
  type Created,
  CursorError,
  type Decide,
  type EventLog,
  type JobPage,
  type JobQuery,
  type Page,
  type ReadQuery,
  UnknownJobError,
} from "./event_log.ts";
import { fold, freshJob } from "./fold.ts";

interface Kept {
  job: Job;
  readonly entries: Entry[];
}

/** Keeps everything in maps; the order of jobs is the order of their creation. */
export class MemoryLog implements EventLog {
  readonly #jobs = new Map<JobKeyText, Kept>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  // deno-lint-ignore require-await -- an EventLog is asynchronous whatever it stores in
  async create(job: NewJob, options: { readonly oneActive?: boolean } = {}): Promise<Created> {
    const known = this.#jobs.get(keyText(job));
    if (known) return { outcome: "exists", job: known.job };
    if (options.oneActive) {
      for (const { job: other } of this.#jobs.values()) {
        if (
          other.tenant === job.tenant && other.sync?.id === job.sync?.id &&
          !isTerminal(other.status)
        ) return { outcome: "busy", job: other };
      }
    }
    const kept: Kept = { job: freshJob(job), entries: [] };
    this.#jobs.set(keyText(job), kept);
    return { outcome: "created", job: kept.job };
  }

  get(key: JobKey): Promise<Job | undefined> {
    return Promise.resolve(this.#jobs.get(keyText(key))?.job);
  }

  // deno-lint-ignore require-await -- so that a refusal rejects instead of throwing
  async append(key: JobKey, decide: Decide): Promise<Appended> {
    const kept = this.#kept(key);
    const before = kept.job.seq;
    const { job, entries } = fold(kept.job, decide(kept.job), this.#clock.now());
    kept.job = job;
    kept.entries.push(...entries);
    return { job, firstSeq: before + 1, lastSeq: job.seq };
  }

  // deno-lint-ignore require-await -- so that an unknown job rejects instead of throwing
  async read(key: JobKey, query: ReadQuery): Promise<Page> {
    const { job, entries } = this.#kept(key);
    const found: Entry[] = [];
    for (let seq = query.after + 1; seq <= job.seq && found.length < query.limit; seq++) {
      const entry = entries[seq - 1];
      if (wanted(entry, query)) found.push(entry);
    }
    const full = found.length === query.limit;
    return { entries: found, through: full ? found[found.length - 1].seq : job.seq, more: full };
  }

  // deno-lint-ignore require-await -- so that an unknown job rejects instead of throwing
  async firstSeq(key: JobKey): Promise<Seq> {
    const { job } = this.#kept(key);
    return Math.min(job.seq, job.trimmedSeq) + 1;
  }

  // deno-lint-ignore require-await -- so that a wrong cursor rejects instead of throwing
  async list(query: JobQuery): Promise<JobPage> {
    const all = [...this.#jobs.values()].map((kept, place) => ({ job: kept.job, place }));
    const before = query.cursor === undefined ? Infinity : parsePlace(query.cursor);
    const found = all.reverse().filter(({ job, place }) =>
      place < before && job.tenant === query.tenant &&
      (query.status === undefined || job.status === query.status) &&
      (query.syncId === undefined || job.sync?.id === query.syncId)
    );
    const page = found.slice(0, query.limit);
    return {
      items: page.map(({ job }) => job),
      nextCursor: found.length > page.length ? `${page[page.length - 1].place}` : null,
    };
  }

  lapsed(nowMs: number): Promise<readonly JobKey[]> {
    return this.#active((job) => job.leaseUntilMs !== null && job.leaseUntilMs < nowMs);
  }

  ownedByOthers(owner: string): Promise<readonly JobKey[]> {
    return this.#active((job) => job.owner !== null && job.owner !== owner);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #active(test: (job: Job) => boolean): Promise<readonly JobKey[]> {
    const found = [...this.#jobs.values()].filter(({ job }) =>
      !isTerminal(job.status) && test(job)
    );
    return Promise.resolve(found.slice(0, 100).map(({ job }) => keyOf(job)));
  }

  #kept(key: JobKey): Kept {
    const kept = this.#jobs.get(keyText(key));
    if (!kept) throw new UnknownJobError(`There is no job "${key.id}"`);
    return kept;
  }
}

function wanted(entry: Entry, query: ReadQuery): boolean {
  if (entry.kind === "log") {
    return query.logs !== undefined && levelAtLeast(entry.level, query.logs);
  }
  return entry.changesStatus || entry.seq >= (query.mergeBelow ?? 0);
}

function parsePlace(cursor: string): number {
  if (!/^\d{1,15}$/.test(cursor)) {
    throw new CursorError(`Cannot list jobs from cursor "${cursor}": no list gave it`);
  }
  return Number(cursor);
}
