/** The parts of the API's answers and the streams' frames that the page shows. */

export type Status =
  | "pending"
  | "in_progress"
  | "cancelling"
  | "completed"
  | "failed"
  | "cancelled";

export interface JobError {
  readonly code?: string;
  readonly message: string;
}

/** What a job and a progress frame have in common; what is not known is absent. */
export interface Totals {
  readonly status: Status;
  readonly entities_inserted: number;
  readonly entities_updated: number;
  readonly entities_deleted: number;
  readonly entities_kept: number;
  readonly entities_skipped: number;
  readonly entities_encountered: Readonly<Record<string, number>>;
  readonly total?: number;
  readonly percent?: number;
  readonly bytes_done?: number;
  readonly bytes_total?: number;
  readonly rate_per_s?: number;
  readonly bytes_per_s?: number;
  readonly eta_s?: number;
  readonly phase?: string;
  readonly current?: string;
  readonly warnings?: number;
  readonly paced?: true;
}

export interface Job extends Totals {
  readonly id: string;
  readonly sync_id: string | null;
  readonly sync: string | null;
  readonly name: string | null;
  readonly seq: number;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, unknown>>;
  readonly retry_of: string | null;
  readonly attempt: number;
  readonly origin: "source" | "worker";
  readonly stalled: boolean;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly updated_at: string;
  readonly ended_at: string | null;
  readonly error: JobError | null;
}

/** How fast a job was at a moment; what is not known is absent. */
export interface Moment {
  readonly time: string;
  readonly rate_per_s?: number;
}

/** A job in a list, from the stream of many jobs or from the API. */
export interface Listed extends Totals {
  readonly id: string;
  readonly sync_id: string | null;
  readonly sync: string | null;
  readonly name: string | null;
  readonly tags: readonly string[];
  readonly attempt: number;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly heard_at: string;
  /** When its totals were told; lines of its log may have come since. */
  readonly last_update_timestamp: string;
  readonly error: string | null;
}

export interface Sync {
  readonly id: string;
  readonly name: string;
  readonly source: string | null;
  readonly destination: string | null;
  readonly runnable: boolean;
  readonly last_job: Job | null;
  readonly schedule: string | null;
  readonly next_run_at: string | null;
  readonly last_success_at: string | null;
  readonly overdue: boolean;
  readonly expected_at: string | null;
}

export interface List<Item> {
  readonly items: readonly Item[];
  readonly next_cursor: string | null;
}

export interface Session {
  readonly tenant: string;
  readonly scopes: readonly string[];
  readonly stall_after_s: number;
}

export interface LogLine {
  readonly seq: number;
  readonly time: string;
  readonly level: "debug" | "info" | "warning" | "error" | "gap";
  readonly message: string;
  readonly source?: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** A frame of a stream. */
export interface Frame {
  readonly type: string;
  // deno-lint-ignore no-explicit-any -- each type has its own keys
  readonly [key: string]: any;
}
