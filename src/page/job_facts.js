// @ts-check
/** A job's fixed properties, its times, and the other attempts at the same work. */
import { ask } from "./api.js";
import { h, setHidden, setText } from "./dom.js";
import { icon } from "./icons.js";
import { ago, duration, known, shortTime, showTime } from "./time.js";
import { isEnded, shortened, shortId, STATUS_WORDS } from "./words.js";

/** @typedef {import("./wire.d.ts").Job} Job */
/** @typedef {import("./wire.d.ts").List<Job>} Jobs */

/** Characters of another attempt's reason; all of it is on its own page. */
const REASON_MAX = 100;
/** Most attempts that are shown, this one among them. */
const ATTEMPTS_MAX = 10;
/** Newer jobs of the sync among which later attempts are looked for. */
const NEWER_MAX = 50;
/** How long they are waited for, in milliseconds: a failed job's page asks again after a minute. */
const ATTEMPTS_WAIT_MS = 50_000;

export function factsPanel() {
  const times = {
    created: h("time"),
    started: h("time"),
    ended: h("time"),
    heard: h("time"),
  };
  const took = h("span");
  const tookName = h("span", {}, "Running for");
  const rows = {
    created: row("Created", times.created),
    started: row("Started", times.started),
    ended: row("Ended", times.ended),
    took: row(tookName, took),
    heard: row("Last update", times.heard),
    attempt: row("Attempt", h("span")),
    origin: row("Run by", h("span")),
    tags: row("Tags", h("span", { class: "tags" })),
    id: row("Job id", h("code")),
  };
  const meta = h("pre", { class: "meta", role: "group", tabindex: 0, "aria-label": "Meta" });
  const metaBox = h("details", { hidden: true }, h("summary", {}, "Meta"), meta);
  const attempts = h("ol", { class: "attempts" });
  const attemptsBox = h("div", { hidden: true }, h("h3", {}, "Attempts"), attempts);
  /** This job among its attempts. */
  const own = h("span", { "aria-current": "page" });
  /** The attempts that are shown. */
  let shown = "";
  /** @type {Job | undefined} */
  let job;

  /** @param {Job} given */
  function showOwn({ attempt, status }) {
    own.replaceChildren(icon(status), `${attempt}. ${STATUS_WORDS[status]} (this one)`);
  }

  /** Shows what never changes, once, so that a link there keeps the focus. @param {Job} given */
  function showFixed({ attempt, origin, tags, id, meta: values }) {
    setText(rows.attempt.value, String(attempt));
    setHidden(rows.attempt.node, attempt === 1);
    setText(rows.origin.value, origin === "source" ? "this server" : "a worker elsewhere");
    rows.tags.value.replaceChildren(
      ...tags.map((tag) =>
        h("a", { class: "tag", href: `./?${new URLSearchParams({ tag })}`, dir: "auto" }, tag)
      ),
    );
    setHidden(rows.tags.node, tags.length === 0);
    setText(rows.id.value, id);
    setHidden(metaBox, Object.keys(values).length === 0);
    setText(meta, JSON.stringify(values, null, 2));
  }

  function tick() {
    if (!job) return;
    showTime(times.created, job.created_at, both);
    setHidden(rows.started.node, !showTime(times.started, job.started_at, both));
    setHidden(rows.ended.node, !showTime(times.ended, job.ended_at, both));
    const heard = isEnded(job.status) ? undefined : job.updated_at;
    setHidden(rows.heard.node, !showTime(times.heard, heard, both));
    setText(tookName, job.ended_at === null ? "Running for" : "Took");
    const end = job.ended_at === null ? known() : Date.parse(job.ended_at);
    const ms = job.started_at === null ? undefined : end - Date.parse(job.started_at);
    setText(took, ms === undefined ? undefined : duration(ms));
    setHidden(rows.took.node, ms === undefined);
  }

  return {
    node: h(
      "section",
      { class: "card", "aria-labelledby": "facts-title" },
      h("h2", { id: "facts-title" }, "Details"),
      h("dl", { class: "facts" }, ...Object.values(rows).map(({ node }) => node)),
      metaBox,
      attemptsBox,
    ),
    tick,
    /** @param {Job} given */
    show(given) {
      const before = job;
      job = given;
      if (before?.tags !== job.tags) showFixed(job);
      if (before?.status !== job.status) showOwn(job);
      tick();
    },
    /** @param {readonly Job[]} jobs oldest first */
    showAttempts(jobs) {
      const next = JSON.stringify(jobs.map(({ id, status }) => [id, status]));
      if (next === shown) return;
      shown = next;
      const focused = [...attempts.children].findIndex((one) =>
        one.contains(document.activeElement)
      );
      setHidden(attemptsBox, jobs.length < 2);
      attempts.replaceChildren(...jobs.map((one) => {
        const words = `${one.attempt}. ${STATUS_WORDS[one.status]} ${shortId(one.id)}`;
        return h(
          "li",
          {},
          one.id === job?.id ? own : h("a", { href: `job/${one.id}` }, icon(one.status), words),
          one.error && " ",
          one.error &&
            h("span", { class: "hint", dir: "auto" }, shortened(one.error.message, REASON_MAX)),
        );
      }));
      attempts.children[focused]?.querySelector("a")?.focus({ preventScroll: true });
    },
  };
}

/** How long ago, and when: no finger, no key and no paper comes to a title. @param {number} atMs */
function both(atMs) {
  return `${ago(atMs)} \u00b7 ${shortTime(atMs)}`;
}

/** @param {string | HTMLElement} name @param {HTMLElement} value */
function row(name, value) {
  return { value, node: h("div", {}, h("dt", {}, name), h("dd", {}, value)) };
}

/**
 * The attempts before this job, and those after it among the sync's newest jobs; oldest first.
 *
 * @param {Job} job
 * @param {readonly Job[]} known what was found before: by now others may be the newest
 * @returns {Promise<readonly Job[]>}
 */
export async function attemptsOf(job, known) {
  const limit = AbortSignal.timeout(ATTEMPTS_WAIT_MS); // those of a dead connection would pile up
  const all = [job];
  for (let first = job; first.retry_of !== null && all.length < ATTEMPTS_MAX;) {
    /** @type {Job | undefined} */
    const before = await ask("GET", `v1/sync/job/${first.retry_of}`, undefined, limit)
      .catch(() => undefined); // it may be removed
    if (!before || isIn(all, before)) break;
    all.unshift(first = before);
  }
  if (job.sync_id === null) return all;
  /** @type {Jobs} */
  const { items } = await ask(
    "GET",
    `v1/sync/jobs?sync=${job.sync_id}&limit=${NEWER_MAX}`,
    undefined,
    limit,
  );
  for (let last = job; all.length < ATTEMPTS_MAX;) {
    const follows = (/** @type {Job} */ one) => one.retry_of === last.id && !isIn(all, one);
    const after = items.find(follows) ?? await asItStands(known.find(follows), limit);
    if (!after) break;
    all.push(last = after);
  }
  return all;
}

/**
 * A job that was found before, asked for again where it may have ended since.
 *
 * @param {Job | undefined} job
 * @param {AbortSignal} limit
 * @returns {Promise<Job | undefined>}
 */
async function asItStands(job, limit) {
  if (job === undefined || isEnded(job.status)) return job;
  return await ask("GET", `v1/sync/job/${job.id}`, undefined, limit).catch(() => job); // it may be removed
}

/** Whether the job is known: a worker's `retry_of` may go in circles. @param {readonly Job[]} jobs @param {Job} job */
function isIn(jobs, { id }) {
  return jobs.some((one) => one.id === id);
}
