// @ts-check
/** The first page: syncs, and all jobs, live on one connection. */
import { ask, failure, Refused } from "./api.js";
import { h, inFrames, setHidden, setText } from "./dom.js";
import { filterBar } from "./filter_bar.js";
import { filterFrom, queryOf } from "./job_filter.js";
import { jobList } from "./job_list.js";
import { JobsStore, listedOf } from "./jobs_store.js";
import { listStream, syncsPauseMs } from "./list_stream.js";
import { notice } from "./notices.js";
import { forgetSyncs, syncCards, SYNCS_MAX } from "./sync_cards.js";
import { atMostEvery, everyMinute, everySecond, setTold } from "./time.js";
import { isEnded, many, number } from "./words.js";

/** @typedef {import("./view.d.ts").Place} Place */

/** Most jobs in the snapshot that are over. */
const ENDED_MAX = 1_000;
const OLDER = "Show older jobs";
/** How long the list of the syncs is waited for, in milliseconds: it has 5 MB at most. */
const SYNCS_WAIT_MS = 120_000;
/**
 * How often what is typed goes into the address at most, in milliseconds. Safari refuses more than
 * 100 addresses in 10 s (older ones in 30 s), and then no link works either.
 */
const ADDRESS_MS = 500;
/** With a filter, older jobs are asked for without a click until this many are shown. */
const FILL = 50;

/** Kept while other views are shown, so that coming back shows the list at once, at its place. */
const store = new JobsStore(ENDED_MAX);

/** Another session sees other jobs. */
export function forgetJobs() {
  store.forget();
  forgetSyncs();
}

/** @param {Place} place @param {URLSearchParams} query @returns {import("./view.d.ts").View} */
export function homeView(place, query) {
  document.title = "Jobs - synctail";
  setTold(store.toldMs); // the cards, too, are of when this view was left
  const cards = syncCards(place, (id) => store.has(id));
  const jobs = jobList({ label: "Jobs", stallAfterMs: place.session.stall_after_s * 1000 });
  const summary = h("p", { class: "summary" });
  // What a filter leaves is read aloud; not each job that begins or ends.
  const found = h("span", { class: "unseen", role: "status" });
  const older = h("button", { type: "button", class: "older", onclick: showOlder }, OLDER);
  const none = h("p", { class: "empty", role: "status", hidden: true });
  const nothing = firstSteps();
  const status = query.get("status") ?? "";
  store.filter = filterFrom(query);
  const filters = filterBar(store.filter, changeFilter);
  place.root.append(
    h("h1", { class: "unseen" }, "Syncs and jobs"),
    cards.node,
    h(
      "section",
      { "aria-labelledby": "jobs-title" },
      h("div", { class: "section-head" }, h("h2", { id: "jobs-title" }, "Jobs"), summary, found),
      filters.node,
      jobs.node,
      none,
      nothing,
      older,
    ),
  );

  const frames = inFrames(draw);
  const address = atMostEvery(ADDRESS_MS, tellFilter);
  let left = false;
  /** Whether older jobs could not be had: then only a click, or another filter, asks again. */
  let failed = false;
  let filtered = false;
  let syncsChanged = true;
  if (status !== store.filter.status) {
    changeFilter(store.filter); // so that the address says what is shown
    notice(`There is no status "${status}": jobs of any status are shown.`);
  }
  const stream = listStream(place, store, (frame, news) => {
    const known = frame.type !== "progress" || cards.take(listedOf(frame));
    const removed = frame.type === "error";
    syncsChanged ||= news !== undefined || removed || (store.complete && !known);
    frames.told();
  });

  let asking = false;
  const syncs = atMostEvery(() => syncsPauseMs(cards.count), (quietly) => {
    // On a slow line one answer after the other: they would take all connections.
    if (asking) return void (syncsChanged = true);
    asking = true;
    const limit = AbortSignal.timeout(SYNCS_WAIT_MS); // a dead connection would be the last one
    ask("GET", `v1/sync?limit=${SYNCS_MAX}`, undefined, limit).then(({ items, next_cursor }) => {
      if (!cards.node.isConnected) return; // somebody else may have signed in
      cards.show(items, next_cursor !== null);
      filters.syncs(items);
    }, (cause) => {
      // The view's stream shows when the server is away.
      if (!quietly && cause instanceof Refused) notice(failure("Cannot list the syncs", cause));
    }).finally(() => {
      asking = false;
      if (syncsChanged) frames.soon();
    });
  });
  function draw() {
    const due = syncsChanged;
    syncsChanged = false;
    if (due) syncs.soon(); // so a hidden tab does not ask
    const { shown } = store;
    jobs.list.set(shown, true);
    cards.draw();
    setHidden(older, !store.more);
    const { status, sync } = store.filter;
    const narrow = status !== "" || sync !== "";
    // Older jobs that match may be on the server: they fill the first screen without a click.
    if (narrow && store.complete && store.more && shown.length < FILL && !failed) showOlder();
    const going = shown.filter(({ job }) => !isEnded(job.status)).length;
    const all = many(shown.length, "job");
    setText(
      summary,
      store.complete || shown.length > 0
        ? `${all}${store.more ? " loaded" : ""}${going > 0 ? `, ${number(going)} on the way` : ""}`
        : "Loading",
    );
    const empty = store.complete && shown.length === 0;
    const tells = filtered && store.complete;
    if (tells || found.textContent !== summary.textContent) {
      setText(found, tells && !empty ? summary.textContent ?? "" : "");
    }
    if (tells) filtered = false;
    const words = store.more ? "No job that is loaded matches; older ones may." : "No job matches.";
    setText(none, empty && filters.active() ? words : undefined);
    setHidden(nothing, !empty || filters.active());
  }
  draw();
  jobs.list.flush(); // it has its height when the browser scrolls back to where one was
  const stopTicking = everySecond(() => {
    jobs.list.refresh();
    cards.tick();
  });
  const stopAsking = everyMinute(() => syncs.soon(true)); // that one falls overdue, no job tells

  /** @param {import("./job_filter.js").Filter} filter @param {boolean} [typing] */
  function changeFilter(filter, typing) {
    store.filter = filter;
    failed = false;
    filtered = true;
    frames.soon();
    if (typing) address.soon();
    else tellFilter();
  }

  function tellFilter() {
    if (left) return; // Chromium tells of a change also when the field is taken out of the page
    const words = queryOf(store.filter);
    history.replaceState(null, "", `${document.baseURI}${words.size > 0 ? `?${words}` : ""}`);
  }

  async function showOlder() {
    if (older.disabled) return;
    const focused = document.activeElement === older;
    older.disabled = true;
    failed = false;
    try {
      await store.older();
    } catch (cause) {
      failed = true;
      notice(failure("Cannot show older jobs", cause));
    }
    older.disabled = false;
    if (focused) older.focus({ preventScroll: true });
    frames.soon();
  }

  return {
    leave() {
      left = true;
      address.stop();
      syncs.stop();
      stream.close();
      frames.stop();
      stopTicking();
      stopAsking();
      jobs.list.stop();
    },
  };
}

function firstSteps() {
  return h(
    "p",
    { class: "empty", hidden: true },
    "Nothing has run yet. ",
    h("code", {}, "synctail run SYNC"),
    " runs a sync of the configuration; ",
    h("code", {}, "synctail exec NAME -- PROGRAM"),
    " shows any program.",
  );
}
