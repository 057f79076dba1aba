/** The last log lines of a job, which a stream starts with. */
import type { EventLog } from "../log/event_log.ts";
import type { LogEntry, LogLevel } from "../sync/entry.ts";
import type { Job } from "../sync/job.ts";

/** They hold at most so many characters: they are one chunk. */
const LENGTH_MAX = 1024 * 1024;

/** At most `count` lines of at least that level, up to the job's end as it is given. */
export async function lastLines(
  log: EventLog,
  job: Job,
  level: LogLevel,
  count: number,
): Promise<LogEntry[]> {
  const lines: LogEntry[] = [];
  let length = 0;
  let after = await log.beforeLastLogs(job, level, count, job.seq);
  for (let more = true; more;) {
    const page = await log.read(job, { after, limit: count, logs: level, only: "logs" });
    for (const entry of page.entries) {
      if (entry.kind !== "log" || entry.seq > job.seq) continue;
      lines.push(entry);
      length += entry.text.length;
      while (length > LENGTH_MAX && lines.length > 1) {
        length -= lines.shift()?.text.length ?? 0;
      }
    }
    after = page.through;
    more = page.more && after < job.seq;
  }
  return lines.slice(-count);
}
