// @ts-check
/** What a view shows until the server has answered. */
import { reasonOf, Refused } from "./api.js";
import { h, setText } from "./dom.js";

/** @typedef {import("./view.d.ts").Place} Place */
/** @typedef {import("./view.d.ts").View} View */

const RETRY_MS = 2_000;

/**
 * Shows what `load` answers; tries again while the server is away, or says that it is asked too much.
 *
 * @template Answer
 * @param {Place} place
 * @param {object} options
 * @param {(signal: AbortSignal) => Promise<Answer>} options.load
 * @param {(answer: Answer) => View | undefined} options.show in the emptied place
 * @param {(refusal: Refused) => void} options.refused called when the server refuses
 * @returns {View}
 */
export function loadingView(place, { load, show, refused }) {
  const leaving = new AbortController();
  /** @type {View | undefined} */
  let shown;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let retry;
  const words = h("p", { class: "lone", role: "status" }, "Loading");
  place.root.append(words);

  async function begin() {
    try {
      const answer = await load(leaving.signal);
      place.root.replaceChildren();
      shown = show(answer);
    } catch (cause) {
      if (leaving.signal.aborted) return;
      if (cause instanceof Refused && cause.status === 401) return place.signedOut(cause.message);
      const passes = !(cause instanceof Refused) || cause.status === 429 || cause.status >= 500;
      if (!passes) return refused(cause);
      setText(words, `${reasonOf(cause)}. Trying again.`);
      retry = setTimeout(begin, RETRY_MS);
    }
  }
  begin();

  return {
    leave() {
      leaving.abort();
      clearTimeout(retry);
      shown?.leave();
    },
  };
}

/**
 * What is shown where there is nothing.
 *
 * @param {Place} place
 * @param {string} words
 * @param {string} back of the link to the first page
 */
export function showNothing(place, words, back) {
  const link = h("p", {}, h("a", { href: "./" }, back));
  const focused = place.root.contains(document.activeElement);
  place.root.replaceChildren(h("div", { class: "lone", role: "alert" }, h("h1", {}, words), link));
  if (focused) place.root.focus({ preventScroll: true }); // what had it is gone
}
