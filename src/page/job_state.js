// @ts-check
/** A job as its stream tells of it: how it stands, and since when it is silent. */
import { now } from "./time.js";
import { isEnded } from "./words.js";

/** @typedef {import("./wire.d.ts").Job} Job */
/** @typedef {import("./wire.d.ts").Frame} Frame */

/** Measures that a frame leaves out when they are no longer known. */
const MEASURES = /** @type {const} */ ([
  "total",
  "percent",
  "bytes_done",
  "bytes_total",
  "rate_per_s",
  "bytes_per_s",
  "eta_s",
  "phase",
  "current",
  "warnings",
  "paced",
]);

export class JobState {
  #stallAfterMs;
  #stalled;
  /** Whether the last heartbeat of this connection told of no stall. */
  #spoke = false;
  /** Until when it may have told of what is not shown here. */
  #spokeMs = 0;
  /** The newest entry that was heard of. */
  #seq;
  #heardMs;

  /**
   * @param {Job} job
   * @param {number} stallAfterMs
   */
  constructor(job, stallAfterMs) {
    this.job = job;
    this.#stallAfterMs = stallAfterMs;
    this.#stalled = job.stalled;
    this.#seq = job.seq;
    this.#heardMs = Date.parse(job.updated_at);
  }

  /** When its totals were told last, of which log lines are no news. */
  get toldMs() {
    return Date.parse(this.job.updated_at);
  }

  get stalled() {
    return this.#stalled && !isEnded(this.job.status);
  }

  /** When the stalled job was last heard of; undefined while it is not stalled. */
  get silentSinceMs() {
    return this.stalled ? Math.max(this.#heardMs, this.#spokeMs) : undefined;
  }

  connected() {
    this.#spoke = false;
  }

  /** @param {Frame} frame a heartbeat */
  beat(frame) {
    this.#stalled = frame.stalled === true;
    // Not stalled, or only just: lines that are not shown here may have come until then.
    if (!this.#stalled || this.#spoke) this.#spokeMs = now() - this.#stallAfterMs;
    this.#spoke = !this.#stalled;
  }

  /** @param {Frame} frame */
  progressed(frame) {
    const { is_complete, error } = frame;
    const at = frame.last_update_timestamp;
    const none = Object.fromEntries(MEASURES.map((measure) => [measure, undefined]));
    const over = is_complete !== undefined;
    const { job } = this;
    this.job = {
      ...job,
      ...none,
      ...frame,
      id: job.id,
      updated_at: at,
      started_at: job.started_at ?? (frame.status === "in_progress" ? at : null),
      ended_at: over ? job.ended_at ?? at : null,
      error: typeof error === "string" ? job.error ?? { message: error } : job.error,
    };
    this.heard(frame, Date.parse(at));
  }

  /** @param {Frame} frame of an entry @param {number} atMs */
  heard(frame, atMs) {
    this.#heardMs = Math.max(this.#heardMs, Math.min(atMs, now())); // a worker's clock may be ahead
    if (frame.seq <= this.#seq) return; // the stream begins with what is known
    this.#seq = frame.seq;
    this.#stalled = false;
  }

  /** Its error, which comes just before its end. @param {import("./wire.d.ts").JobError} error */
  failed(error) {
    this.job = { ...this.job, error };
  }
}
