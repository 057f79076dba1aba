// @ts-check
/** How far a job has come: bar, counts, entity types. */
import { h, setAttribute, setHidden, setText } from "./dom.js";
import { duration } from "./time.js";
import {
  bytes,
  COUNTS,
  doneOf,
  isEnded,
  isOfBytes,
  number,
  percent,
  rate,
  shareOf,
} from "./words.js";

/** @typedef {import("./wire.d.ts").Totals} Totals */

/** Entity types that are listed; the rest is summed up. */
const TYPES_MAX = 8;

/** The bar, its amounts, and what the job is busy with. */
export function progressPanel() {
  const part = h("span");
  const ofBytes = h("small", { hidden: true }, " of bytes");
  const share = h("span", { class: "share" }, part, ofBytes);
  const amount = h("span", { class: "amount" });
  const pace = h("span", { class: "pace" });
  const left = h("span", { class: "left" });
  const fill = h("div", { class: "bar-fill" });
  const bar = h("div", {
    class: "bar",
    role: "progressbar",
    "aria-label": "Progress",
    "aria-valuemin": 0,
    "aria-valuemax": 100,
  }, fill);
  const phase = h("span", { class: "phase", dir: "auto" });
  const current = h("span", { class: "current", dir: "auto" }); // cut at the end of what it says
  const busy = h("p", { class: "busy" }, phase, current);
  const node = h(
    "div",
    { class: "progress" },
    h("div", { class: "progress-head" }, share, amount, h("span", { class: "grow" }), pace, left),
    bar,
    busy,
  );
  return {
    node,
    /** @param {Totals} totals @param {boolean} quiet whether a rate would be an old one */
    show(totals, quiet) {
      const over = isEnded(totals.status);
      const known = shareOf(totals);
      setHidden(share, known === undefined);
      setText(part, known === undefined ? undefined : percent(known));
      setHidden(ofBytes, totals.status === "completed" || !isOfBytes(totals));
      setText(amount, amountOf(totals));
      setText(pace, over || quiet ? undefined : paceOf(totals));
      setText(
        left,
        over || quiet || totals.eta_s === undefined
          ? undefined
          : `${duration(totals.eta_s * 1000)} left`,
      );
      setHidden(bar, known === undefined);
      if (known !== undefined) {
        fill.style.transform = `scaleX(${known / 100})`;
        setAttribute(bar, "aria-valuenow", known);
        setAttribute(bar, "aria-valuetext", percent(known));
      }
      setText(phase, over ? undefined : totals.phase);
      setText(current, over ? undefined : totals.current);
      setHidden(busy, over || (totals.phase === undefined && totals.current === undefined));
      setHidden(node, [share, amount, pace, left, bar, busy].every(({ hidden }) => hidden));
    },
  };
}

/** `18,821 of 46,810, 1.2 GiB of 3.0 GiB` @param {Totals} totals */
function amountOf(totals) {
  const done = doneOf(totals);
  const parts = [];
  if (totals.total !== undefined) parts.push(`${number(done)} of ${number(totals.total)} entities`);
  else if (done > 0) parts.push(done === 1 ? "1 entity" : `${number(done)} entities`);
  // Zero bytes of an unknown total tell nothing.
  if (totals.bytes_done || totals.bytes_total !== undefined) {
    const all = totals.bytes_total === undefined ? "" : ` of ${bytes(totals.bytes_total)}`;
    parts.push(`${bytes(totals.bytes_done ?? 0)}${all}`);
  }
  return parts.length === 0 ? undefined : parts.join(" \u00b7 ");
}

/** @param {Totals} totals */
function paceOf({ rate_per_s, bytes_per_s, paced }) {
  const parts = [
    rate_per_s === undefined ? undefined : rate(rate_per_s),
    bytes_per_s === undefined ? undefined : `${bytes(bytes_per_s)}/s`,
  ].filter((part) => part !== undefined);
  if (parts.length === 0) return undefined;
  return parts.join(" \u00b7 ") + (paced ? " (held back)" : "");
}

/** The five counts, and warnings where there are any. */
export function countTiles() {
  const tiles = [...COUNTS, /** @type {const} */ ("warnings")].map((name) => {
    const value = h("dd");
    const node = h("div", { class: `tile tile-${name}` }, h("dt", {}, name), value);
    return { name, value, node };
  });
  return {
    node: h("dl", { class: "tiles" }, ...tiles.map(({ node }) => node)),
    /** @param {Totals} totals */
    show(totals) {
      for (const { name, value, node } of tiles) {
        const count = name === "warnings" ? totals.warnings : totals[`entities_${name}`];
        setText(value, number(count ?? 0));
        node.classList.toggle("zero", !count);
        if (name === "warnings") setHidden(node, !count);
      }
    },
  };
}

/** Entities by type, the most frequent first. */
export function typesPanel() {
  const rows = h("tbody");
  const node = h(
    "section",
    { class: "card", "aria-labelledby": "types-title", hidden: true },
    h("h2", { id: "types-title" }, "Entity types"),
    h(
      "table",
      { class: "types" },
      h(
        "thead",
        { class: "unseen" },
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Type"),
          h("th", { scope: "col" }, "Share"),
          h("th", { scope: "col" }, "Entities"),
        ),
      ),
      rows,
    ),
  );
  /** @type {Map<string, ReturnType<typeof typeRow>>} */
  const shown = new Map();
  return {
    node,
    /** @param {Totals} totals */
    show({ entities_encountered }) {
      const met = Object.entries(entities_encountered).filter(([, count]) => count > 0);
      const all = met.sort(([, a], [, b]) => b - a);
      setHidden(node, all.length === 0);
      const most = all.slice(0, all.length > TYPES_MAX ? TYPES_MAX - 1 : TYPES_MAX);
      const rest = all.slice(most.length);
      if (rest.length > 0) {
        most.push([`${rest.length} more types`, rest.reduce((sum, [, count]) => sum + count, 0)]);
      }
      const max = Math.max(...most.map(([, count]) => count), 1);
      for (const [name, row] of shown) {
        if (most.some(([other]) => other === name)) continue;
        row.node.remove();
        shown.delete(name);
      }
      for (const [index, [name, count]] of most.entries()) {
        let row = shown.get(name);
        if (!row) shown.set(name, row = typeRow(name));
        row.show(count, max);
        if (rows.children[index] !== row.node) {
          rows.insertBefore(row.node, rows.children[index] ?? null);
        }
      }
    },
  };
}

/** @param {string} name */
function typeRow(name) {
  const fill = h("div", { class: "type-fill" });
  const value = h("td", { class: "type-count" });
  const node = h(
    "tr",
    {},
    h("th", { scope: "row", title: name, dir: "auto" }, name === "" ? "(none)" : name),
    h("td", { class: "type-bar" }, fill),
    value,
  );
  return {
    node,
    /** @param {number} count @param {number} max */
    show(count, max) {
      fill.style.transform = `scaleX(${count / max})`;
      setText(value, number(count));
    },
  };
}
