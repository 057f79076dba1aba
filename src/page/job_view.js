// @ts-check
/** One job, live. */
import { ask, Refused } from "./api.js";
import { h, inFrames, setAttribute } from "./dom.js";
import { attemptsOf, factsPanel } from "./job_facts.js";
import { jobHead } from "./job_head.js";
import { countTiles, progressPanel, typesPanel } from "./job_totals.js";
import { isOld, LINK_WORDS } from "./link_state.js";
import { ANSWER_MS, stillSignedIn } from "./list_stream.js";
import { loadingView, showNothing } from "./loading.js";
import { framesPanel, logPanel, TAIL } from "./log_panel.js";
import { notice } from "./notices.js";
import { RateChart } from "./rate_chart.js";
import { mayRun } from "./runs.js";
import { Stream } from "./stream.js";
import { everyMinute, everySecond, now } from "./time.js";
import { isEnded, isQuiet, percent, shareOf, STATUS_WORDS } from "./words.js";

/** @typedef {import("./wire.d.ts").Job} Job */
/** @typedef {import("./wire.d.ts").Frame} Frame */
/** @typedef {import("./view.d.ts").Place} Place */

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

/** @param {Place} place @param {string} id @returns {import("./view.d.ts").View} */
export function jobView(place, id) {
  document.title = "Job - synctail";
  /** @type {import("./view.d.ts").View | undefined} */
  let live;
  /** @param {string} words */
  const gone = (words) => {
    live?.leave();
    document.title = "Not found - synctail";
    showNothing(place, words, "All jobs");
  };
  return loadingView(place, {
    load: (signal) => ask("GET", `v1/sync/job/${encodeURIComponent(id)}`, undefined, signal),
    show: (job) => live = liveJob(place, job, gone),
    refused: ({ status, message }) => gone(status === 404 ? NOTHING : message),
  });
}

const NOTHING = "There is nothing here under this id for this key.";

