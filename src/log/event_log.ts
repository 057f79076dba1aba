/** The append-only log of every job: what is committed here is the truth, and nothing else is. */
import {
  type Entry,
  type Fact,
  levelAtLeast,
  type LogLevel,
  type ProgressEntry,
  type Seq,
} from "../sync/entry.ts";
import type { Epoch, JobKey, SyncId, TenantId } from "../sync/ids.ts";
import type { Job, LateEnd, NewJob, SyncRef } from "../sync/job.ts";
import type { Producer } from "../sync/producer.ts";
import type { Progress } from "../sync/progress.ts";
import type { Status } from "../sync/status.ts";
import { CursorError } from "./log_errors.ts";

/** What an append changes: the facts in order, and the job's lease when it is renewed. */
export interface Change {
  readonly facts: readonly Fact[];
  /** A new end of the lease, in milliseconds since 1970; left out to leave it. */
  readonly leaseUntilMs?: number | null;
  /** The new state of the producer that posts. */
  readonly producer?: Producer;
  /** An end that came after the job was given up. */
  readonly lateEnd?: LateEnd;
}

/**
 * Decides, on the job as it stands at the moment of the append, what to write.
 *
 * It is called inside the log's own transaction, so that no other append comes between; it may be
 * called more than once, so it changes nothing itself. What it throws refuses the append and
 * reaches the caller unchanged.
 */
export type Decide = (job: Job, producerOf: ProducerOf) => Change;

/** The job's producer of that name; undefined when it has not posted yet. */
export type ProducerOf = (id: string) => Producer | undefined;

/** How something is appended. */
export interface AppendOptions {
  /** May use the room that is kept for a full disk: for ends and what leads to them. */
  readonly urgent?: boolean;
  /** The id of the request behind it, for the server's own log. */
  readonly requestId?: string;
}

/** What an append did. `firstSeq` is above `lastSeq` when nothing was written. */
export interface Appended {
  readonly job: Job;
  readonly firstSeq: Seq;
  readonly lastSeq: Seq;
  /** The change's producer; undefined when it has none. */
  readonly producer: Producer | undefined;
}

/** Which entries to read. */
export interface ReadQuery {
  /** Entries after this position. */
  readonly after: Seq;
  /** At most so many entries, 1 to READ_LIMIT_MAX; fewer when they hold over READ_BYTES_MAX. */
  readonly limit: number;
  /** Log lines of at least this level are read; without it none are. */
  readonly logs?: LogLevel;
  /** Leaves out progress entries below this seq that change no status: superseded ones. */
  readonly mergeBelow?: Seq;
  /** Leaves out progress altogether. */
  readonly only?: "logs";
}

/** A stretch of a job's log. */
export interface Page {
  readonly entries: readonly Entry[];
  /** The reader now holds all it asked for up to here: the last entry's seq, or the log's end. */
  readonly through: Seq;
  /** Whether there may be more after it. */
  readonly more: boolean;
  /** The job at the moment of the read; it tells the log's epoch and what retention has removed. */
  readonly job: Job;
}

/** What creating a job came to. */
export type Created =
  | { readonly outcome: "created"; readonly job: Job }
  /** The id is taken by this job of the same tenant. */
  | { readonly outcome: "exists"; readonly job: Job }
  /** `oneActive` was asked for and this job of the same sync is not over. */
  | { readonly outcome: "busy"; readonly job: Job };

/** How a job is created. */
export interface CreateOptions {
  /** Only when no other job of the same sync is on its way. */
  readonly oneActive?: boolean;
  /** Only while fewer jobs of the tenant than this are on their way. */
  readonly openMax?: number;
  /** The totals that it starts with; nothing when left out. */
  readonly progress?: Progress;
  /** Gives the end of its lease, in milliseconds, when it is stored; the job's own when left out. */
  readonly leaseUntilMs?: () => number;
}

/** What retention may take away from a job. */
export interface TrimLimits {
  /** Most entries that stay, the newest ones. */
  readonly entriesMax: number;
  /** How many superseded progress entries stay at most, evenly spread; all when left out. */
  readonly progressMax?: number;
}

/** Which jobs are asked for. */
export interface JobFilter {
  readonly tenant: TenantId;
  /** Any of these; all when left out. */
  readonly statuses?: readonly Status[];
  readonly syncId?: SyncId;
}

/** Which jobs to list, newest first. */
export interface JobQuery extends JobFilter {
  /** 1 to LIST_LIMIT_MAX. */
  readonly limit: number;
  /** The `nextCursor` of the page before. */
  readonly cursor?: string;
}

export interface JobPage {
  readonly items: readonly Job[];
  /** Asks for the next page; null at the end. */
  readonly nextCursor: string | null;
}

/** Which registered syncs to read, in the order of their names. */
export interface SyncQuery {
  readonly id?: SyncId;
  readonly name?: string;
  /** Only those that come after this one. */
  readonly after?: SyncRef;
  /** At most so many; all when left out. */
  readonly limit?: number;
}

/** Jobs whose leases have run out. */
export interface LapsedPage {
  readonly items: readonly JobKey[];
  /** Where the next page starts; null at the end. */
  readonly next: number | null;
}

/** Which jobs `recent` looks for. */
export interface RecentQuery {
  /** Jobs that ended at this moment or later, in milliseconds since 1970. */
  readonly endedSinceMs: number;
  /** The `next` of the page before. */
  readonly after?: number;
}

/** What `recent` found among RECENT_STRETCH jobs; it may be nothing. */
export interface RecentPage {
  readonly items: readonly Job[];
  /** Where the next page starts; null at the end. */
  readonly next: number | null;
}

