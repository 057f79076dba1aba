// @ts-check
/** The last runs of a sync side by side: how long each took, and how it ended. */
import { h, setAttribute, setHidden } from "./dom.js";
import { icon } from "./icons.js";
import { ago, duration } from "./time.js";
import { isEnded, isStalled, STATUS_WORDS } from "./words.js";

/** @typedef {import("./wire.d.ts").Listed} Listed */

/** Runs in the strip. */
export const RUNS = 30;

/** One bar a run: its height is the duration, its sign the status. @param {number} stallAfterMs */
export function runsStrip(stallAfterMs) {
  const node = h("ol", { class: "strip", "aria-label": `The last ${RUNS} runs, oldest first` });
  /** @type {Map<string, ReturnType<typeof stripBar>>} */
  const bars = new Map();
  return {
    node,
    /** @param {readonly Listed[]} runs */
    show(runs) {
      setHidden(node, runs.length === 0);
      const longest = Math.max(1, ...runs.map((job) => tookMs(job) ?? 0));
      for (const [id, bar] of bars) {
        if (runs.some((job) => job.id === id)) continue;
        bar.node.remove();
        bars.delete(id);
      }
      for (const [index, job] of runs.entries()) {
        let bar = bars.get(job.id);
        if (!bar) bars.set(job.id, bar = stripBar(job.id, stallAfterMs));
        bar.show(job, (tookMs(job) ?? 0) / longest);
        if (node.children[index] !== bar.node) {
          node.insertBefore(bar.node, node.children[index] ?? null);
          node.scrollLeft = node.scrollWidth; // to the newest, where not all runs have room
        }
      }
    },
  };
}

/** @param {string} id @param {number} stallAfterMs */
function stripBar(id, stallAfterMs) {
  const fill = h("span", { class: "strip-fill" });
  const sign = h("span", { class: "strip-sign" });
  const link = h("a", { href: `job/${id}` }, fill, sign);
  let shown = "";
  return {
    node: h("li", {}, link),
    /** @param {Listed} job @param {number} height of 1 */
    show(job, height) {
      const stalled = isStalled(job, stallAfterMs);
      const word = stalled ? "stalled" : job.status;
      if (shown !== word) {
        shown = word;
        link.dataset.status = word;
        sign.replaceChildren(icon(word));
      }
      fill.style.transform = `scaleY(${Math.max(0.06, height)})`;
      const took = tookMs(job);
      const at = job.ended_at ?? job.started_at ?? job.created_at;
      const words = `${stalled ? "Stalled" : STATUS_WORDS[job.status]} ${ago(Date.parse(at))}` +
        (took === undefined || !isEnded(job.status) ? "" : `, took ${duration(took)}`);
      setAttribute(link, "aria-label", words);
      setAttribute(link, "title", words);
    },
  };
}

/** Undefined while it is on its way, or where it never began. @param {Listed} job */
export function tookMs({ started_at, ended_at }) {
  if (started_at === null || ended_at === null) return undefined;
  return Date.parse(ended_at) - Date.parse(started_at);
}
