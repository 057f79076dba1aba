// @ts-check
/** The syncs, each with its last run. */
import { h, setHidden } from "./dom.js";
import { icon } from "./icons.js";
import { listedFrom } from "./jobs_store.js";
import { mayRun, runSync } from "./runs.js";
import { dueIn, showTime } from "./time.js";
import {
  isEnded,
  isStalled,
  many,
  number,
  percent,
  shareOf,
  STATUS_WORDS,
  warningsOf,
} from "./words.js";

/** @typedef {import("./view.d.ts").Place} Place */
/** @typedef {import("./wire.d.ts").Sync} Sync */
/** @typedef {import("./wire.d.ts").Listed} Listed */

/** Most syncs that are listed. Those that can be overdue are configured, and come first. */
export const SYNCS_MAX = 5_000;
/** Syncs that are shown before the button for all is used. */
const FIRST = 8;

/** Kept while other views are shown, as the jobs are. @type {readonly Sync[]} */
let items = [];
/** Whether the server has more than these. */
let more = false;
let max = FIRST;

/** Another session sees other syncs. */
export function forgetSyncs() {
  items = [];
  more = false;
  max = FIRST;
}

/** @param {Place} place @param {(id: string) => boolean} isThere whether the stream tells of that job */
export function syncCards(place, isThere) {
  const grid = h("ul", { class: "syncs" });
  const all = h("button", { type: "button", class: "older", hidden: true, onclick: showAll });
  const others = h(
    "p",
    { class: "hint", hidden: true },
    "There are more. One that is not here is found through its jobs, or at its address, sync/NAME.",
  );
  const node = h(
    "section",
    { "aria-labelledby": "syncs-title", hidden: true },
    h("div", { class: "section-head" }, h("h2", { id: "syncs-title" }, "Syncs")),
    grid,
    all,
    others,
  );
  /** @type {Map<string, ReturnType<typeof syncCard>>} */
  const cards = new Map();
  /** Cards whose job has changed since they were drawn. @type {Set<ReturnType<typeof syncCard>>} */
  const changed = new Set();
  /** The syncs' ids. Each frame of a job asks: there may be thousands of both. @type {Set<string>} */
  let known = new Set();

  function showAll() {
    max = Infinity;
    show(items, more);
    grid.children[FIRST]?.querySelector("a")?.focus(); // the button, which had it, is gone
  }

  /** @param {readonly Sync[]} given @param {boolean} hasMore whether the server has others */
  function show(given, hasMore) {
    more = hasMore;
    // No job tells of a sync that is overdue.
    items = given.toSorted((a, b) => Number(b.overdue) - Number(a.overdue));
    known = new Set(items.map(({ id }) => id));
    setHidden(node, items.length === 0);
    const seen = items.slice(0, max);
    const shown = new Set(seen.map(({ id }) => id));
    const focused = document.activeElement;
    for (const [id, card] of cards) {
      if (shown.has(id)) continue;
      card.node.remove();
      cards.delete(id);
    }
    for (const [index, sync] of seen.entries()) {
      let card = cards.get(sync.id);
      if (!card) cards.set(sync.id, card = syncCard(place, sync, isThere));
      if (grid.children[index] !== card.node) {
        grid.insertBefore(card.node, grid.children[index] ?? null);
      }
      card.show(sync);
    }
    // A card that was moved has lost it.
    if (focused instanceof HTMLElement && grid.contains(focused)) {
      focused.focus({ preventScroll: true });
    }
    setHidden(all, items.length <= seen.length);
    all.textContent = more
      ? `Show the first ${number(items.length)} syncs`
      : `Show all ${many(items.length, "sync")}`;
    setHidden(others, !more);
  }

  show(items, more);
  return {
    node,
    show,
    get count() {
      return items.length;
    },
    /** Draws what time alone has changed. */
    tick: () => cards.forEach((card) => card.draw()),
    /** Draws what `take` was told of. */
    draw() {
      for (const card of changed) card.draw();
      changed.clear();
    },
    /**
     * Takes a job's new state.
     *
     * @param {Listed} job
     * @returns {boolean} whether its sync is known, or may be one of those that are not here
     */
    take(job) {
      if (job.sync_id === null) return true;
      const card = cards.get(job.sync_id);
      card?.take(job);
      if (card) changed.add(card);
      return more || known.has(job.sync_id);
    },
  };
}

/** @param {Place} place @param {Sync} first @param {(id: string) => boolean} isThere */
function syncCard(place, first, isThere) {
  const stallAfterMs = place.session.stall_after_s * 1000;
  let sync = first;
  const state = h("span", { class: "sync-state" });
  const last = h("time");
  const next = h("time");
  const overdue = h("span", { class: "overdue", hidden: true }, icon("warning"), "Overdue");
  const run = h("button", {
    type: "button",
    class: "small",
    "aria-label": `Run ${first.name}`,
    hidden: !first.runnable || !mayRun(place),
    onclick: () => runSync(place, sync),
  }, "Run");
  const node = h(
    "li",
    { class: "sync-card" },
    h(
      "div",
      { class: "sync-top" },
      h(
        "a",
        { href: `sync/${first.id}`, class: "sync-name", title: first.name, dir: "auto" },
        first.name,
      ),
      run,
    ),
    h("div", { class: "sync-line" }, state, last),
    h("div", { class: "sync-line" }, overdue, next),
  );
  /** The sync's newest job. @type {Listed | undefined} */
  let job;
  let shown = "";

  function draw() {
    showTime(last, job && (job.ended_at ?? job.started_at ?? job.created_at));
    showTime(next, sync.next_run_at, (atMs) => `Next run ${dueIn(atMs)}`);
    setHidden(overdue, !sync.overdue);
    const words = job ? wordsOf(job) : "No run is known";
    const sign = job && (isStalled(job, stallAfterMs) ? "stalled" : job.status);
    const warned = job && warningsOf(job);
    if (shown === `${sign} ${words}${warned}`) return;
    shown = `${sign} ${words}${warned}`;
    state.replaceChildren(...(sign === undefined ? [] : [icon(sign)]), words);
    if (warned) state.append(`, ${warned}`, icon("warning"));
  }

  /** @param {Listed} given */
  function wordsOf(given) {
    const word = isStalled(given, stallAfterMs) ? "Stalled" : STATUS_WORDS[given.status];
    const part = shareOf(given);
    return part === undefined || isEnded(given.status) ? word : `${word}, ${percent(part)}`;
  }

  return {
    node,
    draw,
    /** @param {Listed} given */
    take(given) {
      if (job === undefined || given.created_at >= job.created_at) job = given;
    },
    /** @param {Sync} given */
    show(given) {
      sync = given;
      if (job && !isThere(job.id)) job = undefined; // removed, or too old for the stream
      // Of the same job the stream has told a newer state.
      if (given.last_job && given.last_job.id !== job?.id) this.take(listedFrom(given.last_job));
      draw();
    },
  };
}
