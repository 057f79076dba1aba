// @ts-check
/** The syncs, each with how its last run went. */
import { h, setHidden } from "./dom.js";
import { icon } from "./icons.js";
import { mayRun, runSync } from "./runs.js";
import { showTime } from "./time.js";
import { isEnded, many, percent, STATUS_WORDS } from "./words.js";

/** @typedef {import("./wire.d.ts").Place} Place */
/** @typedef {import("./wire.d.ts").Sync} Sync */

/** Syncs that are shown before all are asked for. */
const FIRST = 8;

/** @param {Place} place */
export function syncCards(place) {
  const grid = h("ul", { class: "syncs" });
  const all = h("button", { type: "button", class: "older", hidden: true, onclick: showAll });
  const node = h(
    "section",
    { "aria-labelledby": "syncs-title", hidden: true },
    h("div", { class: "section-head" }, h("h2", { id: "syncs-title" }, "Syncs")),
    grid,
    all,
  );
  /** @type {Map<string, ReturnType<typeof syncCard>>} */
  const cards = new Map();
  /** @type {readonly Sync[]} */
  let items = [];
  let max = FIRST;

  function showAll() {
    max = Infinity;
    show(items);
  }

  /** @param {readonly Sync[]} given */
  function show(given) {
    items = given;
    setHidden(node, items.length === 0);
    const seen = items.slice(0, max);
    for (const [id, card] of cards) {
      if (seen.some((sync) => sync.id === id)) continue;
      card.node.remove();
      cards.delete(id);
    }
    for (const sync of seen) {
      let card = cards.get(sync.id);
      if (!card) {
        cards.set(sync.id, card = syncCard(place, sync));
        grid.append(card.node);
      }
      card.show(sync);
    }
    setHidden(all, items.length <= seen.length);
    all.textContent = `Show all ${many(items.length, "sync")}`;
  }

  return { node, show, tick: () => cards.forEach((card) => card.tick()) };
}

/** @param {Place} place @param {Sync} first */
function syncCard(place, first) {
  let sync = first;
  const state = h("span", { class: "sync-state" });
  const last = h("time");
  const next = h("time");
  const overdue = h("span", { class: "overdue", hidden: true }, icon("warning"), "Overdue");
  const run = h("button", {
    type: "button",
    class: "small",
    "aria-label": `Run ${first.name}`,
    hidden: first.source === null || !mayRun(place),
    onclick: () => runSync(place, sync),
  }, "Run");
  const node = h(
    "li",
    { class: "sync-card" },
    h(
      "div",
      { class: "sync-top" },
      h("a", { href: `sync/${first.id}`, class: "sync-name" }, first.name),
      run,
    ),
    h("div", { class: "sync-line" }, state, last),
    h("div", { class: "sync-line" }, overdue, next),
  );
  function tick() {
    const job = sync.last_job;
    showTime(last, job && (job.ended_at ?? job.started_at ?? job.created_at));
    showTime(next, sync.next_run_at, "Next run ");
    setHidden(overdue, sync.overdue !== true);
  }
  return {
    node,
    tick,
    /** @param {Sync} given */
    show(given) {
      sync = given;
      const job = sync.last_job;
      node.dataset.status = job?.status ?? "none";
      state.replaceChildren(
        ...(job ? [icon(job.stalled ? "stalled" : job.status)] : []),
        !job
          ? "Never run"
          : job.percent !== undefined && !isEnded(job.status)
          ? `${STATUS_WORDS[job.status]}, ${percent(job.percent)}`
          : STATUS_WORDS[job.status],
      );
      tick();
    },
  };
}
