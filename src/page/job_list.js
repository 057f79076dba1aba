// @ts-check
/** Rows of jobs, each a link to its job. */
import { apart, h, setAttribute, setHidden, setText } from "./dom.js";
import { icon } from "./icons.js";
import { ago, duration, fullTime, known } from "./time.js";
import { VirtualList } from "./virtual_list.js";
import {
  BETWEEN,
  counts,
  isEnded,
  isOfBytes,
  isQuiet,
  isStalled,
  percent,
  rate,
  shareOf,
  shortId,
  STATUS_WORDS,
  title,
  titleParts,
  warningsOf,
} from "./words.js";

/** @typedef {import("./jobs_store.js").Held} Held */
/** @typedef {import("./wire.d.ts").Listed} Listed */

/**
 * @param {object} options
 * @param {string} options.label
 * @param {number} options.stallAfterMs
 */
export function jobList({ label, stallAfterMs }) {
  const host = h("div", { class: "jobs", role: "list", "aria-label": label, onkeydown: walk });
  const list = new VirtualList({
    host,
    keyOf: (/** @type {Held} */ held) => held.job.id,
    create: () => jobRow(stallAfterMs),
  });
  return { node: host, list };
}

/** The arrow keys go from row to row. @param {Event} event */
function walk(event) {
  const { key, target } = /** @type {KeyboardEvent} */ (event);
  if (!(target instanceof HTMLElement) || (key !== "ArrowDown" && key !== "ArrowUp")) return;
  const row = target.closest("[role=listitem]");
  const next = key === "ArrowDown" ? row?.nextElementSibling : row?.previousElementSibling;
  const link = next?.querySelector("a");
  if (!row || (!link && isAtEnd(row, key))) return;
  event.preventDefault();
  if (link) link.focus();
  else row.scrollIntoView({ block: "nearest" }); // the rows beside it are drawn once it is seen
}

/** Whether no row comes after it that way. @param {Element} row @param {string} key */
function isAtEnd(row, key) {
  const place = row.getAttribute("aria-posinset");
  return place === (key === "ArrowDown" ? row.getAttribute("aria-setsize") : "1");
}

/** @param {number} stallAfterMs */
function jobRow(stallAfterMs) {
  const state = h("span", { class: "job-state" });
  const name = h("span", { class: "job-name", dir: "auto" }); // cut at the end of what it says
  const tags = h("span", { class: "job-tags" });
  const what = h("span", { class: "job-what", dir: "auto" });
  const fill = h("span", { class: "mini-fill" });
  const bar = h("span", { class: "mini", "aria-hidden": "true" }, fill);
  const share = h("span", { class: "job-share" });
  const tally = h("span", { class: "job-tally" });
  const pace = h("span", { class: "job-pace" });
  const when = h("time", { class: "job-when" });
  const link = h(
    "a",
    { class: "job-link" },
    state,
    h("span", { class: "job-title" }, name, tags),
    what,
    h("span", { class: "job-bar" }, bar, share),
    tally,
    pace,
    when,
  );
  const node = h("div", { class: "job-row", role: "listitem" }, link);
  let shown = "";
  return {
    node,
    show(/** @type {Held} */ { job }, /** @type {number} */ index, /** @type {number} */ count) {
      setAttribute(node, "aria-posinset", index + 1);
      setAttribute(node, "aria-setsize", count);
      const over = isEnded(job.status);
      const stalled = isStalled(job, stallAfterMs);
      const word = stalled ? "stalled" : job.status;
      if (shown !== `${job.id} ${word}`) {
        shown = `${job.id} ${word}`;
        link.href = `job/${job.id}`;
        setAttribute(node, "data-status", word);
        const words = stalled ? "Stalled" : STATUS_WORDS[job.status];
        state.replaceChildren(icon(word), h("span", {}, words));
        const warned = warningsOf(job);
        setAttribute(state, "title", warned || undefined);
        if (warned) state.append(h("span", { class: "unseen" }, `, ${warned}`), icon("warning"));
        const id = job.sync === null && job.name === null ? undefined : shortId(job.id);
        name.replaceChildren(
          ...apart(titleParts(job), BETWEEN),
          " ",
          id === undefined ? "" : h("small", { dir: "ltr" }, id),
        );
        setAttribute(name, "title", title(job));
        tags.replaceChildren(
          ...job.tags.slice(0, 4).map((tag) => h("span", { class: "tag", dir: "auto" }, tag)),
        );
      }
      setText(what, whatOf(job, stalled));
      setAttribute(node, "data-reason", typeof job.error === "string");
      setAttribute(what, "title", job.error ?? undefined);
      const part = shareOf(job);
      setHidden(bar, part === undefined);
      if (part !== undefined) fill.style.transform = `scaleX(${part / 100})`;
      setText(share, part === undefined ? "" : percent(part));
      setAttribute(share, "title", isOfBytes(job) ? "of bytes" : undefined);
      setText(tally, counts(job));
      setText(pace, over ? tookOf(job) : paceOf(job));
      const at = job.ended_at ?? job.started_at ?? job.created_at;
      setText(when, ago(Date.parse(at)));
      if (when.dateTime !== at) {
        when.dateTime = at;
        const verb = job.ended_at ? "Ended" : job.started_at ? "Started" : "Created";
        when.title = `${verb} ${fullTime(Date.parse(at))}`;
      }
    },
  };
}

/** @param {Listed} job @param {boolean} stalled */
function whatOf(job, stalled) {
  if (job.error !== null && job.error !== undefined) return job.error;
  if (job.status === "completed") return counts(job);
  if (isEnded(job.status)) return "";
  if (stalled) return `Silent for ${duration(known() - Date.parse(job.heard_at))}`;
  return [job.phase, job.current].filter((part) => part !== undefined).join(" \u00b7 ");
}

/** @param {Listed} job */
function paceOf(job) {
  if (isQuiet(Date.parse(job.last_update_timestamp))) return "";
  const parts = [
    job.rate_per_s === undefined ? undefined : rate(job.rate_per_s),
    job.eta_s === undefined ? undefined : `${duration(job.eta_s * 1000)} left`,
  ];
  return parts.filter((part) => part !== undefined).join(", ");
}

/** @param {Listed} job */
function tookOf(job) {
  if (job.started_at === null || job.ended_at === null) return "";
  return `took ${duration(Date.parse(job.ended_at) - Date.parse(job.started_at))}`;
}
