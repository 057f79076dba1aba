import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { fakePage } from "../support/fake_page.ts";
import { pageFile } from "../support/page_file.ts";

/** What uPlot was given last: the times in seconds, and the rates. */
let drawn: readonly (readonly number[])[] = [];
let drawings = 0;
class Plot {
  constructor(_: unknown, data: typeof drawn) {
    this.setData(data);
  }
  setData(data: typeof drawn) {
    drawn = data;
    drawings++;
  }
}

async function newChart(t: TestContext) {
  const made = fakePage(t);
  drawings = 0;
  Object.assign(globalThis, {
    uPlot: Plot,
    matchMedia: () => ({ addEventListener() {} }),
    getComputedStyle: () => ({ getPropertyValue: () => "" }),
  });
  t.after(() => {
    for (const name of ["uPlot", "matchMedia", "getComputedStyle"]) {
      Reflect.deleteProperty(globalThis, name);
    }
  });
  const { RateChart } = await pageFile("rate_chart.js");
  const box = () => made.find((node) => node.attributes.get("role") === "img");
  return { chart: new RateChart(), label: () => box()?.attributes.get("aria-label") };
}

const moment = (at: number, rate_per_s?: number) => ({
  time: new Date(at * 1000).toISOString(),
  rate_per_s,
});

test("RateChart takes of what came before the page what is older than its stream, and has a rate", async (t) => {
  const { chart, label } = await newChart(t);

  chart.add(100_000, 7);
  chart.add(101_000, 5);
  chart.addBefore([moment(1, 2), moment(2), moment(50, 4), moment(100, 90), moment(101, 90)]);
  chart.draw();

  assert.deepEqual(drawn, [[1, 50, 100, 101], [2, 4, 7, 5]]);
  assert.equal(label(), "Rate over time: latest 5/s, between 2/s and 7/s");
});

test("RateChart goes on in time where the clock was put back before the page came", async (t) => {
  const { chart } = await newChart(t);

  chart.add(200_000, 5);
  chart.addBefore([moment(100, 9), moment(101, 9), moment(60, 2), moment(61, 3)]);
  chart.draw();

  assert.deepEqual(drawn, [[60, 61, 200], [2, 3, 5]]);
});

test("RateChart has room for no more, also of what came before the page", async (t) => {
  const { chart } = await newChart(t);

  for (let n = 0; n < 600; n++) chart.add((1_000 + n) * 1_000, n);
  chart.addBefore(Array.from({ length: 300 }, (_, n) => moment(n, 1)));
  chart.draw();

  const [times] = drawn;
  assert.ok(times.length > 300 && times.length <= 600, `${times.length}`);
  assert.deepEqual([times[0] < 4, times.at(-1)], [true, 1_599]);
});

test("RateChart keeps what came before the page, however long that is open", async (t) => {
  const { chart } = await newChart(t);
  const HOUR_S = 3_600;
  const before = Array.from({ length: 300 }, (_, n) => n * HOUR_S);
  const opened = 300 * HOUR_S;

  chart.addBefore(
    before.map((at) => moment(at, 1)),
  );
  for (let n = 0; n <= 12 * HOUR_S; n++) chart.add((opened + n) * 1000, n);
  chart.draw();

  const [times, rates] = drawn;
  assert.deepEqual(times.slice(0, 299), before.slice(0, 299));
  assert.ok(times.length > 400 && times.length <= 600, `${times.length}`);
  assert.ok(12 * HOUR_S - Number(rates.at(-1)) < 600, `${rates.at(-1)}`);
  assert.equal(rates.length, times.length);
});

test("RateChart is drawn again only where its points have changed", async (t) => {
  const { chart } = await newChart(t);
  const counted = [];

  for (const atMs of [1_000, 2_000]) chart.add(atMs, 5);
  for (let n = 0; n < 3; n++) chart.draw();
  counted.push(drawings);
  chart.add(3_000, 7);
  for (let n = 0; n < 3; n++) chart.draw();
  counted.push(drawings);

  assert.deepEqual(counted, [1, 2]);
  assert.deepEqual(drawn[1], [5, 5, 7]);
});
