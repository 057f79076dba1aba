// @ts-check
/** Shows whether the view is live, and else since when it is not. */
import { h, setAttribute, setHidden, setText } from "./dom.js";
import { clockTime, everySecond, known, relative, setHeard } from "./time.js";

/** @typedef {import("./view.d.ts").LinkState} LinkState */

/** A shorter break shows no banner, in milliseconds. */
const PATIENCE_MS = 1_000;

/** How the view is followed, in words. @type {Readonly<Record<LinkState["kind"], string>>} */
export const LINK_WORDS = {
  none: "",
  connecting: "Connecting",
  live: "Live",
  lost: "Reconnecting",
  offline: "Offline",
  resting: "Not followed",
  over: "Ended",
};

/** Whether what is shown is from before. @param {LinkState["kind"]} kind */
export function isOld(kind) {
  return kind === "lost" || kind === "offline" || kind === "resting";
}

/** The word in the page's head, and the banner while the view is not live. */
export function linkState() {
  const word = h("span");
  const pill = h("span", { class: "link-pill", hidden: true }, h("span", { class: "dot" }), word);
  const banner = h("p", { class: "banner", role: "status", hidden: true });
  /** @type {LinkState} */
  let state = { kind: "none" };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let patience;

  function tell() {
    const { kind } = state;
    const why = kind === "offline" ? "This browser is offline" : "The connection is lost";
    setText(
      banner,
      `${why}. Last heard at ${clockTime(known())}: the numbers below are from then.` +
        (kind === "offline" ? "" : " Trying again."),
    );
    document.body.classList.add("old");
  }

  /** @param {LinkState} given */
  function show(given) {
    state = given;
    const { kind } = state;
    setHeard(isOld(kind) ? state.heardMs : undefined);
    setHidden(pill, kind === "none");
    setAttribute(pill, "data-link", kind);
    setText(word, LINK_WORDS[kind]);
    if (kind === "lost") {
      patience ??= setTimeout(tell, PATIENCE_MS);
      return;
    }
    clearTimeout(patience);
    patience = undefined;
    if (kind === "offline") return tell();
    setHidden(banner, true);
    document.body.classList.remove("old");
  }

  everySecond(() => {
    const lost = state.kind === "lost" || state.kind === "offline";
    setText(
      word,
      lost && !banner.hidden
        ? `${LINK_WORDS[state.kind]}, heard ${relative(known())}`
        : LINK_WORDS[state.kind],
    );
  });
  return { pill, banner, show };
}
