// @ts-check
/** The jobs of a list: those of the stream of many jobs, and older ones from the API. */
import { ask } from "./api.js";
import { matcher, NO_FILTER, statusesOf } from "./job_filter.js";
import { isEnded } from "./words.js";

/** @typedef {import("./job_filter.js").Filter} Filter */
/** @typedef {import("./wire.d.ts").Listed} Listed */
/** @typedef {import("./wire.d.ts").Frame} Frame */
/** @typedef {import("./wire.d.ts").Job} Job */
/** Holds a job; the same object while the job changes. @typedef {{ job: Listed }} Held */

/** Most jobs kept; beyond that the oldest that are over are dropped. */
export const JOBS_MAX = 20_000;
/** How many are dropped at a time. */
const DROPPED = JOBS_MAX / 20;
/** Jobs of one request, and the fewest that one call of `older` brings, if there are so many. */
const PAGE = 200;
const OLDER_MIN = 1_000;

export class JobsStore {
  /** @type {Map<string, Held>} */
  #jobs = new Map();
  /** Known jobs that have not come in this connection's snapshot yet. @type {Set<string>} */
  #unseen = new Set();
  /** Never changed once it was given away. @type {Held[] | undefined} */
  #sorted;
  /** Jobs that have another place in `#sorted` now, or none. @type {Set<Held>} */
  #moved = new Set();
  #filter = NO_FILTER;
  /** @type {string | undefined} */
  #cursor;
  /** How often older jobs were to be asked for from the newest on. */
  #anew = 0;
  #endedInSnapshot = 0;
  /** When the oldest job in the snapshot that is over was created. */
  #oldest = "";
  /** Whether that one was here before: if not, jobs may be missing below it. */
  #joins = false;
  #endedMax;
  #sync;
  /** Above so many jobs the oldest are dropped; more than JOBS_MAX where too few are over. */
  #most = JOBS_MAX;

  /** Whether the snapshot of this connection has come whole. */
  complete = false;
  /** When the stream last told of anything after a whole snapshot; 0 for never. */
  toldMs = 0;
  /** Whether the server may have older jobs. */
  more = false;

  /**
   * @param {number} endedMax most jobs in a snapshot that are over
   * @param {string} [sync] only the jobs of this sync; all when left out
   */
  constructor(endedMax, sync) {
    this.#endedMax = endedMax;
    this.#sync = sync;
  }

  get size() {
    return this.#jobs.size;
  }

  /** Whether the job is here, whatever the filter. @param {string} id */
  has(id) {
    return this.#jobs.has(id);
  }