/** @param {Place} place @param {Job} first @param {(words: string) => void} gone */
function liveJob(place, first, gone) {
  let job = first;
  let left = false;
  let stalled = job.stalled;
  /** Whether the last heartbeat of this connection told of no stall. */
  let spoke = false;
  /** Until when it may have told of what is not shown here. */
  let spokeMs = 0;
  /** The newest entry that was heard of. */
  let { seq } = job;
  let heardMs = Date.parse(job.updated_at);
  let quiet = isQuiet(toldMs());
  const head = jobHead(place, job);
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

  place.root.append(
    ...head.nodes,
    h("section", { class: "card hero", "aria-label": "Progress" }, progress.node, tiles.node),
    h("div", { class: "columns" }, chart.node, types.node, facts.node),
    logs.node,
    raw.node,
  );

  let runnable = false;
  if (job.sync_id !== null && mayRun(place)) {
    ask("GET", `v1/sync?sync=${job.sync_id}`).then(({ items }) => {
      const own = items.find((/** @type {{ id: string }} */ { id }) => id === job.sync_id);
      runnable = own?.runnable === true;
      frames.soon();
    }, () => {}); // without the answer there is no button
  }
  ask("GET", `v1/sync/job/${job.id}/history`).then(({ items }) => {
    chart.addBefore(items);
    frames.soon();
  }, () => {}); // without the answer the chart begins now
  /** @type {readonly Job[]} */
  let attempts = [];
  askAttempts();

  const frames = inFrames(draw, showTitle);
  /** @type {import("./view.d.ts").LinkState["kind"]} */
  let link = "none";
  /** @type {Stream | undefined} */
  let stream;
  open();
  draw();
  const stopTicking = everySecond(() => {
    facts.tick();
    showStall();
    if (quiet !== isQuiet(toldMs())) frames.soon();
  });
  const stopAsking = everyMinute(() => {
    if (job.status === "failed") askAttempts(); // others follow, of which its stream does not tell
  });

  function askAttempts() {
    attemptsOf(job, attempts).then((found) => facts.showAttempts(attempts = found), () => {}); // as above
  }

  function open() {
    stream = new Stream({
      path: () => `v1/sync/job/${job.id}/subscribe?logs=${logs.level}&tail=${TAIL}`,
      onFrame: take,
      onState(state) {
        link = state.kind;
        place.link(state);
        frames.soon();
      },
      mayRetry,
    });
  }

  /** Asked after EventSource has given up: false where the session has ended or the job is gone. */
  async function mayRetry() {
    if (!await stillSignedIn(place)) return false;
    try {
      const now = await ask(
        "GET",
        `v1/sync/job/${job.id}`,
        undefined,
        AbortSignal.timeout(ANSWER_MS),
      );
      if (isEnded(now.status)) job = now;
      frames.soon();
    } catch (cause) {
      if (left) return false;
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
        logs.told(); // the lines of before come first
        break;
      case "log":
        heard(frame, Date.parse(frame.time));
        logs.add(/** @type {any} */ (frame), text.length); // a line, as its type says
        break;
      case "connected":
        spoke = false;
        if (frame.resume === "gap") logs.add(gapLine(), 0);
        if (frame.resume === "start") logs.told(); // nothing is logged yet, so no totals follow
        break;
      case "heartbeat":
        stalled = frame.stalled === true;
        // Not stalled, or only just: lines that are not shown here may have come until then.
        if (!stalled || spoke) spokeMs = now() - place.session.stall_after_s * 1000;
        spoke = !stalled;
        break;
      case "error":
        failed(frame);
        break;
    }
    frames.told();
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
      started_at: job.started_at ?? (frame.status === "in_progress" ? at : null),
      ended_at: over ? job.ended_at ?? at : null,
      error: typeof error === "string" ? job.error ?? { message: error } : job.error,
    };
    heard(frame, Date.parse(at));
    if (frame.rate_per_s !== undefined && !over) chart.add(Date.parse(at), frame.rate_per_s);
    if (over) {
      stream?.close(true);
      stream = undefined;
    }
  }

  /** @param {Frame} frame @param {number} atMs */
  function heard(frame, atMs) {
    heardMs = Math.max(heardMs, Math.min(atMs, now())); // a worker's clock may be ahead
    if (frame.seq <= seq) return; // the stream begins with what is known
    seq = frame.seq;
    stalled = false;
  }

  /** The job's own error comes just before its end; others are of the connection. @param {Frame} frame */
  function failed({ code, message, job_id }) {
    if (code.startsWith("access_")) return place.signedOut(message);
    if (code === "job_deleted") return gone(message);
    if (code === "stream_fault" || job_id !== job.id) return notice(message);
    job = { ...job, error: { code, message } };
  }

  /** When its totals were told last, of which log lines are no news. */
  function toldMs() {
    return Date.parse(job.updated_at);
  }

  function isStalled() {
    return stalled && !isEnded(job.status);
  }

  function showStall() {
    head.showStall(isStalled() ? Math.max(heardMs, spokeMs) : undefined);
  }

  function showTitle() {
    const part = shareOf(job);
    const share = isOld(link)
      ? LINK_WORDS[link]
      : isStalled()
      ? "Stalled"
      : isEnded(job.status) || part === undefined
      ? STATUS_WORDS[job.status]
      : percent(part);
    document.title = `${share} - ${head.name} - synctail`;
  }

  function draw() {
    showTitle();
    setAttribute(place.root, "data-status", isStalled() ? "stalled" : job.status);
    showStall();
    head.show(job, { stalled: isStalled(), runnable });
    quiet = isQuiet(toldMs());
    progress.show(job, quiet);
    tiles.show(job);
    types.show(job);
    chart.draw();
    facts.show(job);
    raw.draw();
  }

  return {
    leave() {
      left = true;
      stream?.close();
      frames.stop();
      stopTicking();
      stopAsking();
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
