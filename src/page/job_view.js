// @ts-check
/** One job, live. */
import { ask, reasonOf, Refused } from "./api.js";
import { h, inFrames, setAttribute, setHidden, setText } from "./dom.js";
import { stillSignedIn } from "./home_view.js";
import { icon } from "./icons.js";
import { attemptsOf, factsPanel } from "./job_facts.js";
import { countTiles, progressPanel, typesPanel } from "./job_totals.js";
import { framesPanel, logPanel, TAIL } from "./log_panel.js";
import { notice } from "./notices.js";
import { RateChart } from "./rate_chart.js";
import { cancelJob, copyCurl, mayRun, runSync } from "./runs.js";
import { Stream } from "./stream.js";
import { duration, everySecond, known, now } from "./time.js";
import { isEnded, percent, shortId, STATUS_WORDS, title } from "./words.js";

/** @typedef {import("./wire.d.ts").Job} Job */
/** @typedef {import("./wire.d.ts").Frame} Frame */
/** @typedef {import("./wire.d.ts").Place} Place */

/** The measures that are absent where they are not known any more. */
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
const RETRY_MS = 2_000;

/** @param {Place} place @param {string} id @returns {import("./wire.d.ts").View} */
export function jobView(place, id) {
  const leaving = new AbortController();
  /** @type {ReturnType<typeof liveJob> | undefined} */
  let live;
  document.title = "Job - synctail";
  const loading = h("p", { class: "lone" }, "Loading");
  place.root.append(loading);
  load();

  async function load() {
    const path = `v1/sync/job/${encodeURIComponent(id)}`;
    try {
      const job = await ask("GET", path, undefined, leaving.signal);
      place.root.replaceChildren();
      live = liveJob(place, job, gone);
    } catch (cause) {
      if (leaving.signal.aborted) return;
      if (cause instanceof Refused && cause.status === 401) return place.signedOut(cause.message);
      if (cause instanceof Refused && cause.status < 500) {
        return gone(cause.status === 404 ? NOTHING : cause.message);
      }
      setText(loading, `${reasonOf(cause)}. Trying again.`);
      const timer = setTimeout(load, RETRY_MS);
      leaving.signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
    }
  }

  /** @param {string} words */
  function gone(words) {
    live?.leave();
    live = undefined;
    document.title = "Not found - synctail";
    place.root.replaceChildren(
      h(
        "div",
        { class: "lone" },
        h("h1", {}, words),
        h("p", {}, h("a", { href: "./" }, "All jobs")),
      ),
    );
  }

  return {
    leave() {
      leaving.abort();
      live?.leave();
    },
  };
}

const NOTHING = "There is nothing here under this id for this key.";

