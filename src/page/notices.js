// @ts-check
/** Short words at the page's lower edge, read aloud once. */
import { h } from "./dom.js";

const SHOWN_MS = 6_000;
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
  setTimeout(() => node.remove(), SHOWN_MS);
}
