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

/** A chart on a page that is never drawn. */
async function rateChart(t: TestContext) {
  fakePage(t);
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
  return new RateChart();
}

test("RateChart keeps what came before the page, however long that is open", async (t) => {
  const chart = await rateChart(t);
  const HOUR_S = 3_600;
  const before = Array.from({ length: 300 }, (_, n) => n * HOUR_S);
  const opened = 300 * HOUR_S;

  chart.addBefore(
    before.map((at) => ({ time: new Date(at * 1000).toISOString(), rate_per_s: 1 })),
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
  const chart = await rateChart(t);
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