/** The owner, after a restore, of a job that a server was running when the backup was made. */
export const RESTORED = "restored";

/** Jobs that one page of `recent` looks at. */
export const RECENT_STRETCH = 5_000;

/** Most entries that one read may ask for. */
export const READ_LIMIT_MAX = 10_000;
/** A read stops behind the entry with which its bodies exceed this many characters. */
export const READ_BYTES_MAX = 256 * 1024;
/** Most jobs that one list may ask for. */
export const LIST_LIMIT_MAX = 200;

/** Which jobs retention looks at. */
export type PruneQuery =
  /** Jobs that ended before a moment, and not before another, as milliseconds since 1970, earliest first. */
  | { readonly endedBeforeMs: number; readonly endedSinceMs?: number }
  /** Jobs on their way that hold more entries than this, the fullest first. */
  | { readonly entriesAbove: number }
  /** Jobs that are over and were not trimmed since their end. */
  | { readonly untrimmed: true };

/** The store of jobs and their entries. Every promise resolves only once its change is committed. */
export interface EventLog {
  /**
   * Creates a job, once: a second call with the same tenant and id answers the first job. The
   * sync of a worker's job is registered with it.
   *
   * @throws {TooManyJobsError} with `openMax`
   */
  create(job: NewJob, options?: CreateOptions): Promise<Created>;
  /** @throws {DamagedJobError} as all that reads one job */
  get(key: JobKey): Promise<Job | undefined>;
  /**
   * Appends what `decide` says, all or nothing, in one commit.
   *
   * @throws {UnknownJobError} when there is no such job
   * @throws {JobEndedError} when facts are to follow a terminal entry
   * @throws {StorageFullError | StorageFaultError}
   * @throws what `decide` throws
   */
  append(key: JobKey, decide: Decide, options?: AppendOptions): Promise<Appended>;
  /** @throws {UnknownJobError} when there is no such job */
  read(key: JobKey, query: ReadQuery): Promise<Page>;
  /** Seq of the oldest entry still held; the next seq when none is. */
  firstSeq(key: JobKey): Promise<Seq>;
  /**
   * Newest first; a page may hold fewer than `limit`, at least one, though there are more.
   *
   * @throws {CursorError} when no list of this log can have given the cursor
   */
  list(query: JobQuery): Promise<JobPage>;
  /**
   * Jobs that are not over and whose lease ended before `nowMs`, at most 100, oldest first. A page
   * may hold none though there are more.
   *
   * @param after the `next` of the page before
   */
  lapsed(nowMs: number, after?: number): Promise<LapsedPage>;
  /** Jobs that are not over and are owned by a process other than `owner`, at most 100. */
  ownedByOthers(owner: string): Promise<readonly JobKey[]>;
  /**
   * Jobs of all tenants that are on their way or ended not long ago, in the order in which they
   * were created. A page is a stretch of bounded work, however many jobs there are.
   */
  recent(query: RecentQuery): Promise<RecentPage>;
  /** Syncs that workers' jobs have registered, in the order of their names, then of their ids. */
  registeredSyncs(tenant: TenantId, query?: SyncQuery): Promise<readonly SyncRef[]>;
  /** Forgets the registered syncs of which no job is left. */
  forgetSyncs(tenant: TenantId): Promise<void>;
  /** Position before the last `count` log lines up to `through` of at least this level. */
  beforeLastLogs(key: JobKey, level: LogLevel, count: number, through: Seq): Promise<Seq>;
  /** The newest progress behind `after` and up to `through` that changes no status. */
  newestProgress(key: JobKey, after: Seq, through: Seq): Promise<ProgressEntry | undefined>;
  /**
   * Removes superseded progress and, where that is not enough, the oldest log lines; never a
   * change of status, nor the newest progress. Does a bounded part of the work at a time.
   *
   * @returns whether there is more to do
   * @throws {UnknownJobError} when there is no such job
   */
  trim(key: JobKey, limits: TrimLimits): Promise<boolean>;
  /**
   * Removes the job and all that is known of it; false when there is none. What a full disk, or one
   * that fails, keeps from being removed now is removed by the next `collect`.
   *
   * @param epoch of the job that is meant: another that was created under its id since is left
   * @param onGone called once there is no such job, before its traces are removed
   */
  remove(key: JobKey, epoch?: Epoch, onGone?: () => void): Promise<boolean>;
  /** Finishes removals that were broken off: by a kill, or a full disk. */
  collect(): Promise<void>;
  /** Jobs for retention to look at, at most 100. */
  prunable(query: PruneQuery): Promise<readonly Job[]>;
  /** How many jobs there are in each status, of all tenants; none for a status without any. */
  counts(): Promise<ReadonlyMap<Status, number>>;
  /** Bytes that the log takes up, free room inside of it left out. */
  bytes(): Promise<number>;
  /** Commits what is waiting and closes; later calls throw. */
  close(): Promise<void>;
}

/** Whether the read asks for the entry, leaving aside where it starts. A `Ring` goes by the same. */
export function wanted(entry: Entry, query: ReadQuery): boolean {
  if (entry.kind === "log") {
    return query.logs !== undefined && levelAtLeast(entry.level, query.logs);
  }
  return query.only !== "logs" && (entry.changesStatus || entry.seq >= (query.mergeBelow ?? 0));
}

/** The row before which a list goes on from this cursor. @throws {CursorError} */
export function placeOf(cursor: string): number {
  if (!/^\d{1,15}$/.test(cursor)) {
    throw new CursorError(`Cannot list jobs from cursor "${cursor}": no list gave it`);
  }
  return Number(cursor);
}
