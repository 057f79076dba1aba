// @ts-check
/** Lines as they come: the newest are kept and followed, until somebody scrolls up to read. */
import { h, REST_MS, setAttribute, setHidden, setText } from "./dom.js";
import { atMostEvery } from "./time.js";
import { VirtualList } from "./virtual_list.js";
import { many } from "./words.js";

/** Characters of the lines that are kept: a line may have a million. */
const SIZE_MAX = 16 * 1024 * 1024;
/** How near the end still counts as the end, in pixels: parts of one that rounding leaves. */
const NEAR_PX = 1;

let lists = 0;

/**
 * A listbox: the arrow keys go from line to line, and the chosen line is shown whole below.
 *
 * @template {{ readonly n: number, readonly size: number }} Line `n` counts the lines, from 1;
 *   `size` is in characters
 */
export class FollowList {
  /** @type {Line[]} */
  #lines = [];
  #size = 0;
  #dropped = false;
  /** @type {Line | undefined} */
  #chosen;
  #following = true;
  #seenN = 0;
  #lastN = 0;
  #news = atMostEvery(REST_MS, () => this.refresh());
  #id = `lines-${++lists}`;
  #options;
  #list;
  #scroller;
  #host;
  #more;
  #whole;
  #empty;

  /**
   * @param {object} options
   * @param {string} options.label
   * @param {string} options.empty what is said where there is no line yet
   * @param {number} options.max lines that are kept
   * @param {() => { readonly node: HTMLElement, show(line: Line): void }} options.create
   * @param {(line: Line) => string} options.textOf the whole line
   * @param {() => boolean} [options.isOpen] whether it can be seen at all; `refresh` tells of it
   */
  constructor(options) {
    this.#options = options;
    this.#host = h("div", { class: "lines-host", role: "presentation" });
    this.#scroller = h("div", {
      class: "lines",
      role: "listbox",
      "aria-label": options.label,
      tabindex: 0,
      onscroll: () => this.#scrolled(),
      onkeydown: (event) => this.#key(/** @type {KeyboardEvent} */ (event)),
      oncopy: (event) => this.#copy(/** @type {ClipboardEvent} */ (event)),
    }, this.#host);
    this.#empty = h("p", { class: "lines-empty" }, options.empty);
    this.#more = h("button", {
      class: "lines-more",
      type: "button",
      hidden: true,
      onclick: () => this.follow(),
    });
    this.#whole = h("pre", { class: "lines-whole", role: "group", tabindex: 0, hidden: true });
    setAttribute(this.#whole, "aria-label", "The chosen line");
    this.node = h(
      "div",
      { class: "lines-box" },
      h("div", { class: "lines-frame" }, this.#scroller, this.#empty, this.#more),
      this.#whole,
    );
    this.#list = new VirtualList({
      host: this.#host,
      scroller: this.#scroller,
      keyOf: (/** @type {Line} */ line) => line.n,
      create: () => this.#row(),
      sized: () => this.#sized(),
      drawn: () => this.#drawn(),
    });
  }

  get lines() {
    return this.#lines;
  }

  /** Whether older lines were let go. */
  get dropped() {
    return this.#dropped;
  }

  /** @param {Line} line */
  add(line) {
    this.#lines.push(line);
    this.#size += line.size;
    this.#lastN = line.n;
    if (this.#lines.length >= 1.1 * this.#options.max || this.#size >= 1.1 * SIZE_MAX) this.#drop();
    // Where nothing is shown, drawing would lay it out all the same.
    if (this.#options.isOpen?.() !== false) this.#news.soon();
  }

  #drop() {
    const many = this.#lines.length - this.#options.max;
    let dropped = 0;
    while (dropped < many || this.#size > SIZE_MAX) this.#size -= this.#lines[dropped++].size;
    this.#lines = this.#lines.slice(dropped);
    this.#dropped = true;
    this.refresh();
    if (!this.#following) this.#scroller.scrollTop -= dropped * this.#list.rowPx;
  }

  clear() {
    this.#lines = [];
    this.#size = 0;
    this.#dropped = false;
    this.#following = true;
    this.#choose(undefined);
    // Who has asked for other lines is told where there are none.
    setAttribute(this.#empty, "role", "status");
  }

  /** Where there is no line, says why. @param {string} words */
  sayEmpty(words) {
    if (this.#empty.textContent !== words) this.#empty.textContent = words;
  }

  /** Goes to the end and stays there. */
  follow() {
    this.#following = true;
    this.#choose(undefined);
    this.#list.flush();
    this.#scroller.focus({ preventScroll: true });
  }

  /** Draws again after the list was hidden. */
  refresh() {
    this.#list.set([...this.#lines]); // others, or each scrolling would show what has come since
  }

  stop() {
    this.#news.stop();
    this.#list.stop();
  }

  #row() {
    const { node, show } = this.#options.create();
    node.setAttribute("role", "option");
    /** @type {Line | undefined} */
    let shown;
    node.addEventListener("click", () => this.#choose(shown === this.#chosen ? undefined : shown));
    return {
      node,
      show: (
        /** @type {Line} */ line,
        /** @type {number} */ index,
        /** @type {number} */ count,
      ) => {
        if (shown !== line) {
          shown = line;
          node.id = `${this.#id}-${line.n}`;
          show(line);
        }
        setAttribute(node, "aria-posinset", index + 1);
        setAttribute(node, "aria-setsize", count);
        setAttribute(node, "aria-selected", String(line === this.#chosen));
      },
    };
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
    const atEnd = scrollTop + clientHeight >= scrollHeight - NEAR_PX;
    if (this.#following && !atEnd) this.#seenN = this.#lastN;
    this.#following = atEnd && this.#chosen === undefined;
    this.#showMore();
  }

  /** Goes to the end before lines are drawn, so that they are drawn once, and there. */
  #sized() {
    setHidden(this.#empty, this.#lines.length > 0);
    this.node.classList.toggle("lines-none", this.#lines.length === 0); // which makes it lower
    if (!this.#following) return;
    const { scrollHeight, clientHeight, scrollTop } = this.#scroller;
    if (scrollTop < scrollHeight - clientHeight - 1) this.#scroller.scrollTop = scrollHeight;
  }

  #drawn() {
    if (this.#following) this.#seenN = this.#lastN;
    this.#showMore();
    const chosen = this.#chosen && this.#list.nodeOf(this.#chosen.n);
    setAttribute(this.#scroller, "aria-activedescendant", chosen?.id);
  }

  #showMore() {
    const count = this.#lastN - this.#seenN;
    const text = count > 0 ? `${many(count, "new line")} \u2193` : "To the end \u2193";
    setText(this.#more, this.#following || this.#lines.length === 0 ? undefined : text);
  }

  /** @param {Line | undefined} line */
  #choose(line) {
    if (line && this.#following) {
      this.#following = false;
      this.#seenN = this.#lastN;
    }
    this.#chosen = line;
    setText(this.#whole, line && this.#options.textOf(line));
    this.refresh();
  }

  /** Copies lines as lines: the browser makes one of each of their parts. @param {ClipboardEvent} event */
  #copy(event) {
    const selection = getSelection();
    // What is selected within one part is one line already.
    if (!selection?.toString().trim().includes("\n")) return;
    const { startContainer, endContainer, endOffset } = selection.getRangeAt(0);
    const rows = [...this.#host.children].filter((row) =>
      selection.containsNode(row, true) &&
      // Three clicks select up to the start of the next line.
      (endOffset > 0 || !row.contains(endContainer) || row.contains(startContainer))
    );
    const lines = rows.map((row) => [...row.children].map((part) => part.textContent).join(" "));
    event.preventDefault();
    event.clipboardData?.setData("text/plain", lines.join("\n"));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { key } = event;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (key === "End") {
      event.preventDefault();
      return this.follow();
    }
    if (key === "Escape" && this.#chosen) return this.#choose(undefined);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -Infinity }[key];
    if (step === undefined || this.#lines.length === 0) return;
    event.preventDefault();
    const rowPx = this.#list.rowPx;
    const last = this.#lines.length - 1;
    const at = this.#chosen ? this.#lines.indexOf(this.#chosen) : step > 0 ? -1 : last + 1;
    const index = Math.max(0, Math.min(last, at + step));
    this.#choose(this.#lines[index]);
    const top = index * rowPx;
    const { scrollTop, clientHeight } = this.#scroller;
    if (top < scrollTop) this.#scroller.scrollTop = top;
    else if (top + rowPx > scrollTop + clientHeight) {
      this.#scroller.scrollTop = top + rowPx - clientHeight;
    }
  }
}
