// @ts-check
/** A long list of which only what can be seen is in the document. */
import { inFrames } from "./dom.js";

/** Rows drawn beyond each edge of the visible part. */
const MARGIN = 8;

/**
 * A row: an element, and a function that shows an item in it.
 *
 * @template Item
 * @typedef {{ readonly node: HTMLElement, show(item: Item, index: number, count: number): void }} Row
 */

/**
 * Rows have one height, which the stylesheet gives the host as `--row`.
 *
 * @template Item
 */
export class VirtualList {
  /** @type {readonly Item[]} */
  #items = [];
  /** @type {Map<unknown, Row<Item>>} */
  #rows = new Map();
  /** @type {Row<Item>[]} */
  #spare = [];
  /** Where each row was drawn. @type {WeakMap<Row<Item>, number>} */
  #places = new WeakMap();
  #rowPx = 0;
  #options;
  #frames;
  #resized;
  #scrolls;

  /**
   * @param {object} options
   * @param {HTMLElement} options.host
   * @param {HTMLElement} [options.scroller] the window when left out
   * @param {(item: Item) => unknown} options.keyOf
   * @param {() => Row<Item>} options.create
   * @param {() => void} [options.sized] called before each drawing, once the host has its height
   * @param {() => void} [options.drawn] called after each drawing
   */
  constructor(options) {
    this.#options = options;
    this.#frames = inFrames(() => this.#draw());
    let before = 0;
    this.#resized = new ResizeObserver(([{ contentRect: { width } }]) => {
      if (width === before) return; // each item changes the height
      before = width;
      this.#frames.soon();
    });
    this.#resized.observe(options.host);
    this.#scrolls = options.scroller ?? document;
    this.#scrolls.addEventListener("scroll", this.#scrolled, { passive: true });
    addEventListener("resize", this.#scrolled);
  }

  /** The height of a row in pixels. */
  get rowPx() {
    return this.#rowPx ||= rowHeight(this.#options.host) || 40;
  }

  /**
   * Shows these items.
   *
   * @param {readonly Item[]} items
   * @param {boolean} [steady] keeps the visible rows in place when rows above them come or go
   */
  set(items, steady = false) {
    const { first, end } = steady ? this.#seen() : { first: 0, end: 0 };
    const seen = first > 0 ? this.#items.slice(first, end) : [];
    this.#items = items;
    const by = this.#moved(seen, first);
    if (by !== 0) {
      this.#size();
      (this.#options.scroller ?? window).scrollBy(0, by * this.rowPx);
    }
    this.#frames.soon();
  }

  /** Draws again soon: items have changed in place. */
  refresh() {
    this.#frames.soon();
  }

  /** Draws now. */
  flush() {
    this.#draw();
  }

  /** The element of an item that is drawn. @param {unknown} key */
  nodeOf(key) {
    return this.#rows.get(key)?.node;
  }

  stop() {
    this.#frames.stop();
    this.#resized.disconnect();
    this.#scrolls.removeEventListener("scroll", this.#scrolled);
    removeEventListener("resize", this.#scrolled);
  }

  #scrolled = () => this.#frames.soon();

  /** Indexes of the first visible row and of the first one after the visible ones. */
  #seen() {
    const { host, scroller } = this.#options;
    const top = scroller ? scroller.getBoundingClientRect().top + scroller.clientTop : 0;
    const height = scroller ? scroller.clientHeight : innerHeight;
    const offset = top - host.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(offset / this.rowPx));
    return { first, end: Math.ceil((offset + height) / this.rowPx) };
  }

  /**
   * How many rows down those that were seen are now: as the least of them, since one that is sorted
   * elsewhere takes nobody with it.
   *
   * @param {readonly Item[]} seen
   * @param {number} first index of the first of them before
   */
  #moved(seen, first) {
    const { keyOf } = this.#options;
    const items = this.#items;
    let least = Infinity;
    for (const [n, was] of seen.entries()) {
      const at = first + n;
      const key = keyOf(was);
      const isAt = (/** @type {number} */ index) => index in items && keyOf(items[index]) === key;
      // Outwards, since most have moved by few: all of thousands of items are not looked at.
      const most = Math.max(at, items.length - at);
      for (let by = 0; by < Math.abs(least) && by <= most; by++) {
        if (isAt(at + by)) least = by;
        else if (isAt(at - by)) least = -by;
      }
    }
    return least === Infinity ? 0 : least;
  }

  #size() {
    const height = `${this.#items.length * this.rowPx}px`;
    const { style } = this.#options.host;
    if (style.height !== height) style.height = height;
  }

  #draw() {
    const { host, keyOf, create, sized, drawn } = this.#options;
    this.#rowPx = 0; // people make text larger while they read, which no event tells
    this.#size();
    sized?.();
    const { first, end } = this.#seen();
    const items = this.#items;
    const from = Math.min(items.length, Math.max(0, first - MARGIN));
    const to = Math.max(from, Math.min(items.length, end + MARGIN));
    /** @type {Map<unknown, number>} */
    const wanted = new Map();
    for (let index = from; index < to; index++) wanted.set(keyOf(items[index]), index);
    /** Where the row was that had the focus and whose item is gone. @type {number | undefined} */
    let lost;
    for (const [key, row] of this.#rows) {
      if (wanted.has(key)) continue;
      // A row that has the focus stays, hidden: else the keyboard would lose its place.
      if (row.node.contains(document.activeElement)) {
        const index = items.findIndex((item) => keyOf(item) === key);
        if (index >= 0) {
          wanted.set(key, index);
          continue;
        }
        lost = this.#places.get(row);
      }
      row.node.remove();
      this.#rows.delete(key);
      if (this.#spare.length < 2 * MARGIN) this.#spare.push(row);
    }
    let next = host.firstElementChild;
    const inOrder = [...wanted].sort(([, a], [, b]) => a - b);
    for (const [key, index] of inOrder) {
      let row = this.#rows.get(key);
      if (!row) {
        row = this.#spare.pop() ?? create();
        this.#rows.set(key, row);
      }
      row.show(items[index], index, items.length);
      this.#places.set(row, index);
      const place = `translateY(${index * this.rowPx}px)`;
      if (row.node.style.transform !== place) row.node.style.transform = place;
      if (row.node === next) next = next.nextElementSibling;
      else {
        const focused = row.node.contains(document.activeElement) ? document.activeElement : null;
        host.insertBefore(row.node, next);
        if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
      }
    }
    if (lost !== undefined) this.#focusAt(lost);
    drawn?.();
  }

  /**
   * Gives the focus to the row at that place, or to the last one, or to what the list lies in.
   *
   * @param {number} place
   */
  #focusAt(place) {
    const { host, keyOf } = this.#options;
    const item = this.#items[Math.min(place, this.#items.length - 1)];
    const link = item && this.nodeOf(keyOf(item))?.querySelector("a");
    /** @type {HTMLElement | null} */
    const around = host.closest("[tabindex]");
    (link ?? around)?.focus({ preventScroll: true });
  }
}

/**
 * The height of a row in pixels. Browsers that do not know `@property` leave it in rem.
 *
 * @param {HTMLElement} host
 */
function rowHeight(host) {
  const row = getComputedStyle(host).getPropertyValue("--row");
  if (!row.trim().endsWith("rem")) return parseFloat(row);
  return parseFloat(row) * parseFloat(getComputedStyle(document.documentElement).fontSize);
}
