// @ts-check
/** A job's log lines, and the frames of its stream as they came. */
import { urlOf } from "./api.js";
import { h, setAttribute, setHidden, setText } from "./dom.js";
import { FollowList } from "./follow_list.js";
import { fullTime, lineTime } from "./time.js";
import { number } from "./words.js";

/** @typedef {import("./wire.d.ts").LogLine} LogLine */

/** Log lines that the page keeps; the link leads to all of them. */
const LINES_MAX = 10_000;
/** Log lines that the stream starts with: as many as the server gives at most. */
export const TAIL = 1_000;
/** Frames that the page keeps. */
const FRAMES_MAX = 1_000;

/** What is said where there is no line: before the stream has told of them, and then. */
const LOADING = "Loading";
const NONE = "No log lines of this level.";

/** From the least on. */
const LEVELS = ["debug", "info", "warning", "error"];
/** The level where the address names none. */
const USUAL = "info";

/**
 * The level stands in the address, for a reload and for whom the address is given to.
 *
 * @param {string} id of the job
 * @param {() => void} onLevel called when another level has been chosen
 */
export function logPanel(id, onLevel) {
  const level = h(
    "select",
    {
      id: "log-level",
      onchange: () => {
        tellLevel(level.value);
        onLevel();
      },
    },
    ...LEVELS.map((name) =>
      h("option", { value: name }, name === "error" ? name : `${name} and above`)
    ),
  );
  level.value = levelTold();
  const list = new FollowList({
    label: "Log lines",
    empty: LOADING,
    max: LINES_MAX,
    create: logRow,
    textOf: wholeLine,
  });
  const newest = h("span", { class: "hint", hidden: true }, "These are the newest lines.");
  const node = h(
    "section",
    { class: "card", "aria-labelledby": "log-title" },
    h(
      "div",
      { class: "card-head" },
      h("h2", { id: "log-title" }, "Log"),
      h("label", { for: "log-level", class: "unseen" }, "Least level"),
      level,
      h("span", { class: "grow" }),
      newest,
      h(
        "a",
        { href: urlOf(`v1/sync/job/${id}/logs`), target: "_blank", rel: "noopener" },
        "Whole log",
      ),
    ),
    list.node,
  );
  let n = 0;
  return {
    node,
    get level() {
      return level.value;
    },
    /** @param {LogLine} line @param {number} size of its frame, in characters */
    add(line, size) {
      list.add({ n: ++n, size, line });
      setHidden(newest, list.lines.length < TAIL && !list.dropped);
    },
    /** The stream has told of what there was. */
    told: () => list.sayEmpty(NONE),
    clear() {
      list.clear();
      list.sayEmpty(LOADING);
      setHidden(newest, true);
    },
    stop: () => list.stop(),
  };
}

function levelTold() {
  const level = new URL(location.href).searchParams.get("level") ?? "";
  return LEVELS.includes(level) ? level : USUAL;
}

/** @param {string} level */
function tellLevel(level) {
  const url = new URL(location.href);
  if (level === USUAL) url.searchParams.delete("level");
  else url.searchParams.set("level", level);
  history.replaceState(null, "", url);
}

/** @typedef {{ readonly n: number, readonly size: number, readonly line: LogLine }} Numbered */

function logRow() {
  const time = h("time");
  const level = h("span", { class: "line-level" });
  const text = h("span", { class: "line-text", dir: "auto" }); // cut at the end of what it says
  const node = h("div", { class: "line" }, time, level, text);
  return {
    node,
    show(/** @type {Numbered} */ { line }) {
      setText(time, lineTime(Date.parse(line.time)));
      setText(level, line.level);
      const words = line.message.replaceAll("\n", " ↵ "); // a row is one line high
      setText(text, line.source === undefined ? words : `[${line.source}] ${words}`);
      setAttribute(node, "data-level", line.level);
    },
  };
}

/** @param {Numbered} numbered */
function wholeLine({ line }) {
  const source = line.source === undefined ? "" : ` [${line.source}]`;
  const fields = line.fields === undefined ? "" : `\n${JSON.stringify(line.fields, null, 2)}`;
  return `${fullTime(Date.parse(line.time))} ${line.level}${source}\n${line.message}${fields}`;
}

/** The stream's own text, as any other client gets it. */
export function framesPanel() {
  const count = h("span", { class: "hint" });
  const list = new FollowList({
    label: "Frames",
    empty: "No frame yet.",
    max: FRAMES_MAX,
    create() {
      const text = h("span", { class: "line-text" });
      const node = h("div", { class: "line" }, text);
      return { node, show: (/** @type {RawFrame} */ { raw }) => setText(text, raw) };
    },
    isOpen: /** @returns {boolean} */ () => node.open,
    textOf: ({ raw, id }) => id === "" ? `data: ${raw}` : `data: ${raw}\nid: ${id}`,
  });
  const node = h(
    "details",
    { class: "card", ontoggle: () => list.refresh() },
    h("summary", {}, h("h2", {}, "Raw frames"), count),
    list.node,
  );
  let n = 0;
  return {
    node,
    /** @param {string} raw @param {string} id */
    add(raw, id) {
      list.add({ n: ++n, size: raw.length, raw, id });
    },
    draw: () => setText(count, n === 0 ? undefined : `${number(n)} since this page was opened`),
    stop: () => list.stop(),
  };
}

/**
 * @typedef {{ readonly n: number, readonly size: number, readonly raw: string, readonly id: string }}
 *   RawFrame
 */
