/** How far telling of a job has come, as a spool keeps it. */

export interface SpoolRow {
  /** 1 when the server knows the job. */
  readonly created: number;
  /** The Producer-Seq of the request that is being sent or comes next. */
  readonly number: number;
  /** The last event of the request that is being sent; undefined when none is. */
  readonly sending: number | undefined;
  /** What had no room and was not told of yet. */
  readonly linesDropped: number;
  readonly progressDropped: number;
  /** 1 when nothing is left to tell. */
  readonly over: number;
}

/** What went for want of room, in words; undefined for nothing. */
export function droppedWords(lines: number, progress: number): string | undefined {
  const parts = [
    lines === 0 ? [] : lines === 1 ? "1 log line" : `${lines} log lines`,
    progress === 0 ? [] : progress === 1 ? "1 progress update" : `${progress} progress updates`,
  ].flat();
  if (parts.length === 0) return undefined;
  return `${parts.join(" and ")} left out: the server could not be told of them in time`;
}
