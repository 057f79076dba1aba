// @ts-check
/** Builds elements. Text from outside becomes text, never markup. */
import { atMostEvery } from "./time.js";

/** @typedef {Node | string | undefined | null | false} Child */
/** @typedef {Record<string, string | number | boolean | undefined | EventListener>} Attributes */

/**
 * An element. Attributes that are undefined or false are left out; those that start with `on` are
 * listeners.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else setAttribute(node, name, value);
  }
  node.append(
    ...children.filter((child) => child !== undefined && child !== null && child !== false),
  );
  return node;
}

/**
 * Names side by side. A name that turns the direction of writing does so only for itself, but the
 * first one says by which the names are laid out, where they stand in something with `dir=auto`.
 *
 * @param {readonly string[]} names
 * @param {string} between
 * @returns {readonly (Node | string)[]}
 */
export function apart(names, between) {
  return names.flatMap((name, at) =>
    at === 0 ? [h("span", { class: "apart" }, name)] : [between, h("bdi", {}, name)]
  );
}

/**
 * Sets or removes an attribute, unless it is so already.
 *
 * @param {Element} node
 * @param {string} name
 * @param {string | number | boolean | undefined} value
 */
export function setAttribute(node, name, value) {
  if (value === undefined || value === false) return node.removeAttribute(name);
  const text = value === true ? "" : String(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

/**
 * Sets a text only where it differs, so that nothing is laid out or read aloud again without need.
 *
 * @param {Element} node
 * @param {string | undefined} text hidden when undefined: what is not known is absent
 */
export function setText(node, text) {
  if (node.textContent !== (text ?? "")) node.textContent = text ?? "";
  if (node instanceof HTMLElement) setHidden(node, text === undefined);
}

/**
 * @param {HTMLElement} node
 * @param {boolean} hidden
 */
export function setHidden(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

/** How often a hidden tab, which gets no frames, does what is seen all the same, in milliseconds. */
const HIDDEN_MS = 1_000;
/** Between two drawings of what a stream tells, in milliseconds: nobody reads faster. */
export const REST_MS = 100;

/**
 * Calls `draw` once in the next animation frame, however often `soon` is called before. A hidden tab
 * draws when it is looked at again.
 *
 * @param {() => void} draw
 * @param {() => void} [showTitle] called at most once in HIDDEN_MS while nothing can be drawn
 * @returns {{ soon: () => void, told: () => void, stop: () => void }} `told` is `soon`, but at most
 *   once in REST_MS
 */
export function inFrames(draw, showTitle) {
  let frame = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let late;
  let over = false;
  const callOff = () => {
    cancelAnimationFrame(frame);
    clearTimeout(late);
    frame = 0;
    late = undefined;
  };
  const now = () => {
    callOff();
    draw();
  };
  const titleNow = () => {
    late = undefined;
    showTitle?.();
  };
  const soon = () => {
    if (over) return;
    frame ||= requestAnimationFrame(now);
    if (showTitle) late ??= setTimeout(titleNow, HIDDEN_MS);
  };
  const news = atMostEvery(REST_MS, soon);
  return {
    soon,
    told: () => news.soon(),
    stop() {
      over = true;
      news.stop();
      callOff();
    },
  };
}
