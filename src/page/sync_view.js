// @ts-check
/** One sync: its state and its last runs. */
import { ask } from "./api.js";
import { h, inFrames, setHidden, setText } from "./dom.js";
import { jobList } from "./job_list.js";
import { JobsStore } from "./jobs_store.js";
import { listStream, SYNCS_MS } from "./list_stream.js";
import { loadingView, showNothing } from "./loading.js";
import { mayRun, runSync } from "./runs.js";
import { RUNS, runsStrip, tookMs } from "./runs_strip.js";
import {
  atMostEvery,
  dueIn,
  duration,
  everyMinute,
  everySecond,
  relative,
  showTime,
} from "./time.js";

/** @typedef {import("./view.d.ts").Place} Place */
/** @typedef {import("./wire.d.ts").Sync} Sync */

/** @param {Place} place @param {string} idOrName @returns {import("./view.d.ts").View} */
export function syncView(place, idOrName) {
  document.title = "Sync - synctail";
  return loadingView(place, {
    load: (signal) => find(idOrName, signal),
    show(sync) {
      if (sync) return liveSync(place, sync);
      showNothing(place, "There is no sync of this name for this key.", "All syncs");
    },
    refused: ({ message }) => showNothing(place, message, "All syncs"),
  });
}

/** @param {string} idOrName @param {AbortSignal} [signal] @returns {Promise<Sync | undefined>} */
async function find(idOrName, signal) {
  const query = new URLSearchParams({ sync: idOrName });
  const { items } = await ask("GET", `v1/sync?${query}`, undefined, signal);
  const id = idOrName.toLowerCase();
  // A tab may outlive its server: an older one gives all of them.
  return items.find((/** @type {Sync} */ sync) => sync.id === id || sync.name === idOrName);
}

/** @param {Place} place @param {Sync} first */
function liveSync(place, first) {
  let sync = first;
  document.title = `${sync.name} - synctail`;
  const store = new JobsStore(RUNS, sync.id);
  const stallAfterMs = place.session.stall_after_s * 1000;
  const jobs = jobList({ label: "Runs", stallAfterMs });
  const strip = runsStrip(stallAfterMs);
  const success = h("time");
  const next = h("time");
  const expected = h("time");
  const typical = h("span");
  const schedule = h("code");
  const rows = {
    success: fact("Last success", success),
    typical: fact("Typical duration", typical),
    schedule: fact("Schedule", schedule),
    next: fact("Next run", next),
    expected: fact("Expected", expected),
  };
  const late = h("span", { role: "status" });
  const since = h("span"); // apart: it changes all the time, and would be read aloud as often
  const overdue = h("p", { class: "stall", hidden: true }, late, since);
  const flow = sync.source === null || sync.source === "outside"
    ? "Its runs are reported by workers elsewhere."
    : sync.destination === null
    ? sync.source
    : `${sync.source} \u2192 ${sync.destination}`;
  place.root.append(
    h(
      "nav",
      { class: "crumbs", "aria-label": "Breadcrumbs" },
      h("a", { href: "./" }, "Syncs"),
      h("span", { "aria-current": "page" }, h("bdi", {}, sync.name)),
    ),
    h(
      "div",
      { class: "job-head" },
      h("h1", { dir: "auto" }, sync.name),
      h("span", { class: "hint" }, flow),
      h("span", { class: "grow" }),
      h(
        "div",
        { class: "actions" },
        h("button", {
          type: "button",
          hidden: !sync.runnable || !mayRun(place),
          onclick: () => runSync(place, sync),
        }, "Run now"),
      ),
    ),
    overdue,
    h(
      "section",
      { class: "card hero", "aria-label": "How it has been doing" },
      h("dl", { class: "facts facts-wide" }, ...Object.values(rows)),
      strip.node,
    ),
    h(
      "section",
      { "aria-labelledby": "runs-title" },
      h(
        "div",
        { class: "section-head" },
        h("h2", { id: "runs-title" }, "Runs"),
        h("a", { href: `./?sync=${sync.id}` }, "All of them"),
      ),
      jobs.node,
    ),
  );

  const frames = inFrames(draw);
  let changed = false;
  const stream = listStream(place, store, (_, news) => {
    changed ||= news !== undefined;
    frames.told();
  });

  // Not at once for each: a late answer would undo what a newer one has told.
  const refresh = atMostEvery(SYNCS_MS, () => {
    find(sync.id).then((found) => {
      sync = found ?? sync;
      frames.soon();
    }, () => {}); // the view's stream shows when the server is away
  });

  function draw() {
    if (changed) refresh.soon(); // so a hidden tab does not ask
    changed = false;
    jobs.list.set(store.shown, true);
    const runs = store.shown.map(({ job }) => job);
    const done = runs.slice(0, RUNS).filter(({ status }) => status === "completed");
    const took = done.map(tookMs).filter((ms) => ms !== undefined);
    const median = medianOf(took);
    setText(typical, median === undefined ? undefined : duration(median));
    setHidden(rows.typical, median === undefined);
    typical.title = `Median of the last ${took.length} that completed`;
    const ended = done.map(({ ended_at }) => ended_at ?? "").sort().at(-1);
    const last = sync.last_success_at ?? ended;
    setHidden(rows.success, !showTime(success, last));
    setHidden(rows.next, !showTime(next, sync.next_run_at, dueIn));
    setHidden(rows.expected, !showTime(expected, sync.expected_at, relative));
    setText(schedule, sync.schedule ?? undefined);
    setHidden(rows.schedule, sync.schedule === null);
    setHidden(overdue, !sync.overdue);
    setText(late, sync.overdue ? "This sync is overdue" : "");
    setText(since, sinceWords(sync));
    strip.show(runs.slice(0, RUNS).reverse());
  }
  draw();
  const stopTicking = everySecond(() => frames.soon());
  const stopAsking = everyMinute(() => refresh.soon()); // that it falls overdue, no job tells

  return {
    leave() {
      stream.close();
      refresh.stop();
      frames.stop();
      stopTicking();
      stopAsking();
      jobs.list.stop();
    },
  };
}

/** @param {string} name @param {HTMLElement} value */
function fact(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}

/** @param {Sync} sync */
function sinceWords({ expected_at }) {
  return expected_at ? `: a start was expected ${relative(Date.parse(expected_at))}.` : ".";
}

/** @param {readonly number[]} values */
function medianOf(values) {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
