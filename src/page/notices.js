// @ts-check
/** Short words at the page's lower edge, read aloud once. */
import { h } from "./dom.js";

/** How long one is shown, in milliseconds: at least, and for each character. */
const SHOWN_MS = 6_000;
const CHARACTER_MS = 80;
const NOTICES_MAX = 3;

/**
 * @param {string} text
 * @param {HTMLAnchorElement} [link]
 */
export function notice(text, link) {
  const box = document.getElementById("notices");
  if (!box) return;
  const node = h("p", { class: "notice" }, text, link && " ", link);
  box.append(node);
  while (box.children.length > NOTICES_MAX) box.firstElementChild?.remove();
  const shownMs = Math.max(SHOWN_MS, text.length * CHARACTER_MS) * (link ? 3 : 1);
  const leave = () => {
    // Somebody reads it, copies from it, or is about to follow its link.
    if (node.matches(":hover, :focus-within")) setTimeout(leave, SHOWN_MS);
    else node.remove();
  };
  setTimeout(leave, shownMs);
}
