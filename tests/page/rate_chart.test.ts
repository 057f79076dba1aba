import assert from "node:assert/strict";
import { test } from "node:test";
import { fakePage } from "../support/fake_page.ts";
import { pageFile } from "../support/page_file.ts";

/** What uPlot was given last: the times in seconds, and the rates. */
let drawn: readonly (readonly number[])[] = [];
class Plot {
  constructor(_: unknown, data: typeof drawn) {
    drawn = data;
  }
}

test("RateChart keeps what came before the page, however long that is open", async (t) => {
  fakePage(t);
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
  const chart = new RateChart();
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
