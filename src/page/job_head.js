// @ts-check
/** The upper part of a job's page: title, status, and buttons. */
import { apart, h, setHidden, setText } from "./dom.js";
import { icon } from "./icons.js";
import { cancelJob, copyCurl, mayRun, runSync } from "./runs.js";
import { duration, known } from "./time.js";
import { BETWEEN, isEnded, shortId, STATUS_WORDS, title, titleParts, warningsOf } from "./words.js";

/** @typedef {import("./wire.d.ts").Job} Job */
/** @typedef {import("./view.d.ts").Place} Place */

/** @param {Place} place @param {Job} first */
export function jobHead(place, first) {
  const { id, sync_id } = first;
  const name = title(first);
  let told = STATUS_WORDS[first.status];
  const may = mayRun(place);
  const state = h("span", { class: "status" });
  const said = h("span", { class: "unseen", role: "status" });
  const stall = h("p", { class: "stall", hidden: true }); // `said` tells of it, once
  const error = errorBox();
  const button = (/** @type {string} */ words, /** @type {() => void} */ onclick, kind = "") =>
    h("button", { type: "button", class: kind, onclick }, words);
  const cancel = button("Cancel", () => cancelJob(place, id, name));
  const again = button("Run again", () => {
    if (sync_id !== null) runSync(place, { id: sync_id, name: first.sync ?? name });
  });
  const curl = button("Copy curl", () => copyCurl(id), "quiet");
  const readOnly = h("span", { class: "hint", hidden: may }, "This key may not run or cancel.");

  return {
    name,
    nodes: [
      h(
        "nav",
        { class: "crumbs", "aria-label": "Breadcrumbs" },
        h("a", { href: "./" }, "Jobs"),
        sync_id !== null &&
          h("a", { href: `sync/${sync_id}` }, h("bdi", {}, first.sync ?? shortId(sync_id))),
        h("span", { "aria-current": "page", title: id }, shortId(id)),
      ),
      h(
        "div",
        { class: "job-head" },
        h("h1", { dir: "auto" }, ...apart(titleParts(first), BETWEEN)),
        state,
        said,
        h("span", { class: "grow" }),
        h("div", { class: "actions" }, readOnly, curl, again, cancel),
      ),
      stall,
      error.node,
    ],
    /** @param {Job} job @param {{ stalled: boolean, runnable: boolean }} known */
    show(job, { stalled, runnable }) {
      const over = isEnded(job.status);
      const word = stalled ? "stalled" : job.status;
      const words = STATUS_WORDS[job.status] + (stalled ? ", stalled" : "");
      const warned = warningsOf(job);
      if (state.dataset.status !== word) {
        state.dataset.status = word;
        state.replaceChildren(icon(word), words);
        if (warned) state.append(`, ${warned}`, icon("warning"));
      }
      if (told !== words) {
        told = words;
        setText(said, `${name}: ${words}${warned && `, ${warned}`}`);
      }
      error.show(over ? job.error : null, job.status);
      const focused = document.activeElement === cancel;
      setHidden(cancel, !may || over);
      cancel.disabled = job.status === "cancelling";
      if (focused && (cancel.hidden || cancel.disabled)) place.root.focus({ preventScroll: true });
      setHidden(again, !may || !over || !runnable);
    },
    /** @param {number | undefined} heardMs when the stalled job was last heard of */
    showStall(heardMs) {
      const silence = heardMs === undefined ? "" : duration(known() - heardMs);
      const words = `Nothing has been heard of this job for ${silence}: it may be stuck.`;
      setText(stall, heardMs === undefined ? undefined : words);
    },
  };
}

/** Why the job has failed or was cancelled: the first lines of a long reason, and a button for the rest. */
function errorBox() {
  const said = h("div", { class: "error-said", role: "alert" });
  const words = h("p", { class: "folded", dir: "auto" });
  // Outside of the alert, so that unfolding does not read it aloud again.
  const unfold = h("button", { type: "button", class: "small", hidden: true, onclick: turn });
  const node = h("div", { class: "error-box", hidden: true }, said, unfold);
  // Whether the reason fits depends on the width.
  new ResizeObserver(measure).observe(words);

  function turn() {
    words.classList.toggle("folded");
    measure();
  }

  function measure() {
    const folded = words.classList.contains("folded");
    setText(unfold, folded ? "Show all of it" : "Show less");
    setHidden(unfold, folded && words.scrollHeight <= words.clientHeight + 1);
  }

  return {
    node,
    /** @param {import("./wire.d.ts").JobError | null} error @param {Job["status"]} status */
    show(error, status) {
      setHidden(node, error === null);
      if (error === null || said.childElementCount > 0) return;
      words.textContent = error.message;
      node.dataset.status = status;
      said.append(icon(status), words);
      if (error.code !== undefined) said.append(h("code", {}, error.code));
    },
  };
}
