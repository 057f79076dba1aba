/** The frames of a stream, ready to send. */
import type { FollowedJob } from "../hub/tail.ts";
import type { SseFrame } from "../sse/frame.ts";
import { frameBytes, SseEncoderStream } from "../sse/sse_encoder_stream.ts";
import type { Entry, JobError, LogEntry, Seq } from "../sync/entry.ts";
import type { JobId } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import { eventId, type Resume } from "./cursor.ts";
import {
  connectedPayload,
  errorPayload,
  lineText,
  listedText,
  progressText,
  type ProgressView,
} from "./payloads.ts";
import { spacedJson } from "../sync/json.ts";

const HEARTBEAT = { data: spacedJson({ type: "heartbeat" }) };

/** The frame that shows the connection alive; without an id, because it is no position. */
export const HEARTBEAT_BYTES: Uint8Array = frameBytes(HEARTBEAT);

/** The heartbeat of a job whose source has said nothing for long. */
export const STALLED_BYTES: Uint8Array = frameBytes({
  data: spacedJson({ type: "heartbeat", stalled: true }),
});

/** Viewers that are sent away come back spread over this many milliseconds times their number. */
const SPREAD_MS = 2;
/** The longest time that they are spread over, in milliseconds. */
const SPREAD_MS_MAX = 60_000;

/**
 * A heartbeat that also sets how long the client waits before it comes back: `retryMs` or more, at
 * random, so that `count` viewers that are sent away together come back apart.
 */
export function comeBackBytes(retryMs: number, count: number): Uint8Array {
  const spreadMs = Math.max(retryMs, Math.min(SPREAD_MS_MAX, count * SPREAD_MS));
  return frameBytes({ ...HEARTBEAT, retryMs: Math.round(retryMs + Math.random() * spreadMs) });
}

/** The error for viewers of a job that is deleted. */
export const DELETED: JobError = {
  code: "job_deleted",
  message: "The job was removed, with everything known of it.",
};

/** A fault of one connection; its job goes on. `id` is undefined on a stream of many jobs. */
export function faultBytes(id: JobId | undefined, error: JobError): Uint8Array {
  return frameBytes({ data: spacedJson(errorPayload(id, error)) });
}

/** The frame of a job on a stream of many; without an id, because it is no position. */
export function listedBytes(job: Job): Uint8Array {
  return frameBytes({ data: listedText(job) });
}

/** `connected`, with the client's retry, and the totals of now where they are asked for. */
export function openingBytes(
  job: Job,
  opening: {
    readonly resume: Resume;
    readonly snapshot: boolean;
    readonly requested: string | undefined;
    readonly firstSeq: Seq | undefined;
    /** Log lines that come before the totals of now. */
    readonly lines: readonly LogEntry[];
    readonly retryMs: number;
  },
): Uint8Array {
  const { resume, requested, firstSeq } = opening;
  const gap = resume === "gap" && requested !== undefined
    ? { requested, firstAvailable: firstSeq === undefined ? null : eventId(job.epoch, firstSeq) }
    : undefined;
  const frames: SseFrame[] = [{
    retryMs: opening.retryMs,
    data: spacedJson(connectedPayload(job.id, resume, gap)),
  }];
  for (const line of opening.lines) {
    const [frame] = entryFrames(job, line);
    // The totals of now follow with the newest id, and ids must only go up.
    frames.push(line.seq < job.seq ? frame : { data: frame.data });
  }
  if (opening.snapshot) {
    frames.push(...progressFrames(job, { ...job, atMs: job.updatedAtMs }));
  }
  return frameBytes(...frames);
}

/** Encodes a job's entries: the TransformStream of its tail. */
export function entryEncoder(job: FollowedJob): SseEncoderStream<Entry> {
  return new SseEncoderStream((entry) => entryFrames(job, entry));
}

/** The frames of one entry. */
export function entryFrames(job: FollowedJob, entry: Entry): SseFrame[] {
  if (entry.kind === "progress") return progressFrames(job, entry);
  return [{ data: lineText(job.id, entry), id: eventId(job.epoch, entry.seq) }];
}

/** A failed job's error comes just before its terminal frame, in the same chunk, without an id. */
function progressFrames(job: FollowedJob, view: ProgressView): SseFrame[] {
  const frame = {
    data: progressText(job, view),
    id: eventId(job.epoch, view.seq),
  };
  if (view.status !== "failed" || !view.error) return [frame];
  return [{ data: spacedJson(errorPayload(job.id, view.error)) }, frame];
}