/** @param {Place} place @param {Job} first @param {(words: string) => void} gone */
function liveJob(place, first, gone) {
  let job = first;
  let stalled = job.stalled;
  let heardMs = Date.parse(job.updated_at);
  let told = job.status;
  const name = title(job);

  const state = h("span", { class: "status" });
  const error = h("div", { class: "error-box", role: "alert", hidden: true });
  const stall = h("p", { class: "stall", role: "status", hidden: true });
  const cancel = h("button", {
    type: "button",
    onclick: () => cancelJob(place, job.id, name),
  }, "Cancel");
  const again = h("button", { type: "button", hidden: true, onclick: runAgain }, "Run again");
  const readOnly = h("span", { class: "hint" }, "This key may not run or cancel.");
  const said = h("span", { class: "unseen", role: "status" });
  const progress = progressPanel();
  const tiles = countTiles();
  const types = typesPanel();
  const chart = new RateChart();
  const facts = factsPanel();
  const logs = logPanel(job.id, () => {
    logs.clear();
    stream?.restart();
    if (!stream) open();
  });
  const raw = framesPanel();
  const short = shortId(job.id);

  place.root.append(
    h(
      "nav",
      { class: "crumbs", "aria-label": "Breadcrumbs" },
      h("a", { href: "./" }, "Jobs"),
      job.sync_id !== null &&
        h("a", { href: `sync/${job.sync_id}` }, job.sync ?? shortId(job.sync_id)),
      h("span", { "aria-current": "page", title: job.id }, short),
    ),
    h(
      "div",
      { class: "job-head" },
      h("h1", {}, name),
      state,
      said,
      h("span", { class: "grow" }),
      h(
        "div",
        { class: "actions" },
        readOnly,
        h(
          "button",
          { type: "button", class: "quiet", onclick: () => copyCurl(job.id) },
          "Copy curl",
        ),
        again,
        cancel,
      ),
    ),
    stall,
    error,
    h("section", { class: "card hero", "aria-label": "Progress" }, progress.node, tiles.node),
    h("div", { class: "columns" }, chart.node, types.node, facts.node),
    logs.node,
    raw.node,
  );

  let runnable = false;
  if (job.sync_id !== null && mayRun(place)) {
    ask("GET", "v1/sync").then(({ items }) => {
      const own = items.find((/** @type {{ id: string }} */ { id }) => id === job.sync_id);
      runnable = own !== undefined && own.source !== null;
      frames.soon();
    }, () => {}); // without the answer there is no button
  }
  attemptsOf(job).then((found) => facts.showAttempts(found), () => {}); // as above

  const frames = inFrames(draw);
  /** @type {Stream | undefined} */
  let stream;
  open();
  draw();
  const stopTicking = everySecond(() => {
    facts.tick();
    showStall();
  });

  function open() {
    stream = new Stream({
      path: () => `v1/sync/job/${job.id}/subscribe?logs=${logs.level}&tail=${TAIL}`,
      onFrame: take,
      onState: place.link,
      mayRetry,
    });
  }

  /** Why EventSource has given up. */
  async function mayRetry() {
    if (!await stillSignedIn(place)) return false;
    try {
      const now = await ask("GET", `v1/sync/job/${job.id}`);
      if (isEnded(now.status)) job = now;
      frames.soon();
    } catch (cause) {
      if (cause instanceof Refused && cause.status === 404) {
        gone(NOTHING);
        return false;
      }
    }
    return true;
  }

  /** @param {Frame} frame @param {string} text @param {string} id */
  function take(frame, text, id) {
    raw.add(text, id);
    switch (frame.type) {
      case "progress":
        progressed(frame);
        break;
      case "log":
        heard(Date.parse(frame.time));
        logs.add(/** @type {import("./wire.d.ts").LogLine} */ (/** @type {unknown} */ (frame)));
        break;
      case "connected":
        if (frame.resume === "gap") logs.add(gapLine());
        break;
      case "heartbeat":
        stalled = frame.stalled === true;
        break;
      case "error":
        failed(frame);
        break;
    }
    frames.soon();
  }

  /** @param {Frame} frame */
  function progressed(frame) {
    const { is_complete, error } = frame;
    const at = frame.last_update_timestamp;
    const none = Object.fromEntries(MEASURES.map((measure) => [measure, undefined]));
    const over = is_complete !== undefined;
    job = {
      ...job,
      ...none,
      ...frame,
      id: job.id,
      updated_at: at,
      started_at: job.started_at ?? (frame.status === "pending" ? null : at),
      ended_at: over ? job.ended_at ?? at : null,
      error: typeof error === "string" ? job.error ?? { message: error } : job.error,
    };
    heard(Date.parse(at));
    if (frame.rate_per_s !== undefined && !over) chart.add(Date.parse(at), frame.rate_per_s);
    if (over) {
      stream?.close(true);
      stream = undefined;
    }
  }

  /** @param {number} atMs */
  function heard(atMs) {
    heardMs = Math.max(heardMs, atMs);
    stalled = false;
  }

  /** The job's own error comes just before its end; any other is of this connection. @param {Frame} frame */
  function failed({ code, message, job_id }) {
    if (code.startsWith("access_")) return place.signedOut(message);
    if (code === "job_deleted") return gone(message);
    if (code === "stream_fault" || job_id !== job.id) return notice(message);
    job = { ...job, error: { code, message } };
  }

  function showStall() {
    const words = `Nothing has been heard of this job for ${
      duration(known() - heardMs)
    }: it may be stuck.`;
    setText(stall, stalled && !isEnded(job.status) ? words : undefined);
  }

  function runAgain() {
    if (job.sync_id !== null) runSync(place, { id: job.sync_id, name });
  }

  function draw() {
    const over = isEnded(job.status);
    const word = stalled && !over ? "stalled" : job.status;
    if (state.dataset.status !== word) {
      state.dataset.status = word;
      const words = word === "stalled"
        ? `${STATUS_WORDS[job.status]}, stalled`
        : STATUS_WORDS[job.status];
      state.replaceChildren(icon(word), words);
    }
    if (told !== job.status) {
      told = job.status;
      setText(said, `${name}: ${STATUS_WORDS[job.status]}`);
    }
    const share = over || job.percent === undefined
      ? STATUS_WORDS[job.status]
      : percent(job.percent);
    document.title = `${share} - ${name} - synctail`;
    setAttribute(place.root, "data-status", word);
    showStall();
    setHidden(error, job.error === null || !over);
    if (job.error && over && error.childElementCount === 0) {
      const { code, message } = job.error;
      error.append(icon("failed"), h("p", {}, message));
      if (code !== undefined) error.append(h("code", {}, code));
    }
    const may = mayRun(place);
    setHidden(readOnly, may);
    setHidden(cancel, !may || over);
    cancel.disabled = job.status === "cancelling";
    setHidden(again, !over || !runnable);
    progress.show(job);
    tiles.show(job);
    types.show(job);
    chart.draw();
    facts.show(job);
    raw.draw();
  }

  return {
    leave() {
      stream?.close();
      frames.stop();
      stopTicking();
      chart.stop();
      logs.stop();
      raw.stop();
      place.root.removeAttribute("data-status");
    },
  };
}

/** @returns {import("./wire.d.ts").LogLine} */
function gapLine() {
  return {
    seq: 0,
    time: new Date(now()).toISOString(),
    level: "gap",
    message: "Lines may be missing here: what came before is not kept any more.",
  };
}
