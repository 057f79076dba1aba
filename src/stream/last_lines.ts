/** The last log lines of a job, which a stream starts with. */
import type { EventLog } from "../log/event_log.ts";
import type { LogEntry, LogLevel } from "../sync/entry.ts";
import type { Job } from "../sync/job.ts";

/** Most characters of the lines together, as they are sent in one chunk. */
const LENGTH_MAX = 1024 * 1024;

/** The last `count` lines of at least that level, up to `job.seq`; fewer where they are long. */
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
