// @ts-check
/** The rate over time: as the job's log tells it, and then as the stream does. */
import { h, setAttribute, setHidden } from "./dom.js";
import { dayAndTime, timeOfDay } from "./time.js";
import { rate } from "./words.js";

/** Most points kept; then some are dropped, so that the whole time stays shown. */
const POINTS_MAX = 600;
const HEIGHT_PX = 150;
/** Distances of marks on the time axis, in seconds. */
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200];
const STEPS_DAYS = [1, 2, 7, 30, 365];

const DAY_S = 86_400;
/** `120K`, `1.2M`: there is room for five digits. */
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** @typedef {import("./wire.d.ts").Moment} Moment */
/** @typedef {import("uplot")} Chart */

/** @returns {(new (options: any, data: any, host: HTMLElement) => Chart) | undefined} */
const uplot = () => /** @type {any} */ (globalThis).uPlot;

/**
 * Loads uPlot, which no other part of the page needs. Where that fails there is no chart, until
 * another one tries again.
 *
 * @param {() => void} done not called where it is there already
 */
function loadUplot(done) {
  if (uplot()) return;
  document.head.append(
    h("script", { src: new URL("uplot.js", import.meta.url).href, onload: done }),
  );
}

export class RateChart {
  /** Seconds since 1970. @type {number[]} */
  #times = [];
  /** @type {number[]} */
  #rates = [];
  #stepS = 0.5;
  /** @type {Chart | undefined} */
  #chart;
  /** Whether the points are others than those drawn. */
  #stale = false;
  #box = h("div", { class: "chart", role: "img" });
  /** What changes the colours; paper has those of the light page. */
  #looks = ["(prefers-color-scheme: dark)", "print"].map((look) => matchMedia(look));
  #resized = new ResizeObserver(([{ contentRect }]) => {
    const { width } = contentRect;
    if (width > 0) this.#chart?.setSize({ width, height: HEIGHT_PX });
  });

  constructor() {
    this.node = h(
      "section",
      { class: "card", "aria-label": "Rate", hidden: true },
      h("h2", {}, "Rate"),
      this.#box,
    );
    this.#resized.observe(this.#box);
    for (const look of this.#looks) look.addEventListener("change", this.#recolour);
    loadUplot(() => this.#box.isConnected && this.draw());
  }

  /** @param {number} atMs @param {number} perS */
  add(atMs, perS) {
    this.#stale = true;
    const at = atMs / 1000;
    const last = this.#times.at(-1);
    if (last !== undefined && at - last < this.#stepS) {
      this.#rates[this.#rates.length - 1] = perS;
      return;
    }
    this.#times.push(at);
    this.#rates.push(perS);
    this.#thin();
  }

  /** Puts what came before the stream in front. @param {readonly Moment[]} moments oldest first */
  addBefore(moments) {
    this.#stale = true;
    for (const { time, rate_per_s } of moments.toReversed()) {
      const at = Date.parse(time) / 1000;
      if (rate_per_s === undefined || at >= (this.#times[0] ?? Infinity)) continue;
      this.#times.unshift(at);
      this.#rates.unshift(rate_per_s);
    }
    this.#thin();
  }

  /** Drops where they are close together, so that what is long ago keeps its few. */
  #thin() {
    while (this.#times.length > POINTS_MAX) {
      this.#stepS *= 2;
      let later = Infinity;
      const points = this.#times.map((at, n) => ({ at, perS: this.#rates[n] }));
      const kept = points.toReversed().filter(({ at }) => {
        if (later - at < this.#stepS) return false;
        later = at;
        return true;
      }).toReversed();
      this.#times = kept.map(({ at }) => at);
      this.#rates = kept.map(({ perS }) => perS);
    }
  }

  draw() {
    const Uplot = uplot();
    setHidden(this.node, this.#times.length < 2 || !Uplot);
    if (this.node.hidden || !Uplot || !this.#stale) return; // each log line asks
    this.#stale = false;
    const [least, most] = [Math.min(...this.#rates), Math.max(...this.#rates)];
    const last = this.#rates.at(-1) ?? 0;
    const words = `Rate over time: latest ${rate(last)}, between ${rate(least)} and ${rate(most)}`;
    setAttribute(this.#box, "aria-label", words);
    const data = [this.#times, this.#rates];
    if (this.#chart) return this.#chart.setData(/** @type {any} */ (data));
    this.#chart = new Uplot(this.#options(), data, this.#box);
  }

  stop() {
    this.#resized.disconnect();
    for (const look of this.#looks) look.removeEventListener("change", this.#recolour);
    this.#chart?.destroy();
    this.#chart = undefined;
  }

  #recolour = () => {
    this.#chart?.destroy();
    this.#chart = undefined;
    this.#stale = true;
    this.draw();
  };

  #options() {
    const style = getComputedStyle(this.#box);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const textPx = parseFloat(style.fontSize);
    const axis = {
      stroke: colour("--muted"),
      font: `${textPx}px ${style.fontFamily}`,
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    return {
      width: this.#box.clientWidth || 400,
      height: HEIGHT_PX,
      padding: [8, 2.4 * textPx, 0, 0], // half a label of the time axis may stand beyond its right end
      legend: { show: false },
      cursor: { show: false },
      scales: {
        y: {
          range: (
            /** @type {unknown} */ _,
            /** @type {number} */ _low,
            /** @type {number} */ high,
          ) => [0, Math.max(high * 1.15, 1)],
        },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: 2.4 * textPx,
          space: 8 * textPx,
          incrs: [...STEPS_S, ...STEPS_DAYS.map((days) => days * DAY_S)],
          values: (/** @type {unknown} */ _, /** @type {number[]} */ marks) => {
            const words = marks[marks.length - 1] - marks[0] < DAY_S ? timeOfDay : dayAndTime;
            return marks.map((mark) => words(mark * 1000));
          },
        },
        {
          ...axis,
          size: 5.1 * textPx,
          space: 3.3 * textPx,
          values: (/** @type {unknown} */ _, /** @type {number[]} */ marks) =>
            marks.map((mark) => mark < 1e5 ? rate(mark) : `${SHORT.format(mark)}/s`),
        },
      ],
      series: [
        {},
        {
          stroke: colour("--accent"),
          width: 2,
          fill: colour("--accent-soft"),
          points: { show: false },
        },
      ],
    };
  }
}