  /** Jobs that match the filter: first those on their way, then the others, newest first. */
  get shown() {
    const former = this.#sorted;
    if (former && this.#moved.size === 0) return former;
    // To sort thousands for each that ends would take longer than to draw.
    const stay = former?.filter((held) => !this.#moved.has(held)) ?? [];
    const matches = matcher(this.#filter);
    const come = [...former ? this.#moved : this.#jobs.values()]
      .filter((held) => this.#jobs.get(held.job.id) === held && matches(held.job))
      .sort(inOrder);
    this.#moved.clear();
    return this.#sorted = merged(stay, come);
  }

  /** @param {Filter} filter */
  set filter(filter) {
    const { status, sync } = this.#filter;
    if (filter.status !== status || filter.sync !== sync) {
      this.#beginAnew(); // the cursor is of a list with the former filter
      this.more = this.#endedInSnapshot >= this.#endedMax;
    }
    this.#filter = filter;
    this.#sortAnew();
  }

  get filter() {
    return this.#filter;
  }

  /** The query of the stream. Without the filter: that is for what is shown only. */
  get query() {
    const query = new URLSearchParams({ ended: String(this.#endedMax) });
    if (this.#sync !== undefined) query.set("sync", this.#sync);
    return query;
  }

  /** Forgets all jobs. */
  forget() {
    this.#jobs = new Map(); // another one, for what is on its way
    this.#unseen.clear();
    this.#most = JOBS_MAX;
    this.#beginAnew();
    this.#sortAnew();
    this.complete = false;
    this.more = false;
    this.toldMs = 0;
  }

  /** @param {Frame} frame @returns {"begun" | "ended" | "snapshot" | undefined} what has happened */
  take(frame) {
    if (frame.type === "connected") {
      this.#unseen = new Set(this.#jobs.keys());
      this.#endedInSnapshot = 0;
      this.#oldest = "";
      this.complete = false;
    } else if (frame.type === "progress") {
      const job = listedOf(frame);
      if (!this.complete && isEnded(job.status)) this.#countEnded(job);
      return this.#put(job);
    } else if (frame.type === "error" && frame.job_id !== undefined) {
      const held = this.#jobs.get(frame.job_id);
      if (held) this.#move(held);
      this.#jobs.delete(frame.job_id);
    } else if (frame.snapshot_complete) {
      const full = this.#endedInSnapshot >= this.#endedMax;
      for (const id of this.#unseen) {
        const job = this.#jobs.get(id)?.job;
        // A full snapshot leaves out jobs that are older than its oldest.
        const beyond = full && job && job.created_at <= this.#oldest;
        if (beyond && isEnded(job.status)) continue;
        this.#jobs.delete(id);
        if (beyond) this.#joins = false; // it may have ended, and then is among the older ones
      }
      this.#unseen.clear();
      this.complete = true;
      if (full && !this.#joins) this.#beginAnew();
      this.more ||= full;
      this.#sortAnew();
      return "snapshot";
    }
  }

  /** Asks for jobs that are older than those here. @throws {import("./api.js").Refused} */
  async older() {
    const statuses = statusesOf(this.#filter.status || "ended").filter(isEnded).join(",");
    this.more = statuses !== "";
    if (!this.more) return;
    const jobs = this.#jobs;
    const before = jobs.size;
    const { status, sync } = this.#filter;
    do {
      const query = new URLSearchParams({ limit: String(PAGE), status: statuses });
      if (sync !== "") query.set("sync", sync);
      const [cursor, anew] = [this.#cursor, this.#anew];
      if (cursor !== undefined) query.set("cursor", cursor);
      const page = await ask("GET", `v1/sync/jobs?${query}`);
      const other = status !== this.#filter.status || sync !== this.#filter.sync;
      if (other || jobs !== this.#jobs) return;
      for (const job of page.items) if (!this.#jobs.has(job.id)) this.#put(listedFrom(job));
      if (anew !== this.#anew) return; // a snapshot that does not join has come: not from there
      this.#cursor = page.next_cursor ?? undefined;
    } while (this.#cursor !== undefined && this.#jobs.size < before + OLDER_MIN && this.#hasRoom);
    this.more = this.#cursor !== undefined && this.#hasRoom;
  }

  #beginAnew() {
    this.#cursor = undefined;
    this.#anew++;
  }

  get #hasRoom() {
    return this.#jobs.size < JOBS_MAX;
  }

  /** Counts a job of the snapshot that is over. @param {Listed} job */
  #countEnded({ id, created_at }) {
    this.#endedInSnapshot++;
    if (this.#oldest !== "" && created_at >= this.#oldest) return;
    this.#oldest = created_at;
    this.#joins = this.#jobs.has(id);
  }

  /** @param {Listed} job @returns {"begun" | "ended" | undefined} */
  #put(job) {
    const before = this.#jobs.get(job.id);
    this.#unseen.delete(job.id);
    const was = before?.job.status;
    const held = before ?? { job };
    held.job = job;
    this.#jobs.set(job.id, held);
    if (was !== job.status) this.#move(held);
    if (!before && this.#jobs.size > this.#most) this.#dropOldest();
    if (!this.complete || was === job.status) return undefined;
    if (isEnded(job.status)) return "ended";
    return before ? undefined : "begun";
  }

  /** @param {Held} held */
  #move(held) {
    if (this.#sorted) this.#moved.add(held);
    if (this.#moved.size > this.#jobs.size) this.#sortAnew(); // nobody has looked for long
  }

  #sortAnew() {
    this.#sorted = undefined;
    this.#moved.clear();
  }

  #dropOldest() {
    const many = this.#jobs.size - JOBS_MAX + DROPPED;
    const over = [...this.#jobs.values()].filter(({ job }) => isEnded(job.status)).sort(inOrder);
    for (const { job: { id } } of over.slice(-many)) this.#jobs.delete(id);
    this.#most = this.#jobs.size + DROPPED; // not looked at for each job
    this.#sortAnew();
  }
}

/** Two lists that are in order, as one. @param {Held[]} many @param {Held[]} few */
function merged(many, few) {
  const all = [];
  let from = 0;
  for (const held of few) {
    let to = many.length;
    for (let low = from; low < to;) {
      const middle = (low + to) >> 1;
      if (inOrder(many[middle], held) < 0) low = middle + 1;
      else to = middle;
    }
    while (from < to) all.push(many[from++]);
    all.push(held);
  }
  while (from < many.length) all.push(many[from++]);
  return all;
}

/** @param {Held} one @param {Held} other */
function inOrder({ job: a }, { job: b }) {
  const [overA, overB] = [isEnded(a.status), isEnded(b.status)];
  if (overA !== overB) return overA ? 1 : -1;
  if (a.created_at !== b.created_at) return a.created_at < b.created_at ? 1 : -1;
  return a.id < b.id ? 1 : -1;
}

/** The job of a progress frame. @param {Frame} frame @returns {Listed} */
export function listedOf({ job_id, ...rest }) {
  return /** @type {Listed} */ (/** @type {unknown} */ ({ ...rest, id: job_id }));
}

/** What a list shows of a job. @param {Job} job @returns {Listed} */
export function listedFrom(job) {
  const { updated_at, error } = job;
  return {
    ...job,
    heard_at: updated_at,
    last_update_timestamp: updated_at,
    error: error && error.message,
  };
}
