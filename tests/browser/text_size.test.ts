import assert from "node:assert/strict";
import { after, test } from "node:test";
import { FakeClock } from "../support/fake_clock.ts";
import { closeBrowser, freshPage, signedInPage, workersJob } from "../support/page.ts";
import { testServer } from "../support/server.ts";

after(closeBrowser);

const WIDER = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
/** Parts of rows that are not whole from top to bottom, and rows that lie over each other. */
const CUT = (rows: string) =>
  `[...document.querySelectorAll("${rows}")].flatMap((row, n, all) => {
    const { top, bottom } = row.getBoundingClientRect();
    const next = all[n + 1]?.getBoundingClientRect().top ?? bottom;
    const parts = [...row.querySelectorAll("span, time")].filter((part) => {
      const range = document.createRange();
      range.selectNodeContents(part);
      const words = range.getBoundingClientRect();
      // Tags that do not fit, and a reason's third line, are left out.
      return words.height > 0 && !part.closest(".job-tags, .job-what") &&
        (words.top < top - 1 || words.bottom > bottom + 1);
    });
    return [...parts.map(({ className }) => className), ...(next < bottom - 1 ? ["next"] : [])];
  }).join()`;
const SIZE = (of: string) =>
  `parseFloat(getComputedStyle(document.querySelector("${of}")).fontSize)`;

test("text is as large as the browser is set to show it, and whole", async (t) => {
  const server = await testServer(t);
  const { id, tell } = await workersJob(server, {
    sync: "users",
    name: "Tuesday",
    total: 100,
  });
  await tell(...["first", "second", "third"].map((message) => ({
    type: "log",
    level: "warning",
    message,
  })));
  const failed = await workersJob(server, { sync: "orders" });
  await failed.tell({
    type: "end",
    status: "failed",
    error: {
      code: "refused",
      message: "The source refused the connection. ".repeat(5),
    },
  });
  const page = await signedInPage(t, server);
  await page.until(`document.querySelectorAll(".job-row").length === 2`);
  const usual = await page.run<number>(SIZE(".job-name"));

  for (const [width, text] of [[1280, 32], [768, 24], [360, 24], [360, 32]]) {
    await page.look({ width, text });
    await page.open(server.url);
    await page.until(`document.querySelectorAll(".job-row").length === 2`);
    const list = [await page.run(WIDER), await page.run(CUT(".job-row"))];
    const size = await page.run<number>(SIZE(".job-name"));
    await page.open(`${server.url}/job/${id}`);
    await page.until(`document.querySelectorAll(".line").length === 3`);
    const job = [await page.run(WIDER), await page.run(CUT(".line"))];

    const what = `${width} pixels, text of ${text}`;
    assert.deepEqual([list, job], [[false, ""], [false, ""]], what);
    assert.ok(size >= usual * text / 16, `${what}: ${size}`);
  }
});

test("rows have room for text that is made larger while they are shown", async (t) => {
  const server = await testServer(t);
  for (let n = 0; n < 3; n++) await workersJob(server, { sync: "users" });
  const page = await signedInPage(t, server);
  const tops = `[...document.querySelectorAll(".job-row")].map((row) =>
    row.getBoundingClientRect().top)`;
  const apart = `${tops}.length === 3 && ${tops}[1] - ${tops}[0]`;
  const height = `document.querySelector(".job-row").getBoundingClientRect().height`;
  await page.look({ width: 700 }); // where the list has the same width with either text
  const before = await page.until<number>(`${apart} > 60 && ${apart}`);

  await page.look({ width: 700, text: 18 });
  await page.until(`${height} > ${before} && ${apart} === ${height}`);

  assert.equal(await page.run(CUT(".job-row")), "");
});

test("the marks of a chart are as large as text that was made larger, and have room", async (t) => {
  const clock = new FakeClock();
  const server = await testServer(t, { clock });
  const job = await workersJob(server, { sync: "users" });
  for (const done of [1_000_000, 2_000_000, 3_000_000]) {
    clock.advance(2_000);
    await job.tell({ type: "progress", entities_inserted: done });
  }
  await job.tell({ type: "end", status: "completed" });
  const page = await signedInPage(t, server);
  await page.look({ text: 32 });
  await page.open(`${server.url}/job/${job.id}`);
  await page.until(`document.querySelector(".chart > .uplot")`);
  await page.run(`{
    const { fillText } = CanvasRenderingContext2D.prototype;
    window.marks = [];
    CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
      const [px, wide] = [parseFloat(this.font), this.measureText(text).width];
      marks.push([px, text.endsWith("/s") ? wide / px : 0].map((of) => of / devicePixelRatio));
      return fillText.call(this, text, ...at);
    };
    0;
  }`);

  await page.look({ text: 32, dark: true }); // the other colours have it drawn anew
  const marks = await page.until<[number, number][]>("marks.length > 3 && marks");

  assert.deepEqual([...new Set(marks.map(([px]) => px))], [22]);
  assert.ok(Math.max(...marks.map(([, wide]) => wide)) <= 4.6, JSON.stringify(marks));
});

test("the sign-in is whole on a phone with large text", async (t) => {
  const server = await testServer(t);
  const page = await freshPage(t);

  await page.look({ width: 360, text: 32 });
  await page.open(server.url);
  const right = await page.until<number>(
    `document.querySelector("form input")?.getBoundingClientRect().right`,
  );

  assert.ok(right < 360, `${right}`);
  assert.equal(await page.run(WIDER), false);
});
