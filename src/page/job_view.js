// @ts-check
/** One job, live. */
import { ask, Refused } from "./api.js";
import { h, inFrames, setAttribute } from "./dom.js";
import { attemptsOf, factsPanel } from "./job_facts.js";
import { jobHead } from "./job_head.js";
import { JobState } from "./job_state.js";
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
  const known = new JobState(first, place.session.stall_after_s * 1000);
  const { id, sync_id: syncId } = first;
  let left = false;
  let quiet = isQuiet(known.toldMs);
  const head = jobHead(place, first);
  const progress = progressPanel();
  const tiles = countTiles();
  const types = typesPanel();
  const chart = new RateChart();
  const facts = factsPanel();
  const logs = logPanel(id, () => {
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
  if (syncId !== null && mayRun(place)) {
    ask("GET", `v1/sync?sync=${syncId}`).then(({ items }) => {
      const own = items.find((/** @type {{ id: string }} */ { id }) => id === syncId);
      runnable = own?.runnable === true;
      frames.soon();
    }, () => {}); // without the answer there is no button
  }
  ask("GET", `v1/sync/job/${id}/history`).then(({ items }) => {
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
    if (quiet !== isQuiet(known.toldMs)) frames.soon();
  });
  const stopAsking = everyMinute(() => {
    // Others follow, of which its stream does not tell.
    if (known.job.status === "failed") askAttempts();
  });

  function askAttempts() {
    attemptsOf(known.job, attempts)
      .then((found) => facts.showAttempts(attempts = found), () => {}); // as above
  }

  function open() {
    stream = new Stream({
      path: () => `v1/sync/job/${id}/subscribe?logs=${logs.level}&tail=${TAIL}`,
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
        `v1/sync/job/${id}`,
        undefined,
        AbortSignal.timeout(ANSWER_MS),
      );
      if (isEnded(now.status)) known.job = now;
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
        known.heard(frame, Date.parse(frame.time));
        logs.add(/** @type {any} */ (frame), text.length); // a line, as its type says
        break;
      case "connected":
        known.connected();
        if (frame.resume === "gap") logs.add(gapLine(), 0);
        if (frame.resume === "start") logs.told(); // nothing is logged yet, so no totals follow
        break;
      case "heartbeat":
        known.beat(frame);
        break;
      case "error":
        failed(frame);
        break;
    }
    frames.told();
  }

  /** @param {Frame} frame */
  function progressed(frame) {
    known.progressed(frame);
    const over = frame.is_complete !== undefined;
    if (frame.rate_per_s !== undefined && !over) {
      chart.add(Date.parse(frame.last_update_timestamp), frame.rate_per_s);
    }
    if (over) {
      stream?.close(true);
      stream = undefined;
    }
  }

  /** The job's own error comes just before its end; others are of the connection. @param {Frame} frame */
  function failed({ code, message, job_id }) {
    if (code.startsWith("access_")) return place.signedOut(message);
    if (code === "job_deleted") return gone(message);
    if (code === "stream_fault" || job_id !== id) return notice(message);
    known.failed({ code, message });
  }

  function showStall() {
    head.showStall(known.silentSinceMs);
  }

  function showTitle() {
    const { job, stalled } = known;
    const part = shareOf(job);
    const share = isOld(link)
      ? LINK_WORDS[link]
      : stalled
      ? "Stalled"
      : isEnded(job.status) || part === undefined
      ? STATUS_WORDS[job.status]
      : percent(part);
    document.title = `${share} - ${head.name} - synctail`;
  }

  function draw() {
    const { job, stalled, toldMs } = known;
    showTitle();
    setAttribute(place.root, "data-status", stalled ? "stalled" : job.status);
    showStall();
    head.show(job, { stalled, runnable });
    quiet = isQuiet(toldMs);
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
