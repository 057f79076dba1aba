// @ts-check
/** Signs with a shape of their own, so that nothing is told by colour alone. */

const SVG = "http://www.w3.org/2000/svg";

/** Strokes in a box of 16. */
const STROKES = {
  pending: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11",
  in_progress: "M8 2.5a5.5 5.5 0 1 1-5.5 5.5",
  cancelling: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M6 6h4v4h-4z",
  completed: "M2.5 8.5l3.5 3.5l7.5-8",
  failed: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  cancelled: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M4.2 4.2l7.6 7.6",
  stalled: "M5.5 3v10M10.5 3v10",
  warning: "M8 2.5l6 11h-12zM8 6.5v3M8 11.5v.1",
};

/**
 * @param {string} name of a status, or `stalled` or `warning`
 * @returns {SVGSVGElement} hidden from screen readers: words stand beside it
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", STROKES[/** @type {keyof typeof STROKES} */ (name)] ?? STROKES.pending);
  svg.append(path);
  return svg;
}
