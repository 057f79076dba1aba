// @ts-check
/** Time in words, by the server's clock: the browser's may be wrong. */

/** Smaller differences between the clocks count as network delay, in milliseconds. */
const SKEW_MS = 2_000;

let skewMs = 0;
/** @type {number | undefined} */
let heardMs;

/** Learns how far the browser's clock is off. @param {Response} response */
export function learnTime(response) {
  const date = Date.parse(response.headers.get("Date") ?? "");
  if (Number.isNaN(date)) return;
  const difference = date - Date.now();
  skewMs = Math.abs(difference) > SKEW_MS ? difference : 0;
}

/** Now by the server's clock, in milliseconds since 1970. */
export function now() {
  return Date.now() + skewMs;
}

/**
 * The moment that the view shows, by the server's clock: now, or while the stream is away the time
 * of its last frame.
 */
export function known() {
  // The browser's clock may have been put back since.
  return heardMs === undefined ? now() : Math.min(heardMs, Date.now()) + skewMs;
}

/** @param {number | undefined} ms of the last frame, by the browser's clock; undefined while live */
export function setHeard(ms) {
  heardMs = ms;
}

let toldMs = 0;

/** @param {number} ms when a list was last told whole, by the browser's clock; 0 for never */
export function setTold(ms) {
  toldMs = ms;
}

/** The moment up to which a list knows who has been silent, by the server's clock. */
export function told() {
  return Math.min(toldMs, Date.now()) + skewMs;
}

/** `under 1 s`, `8 s`, `1 min 20 s`, `2 h 5 min`, `3 d 4 h` @param {number} ms */
export function duration(ms) {
  if (ms < 1_000) return "under 1 s";
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3_600) return pair(s, 60, "min", 1, "s");
  if (s < 86_400) return pair(s, 3_600, "h", 60, "min");
  return pair(s, 86_400, "d", 3_600, "h");
}

/**
 * @param {number} s
 * @param {number} large
 * @param {string} largeName
 * @param {number} small
 * @param {string} smallName
 */
function pair(s, large, largeName, small, smallName) {
  const rest = Math.floor((s % large) / small);
  const first = `${Math.floor(s / large)} ${largeName}`;
  return rest === 0 ? first : `${first} ${rest} ${smallName}`;
}

/** `8 s ago`, `3 min ago`, `in 2 h` @param {number} atMs */
export function relative(atMs) {
  const ms = now() - atMs;
  const s = Math.round(Math.abs(ms) / 1000);
  if (s < 2) return ms < -500 ? "in a moment" : "just now";
  const [unit, name] = s < 60
    ? [1, "s"]
    : s < 3_600
    ? [60, "min"]
    : s < 86_400
    ? [3_600, "h"]
    : [86_400, "d"];
  const text = `${Math.floor(s / unit)} ${name}`;
  return ms < 0 ? `in ${text}` : `${text} ago`;
}

/**
 * As `relative`, of what has happened: it is not to come where the server's clock is ahead.
 *
 * @param {number} atMs
 */
export function ago(atMs) {
  return relative(Math.min(atMs, now()));
}

/** As `relative`, of what is to happen; `due` once its time has come. @param {number} atMs */
export function dueIn(atMs) {
  return atMs <= now() ? "due" : relative(atMs);
}

const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const TIME = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
/** @type {Intl.DateTimeFormatOptions} */
const TO_MINUTE = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
const DAY = new Intl.DateTimeFormat("en-GB", TO_MINUTE);
const DAY_TO_SECOND = new Intl.DateTimeFormat("en-GB", { ...TO_MINUTE, second: "2-digit" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

/** The time of day. @param {number} atMs */
export function clockTime(atMs) {
  return CLOCK.format(atMs);
}

/** The time of day as in the log and the chart: in 24 hours. @param {number} atMs */
export function timeOfDay(atMs) {
  return TIME.format(atMs);
}

/** The day, and the time of day without seconds. @param {number} atMs */
export function dayAndTime(atMs) {
  return DAY.format(atMs);
}

/** The time of day, with the date where that is not today's. @param {number} atMs */
export function shortTime(atMs) {
  return isToday(atMs) ? timeOfDay(atMs) : dayAndTime(atMs);
}

/** As `shortTime`, with the seconds of other days too: of a line in the log. @param {number} atMs */
export function lineTime(atMs) {
  return isToday(atMs) ? timeOfDay(atMs) : DAY_TO_SECOND.format(atMs);
}

/** @param {number} atMs */
function isToday(atMs) {
  return new Date(atMs).toDateString() === new Date(now()).toDateString();
}

/** Date and time, with the zone. @param {number} atMs */
export function fullTime(atMs) {
  return FULL.format(atMs);
}

/**
 * Shows a time as relative, with the absolute time as its title.
 *
 * @param {HTMLTimeElement} node
 * @param {string | null | undefined} iso hidden when there is none
 * @param {(atMs: number) => string} [words] as relative as `ago`, which is used when left out
 * @returns {boolean} whether there is one
 */
export function showTime(node, iso, words = ago) {
  const atMs = Date.parse(iso ?? "");
  const none = Number.isNaN(atMs);
  node.hidden = none;
  if (none) return false;
  const text = words(atMs);
  if (node.textContent !== text) node.textContent = text;
  if (node.dateTime !== iso) {
    node.dateTime = iso ?? "";
    node.title = fullTime(atMs);
  }
  return true;
}

/** Calls back about once a second while the page is seen. @param {() => void} tick */
export function everySecond(tick) {
  const timer = setInterval(() => {
    if (!document.hidden) tick();
  }, 1_000);
  return () => clearInterval(timer);
}

/** As `everySecond`, about once a minute. @param {() => void} tick */
export function everyMinute(tick) {
  let lastMs = Date.now();
  return everySecond(() => {
    if (Math.abs(Date.now() - lastMs) < 60_000) return;
    lastMs = Date.now();
    tick();
  });
}

/**
 * Calls `act` when `soon` is called, but at most once in so many milliseconds: what is asked for
 * meanwhile is done once, afterwards. `stop` calls that off.
 *
 * @param {number | (() => number)} ms asked for at each call of `act`
 * @param {(quietly?: boolean) => void} act gets what `soon` was given, but for the one afterwards
 */
export function atMostEvery(ms, act) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let pause;
  let again = false;
  /** @param {boolean} [quietly] */
  function soon(quietly) {
    again = pause !== undefined;
    if (again) return;
    pause = setTimeout(() => {
      pause = undefined;
      if (again) soon();
    }, typeof ms === "number" ? ms : ms());
    act(quietly);
  }
  return {
    soon,
    stop() {
      clearTimeout(pause);
      pause = undefined;
    },
  };
}
