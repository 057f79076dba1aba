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

/** The word in the page's head, the banner while the view is not live, and words for its end. */
export function linkState() {
  const word = h("span");
  const pill = h("span", { class: "link-pill", hidden: true }, h("span", { class: "dot" }), word);
  const banner = h("p", { class: "banner", role: "status", hidden: true });
  const back = h("span", { class: "unseen", role: "status" }); // the banner goes without a word
  /** @type {LinkState} */
  let state = { kind: "none" };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let patience;

  function tell() {
    const { kind, heardMs } = state;
    const why = kind === "offline" ? "This browser is offline." : "The connection is lost.";
    const from = `Last heard at ${clockTime(known())}: the numbers below are from then.`;
    const more = [why, heardMs !== 0 && from, kind !== "offline" && "Trying again."];
    setText(banner, more.filter((words) => words !== false).join(" "));
    setText(back, "");
    document.body.classList.add("old");
    tellWord();
  }

  function tellWord() {
    const { kind, heardMs } = state;
    const since = isOld(kind) && heardMs !== 0 && !banner.hidden; // no banner where it rests
    setText(word, `${LINK_WORDS[kind]}${since ? `, heard ${relative(known())}` : ""}`);
  }

  /** @param {LinkState} given */
  function show(given) {
    state = given;
    const { kind } = state;
    setHeard(isOld(kind) ? state.heardMs || undefined : undefined);
    setHidden(pill, kind === "none");
    setAttribute(pill, "data-link", kind);
    if (kind === "lost") {
      patience ??= setTimeout(tell, PATIENCE_MS);
      return tellWord(); // as it is: each attempt tells of it
    }
    clearTimeout(patience);
    patience = undefined;
    if (kind === "offline") return tell();
    if (kind === "live" && !banner.hidden) setText(back, "The connection is back.");
    setHidden(banner, true);
    document.body.classList.remove("old");
    tellWord();
  }

  everySecond(tellWord);
  return { pill, banner, back, show };
}
