/** How the event log refuses, and how it fails. */
import type { JobKey } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";

/** The tenant has as many jobs on their way as it may have; nothing was created. */
export class TooManyJobsError extends Error {
  override readonly name = "TooManyJobsError";

  constructor(openMax: number) {
    super(
      `Cannot create a job: this tenant has as many on their way as it may have, which is ${openMax}`,
    );
  }
}

/** There is no job of that identity. */
export class UnknownJobError extends Error {
  override readonly name = "UnknownJobError";
}

/** The job cannot be read, only removed. */
export class DamagedJobError extends Error {
  override readonly name = "DamagedJobError";
  readonly key: JobKey;

  constructor(key: JobKey, options?: ErrorOptions) {
    super(`Cannot read job "${key.id}": its row in the log is damaged`, options);
    this.key = key;
  }
}

/** The job has its terminal entry: nothing can follow. */
export class JobEndedError extends Error {
  override readonly name = "JobEndedError";
  readonly job: Job;

  constructor(job: Job) {
    super(`Cannot append to job "${job.id}": it has ended as ${job.status}`);
    this.job = job;
  }
}

/** There is no room to write to. */
export class StorageFullError extends Error {
  override readonly name = "StorageFullError";

  constructor(options?: ErrorOptions) {
    super("Cannot write to the event log: there is no room left where it is stored", options);
  }
}

/** What the log is stored on has failed: nothing of the append is kept. */
export class StorageFaultError extends Error {
  override readonly name = "StorageFaultError";

  /** @param cause what the store said */
  constructor(cause: Error) {
    super(`Cannot write to the event log: ${cause.message}`, { cause });
  }
}

/** The log is closed: its server is stopping. */
export class LogClosedError extends Error {
  override readonly name = "LogClosedError";

  constructor() {
    super("Cannot write to the event log: it is closed");
  }
}

/** Whether the store is at fault, so that the same append may succeed later. */
export function isUnstored(cause: unknown): boolean {
  return cause instanceof StorageFullError || cause instanceof StorageFaultError;
}

/** A list cursor that no list of this log gave. */
export class CursorError extends Error {
  override readonly name = "CursorError";
}

/** Of a backup or a restore: there is no log there, or a file cannot be read or written. */
export class BackupError extends Error {
  override readonly name = "BackupError";
}
