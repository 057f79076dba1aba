/** The page without a mouse, without eyes, in few colours, and on paper. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { configuredSyncs, SYNC_SCHEMA } from "../../src/jobs/sync_config.ts";
import { FakeClock } from "../support/fake_clock.ts";
import {
  axe,
  chooseLevel,
  closeBrowser,
  freshPage,
  heldWaits,
  post,
  signedInPage,
  workersJob,
} from "../support/page.ts";
import { type TestServer, testServer } from "../support/server.ts";
import { until } from "../support/until.ts";

after(closeBrowser);

const STATUS = `document.querySelector(".status")?.textContent`;
const STALL = `document.querySelector(".stall:not([hidden])")?.textContent`;

/** Writes down, as `window.aloud`, what live regions say from there on. */
const LISTEN = `window.aloud = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      const place = target.nodeType === Node.TEXT_NODE ? target.parentElement : target;
      const live = place.closest("[role=status], [role=alert], [aria-live]");
      if (live) aloud.push(live.textContent);
    }
  }).observe(document, { subtree: true, childList: true, characterData: true }), 0`;

test("that a job has stalled is read aloud once, not with every second that it lasts", async (t) => {
  const clock = new FakeClock();
  clock.set(Date.now());
  const server = await testServer(t, { clock, stallAfterMs: 60_000, heartbeatMs: 600 });
  const job = await workersJob(server);
  clock.advance(61_000);
  const page = await signedInPage(t, server, `job/${job.id}`);
  await page.until(`${STATUS} === "In progress, stalled"`);
  await page.run(LISTEN);

  await job.tell({ type: "progress", entities_inserted: 20 });
  await page.until(`${STATUS} === "In progress"`);
  clock.advance(60_000);
  await until(() => {
    clock.advance(600);
    return page.run<boolean>(`${STATUS} === "In progress, stalled"`);
  });
  const first = await page.run<string>(STALL);
  await page.until(`${STALL} !== ${JSON.stringify(first)}`);

  assert.deepEqual(await page.run("aloud"), ["users: In progress", "users: In progress, stalled"]);
});

test("that a job has completed with warnings is read aloud as it is seen", async (t) => {
  const server = await testServer(t);
  const { id, tell } = await workersJob(server, { sync: "users", total: 100 });
  const page = await signedInPage(t, server, `job/${id}`);
  await page.until(STATUS);
  await page.run(LISTEN);

  await tell({ type: "progress", warnings: 2 }, { type: "end", status: "completed" });
  await page.until(`${STATUS} === "Completed, 2 warnings"`);

  assert.deepEqual(await page.run("aloud"), ["users: Completed, 2 warnings"]);
});

test("since when a sync is overdue is not read aloud again and again", async (t) => {
  const clock = new FakeClock();
  clock.set(Date.now() - 3_605_000); // overdue for seconds, so that the words change with each
  const hourly = SYNC_SCHEMA.parse({
    name: "hourly",
    source: { type: "outside" },
    expect: { every: "1h" },
  });
  const { syncs } = configuredSyncs([hourly], "/");
  const server = await testServer(t, { clock, resident: true, syncs });
  clock.advance(3_605_000);
  const page = await signedInPage(t, server, "sync/hourly");
  const first = await page.until<string>(STALL);
  await page.run(LISTEN);

  await page.until(`${STALL} !== ${JSON.stringify(first)}`);

  assert.match(first, /^This sync is overdue: a start was expected (.+ ago|just now)\.$/);
  assert.deepEqual(await page.run("aloud"), []);
});

test("a breadcrumb is called by its name alone", async (t) => {
  const server = await testServer(t);
  const { id } = await workersJob(server, { sync: "users" });
  const page = await signedInPage(t, server, `job/${id}`);
  await page.until(STATUS);

  // What stands behind the second slash is read in place of what is drawn.
  assert.equal(
    await page.run(
      `getComputedStyle(document.querySelectorAll(".crumbs a")[1], "::before").content`,
    ),
    '"/" / ""',
  );
});

test("a row that has the focus is not behind the page's head", async (t) => {
  const server = await testServer(t);
  for (let n = 0; n < 30; n++) await workersJob(server, { name: `number ${n}` });
  const page = await signedInPage(t, server);
  await page.until(`document.querySelector(".summary").textContent.startsWith("30 jobs") &&
    document.querySelector(".job-row")`);
  const below = () =>
    page.run<number>(`document.activeElement.getBoundingClientRect().top -
      document.querySelector("#top").getBoundingClientRect().bottom`);

  await page.run(`document.querySelector(".job-row a").focus()`);
  for (let n = 0; n < 29; n++) await page.press("ArrowDown");
  const found: number[] = [];
  for (let n = 0; n < 25; n++) {
    await page.press("ArrowUp");
    found.push(await below());
  }

  assert.ok(Math.min(...found) >= 0, String(found));
});

test("from a row that has gone out of sight, as its job has ended, the arrow keys go on", async (t) => {
  const server = await testServer(t);
  const jobs = await Promise.all(
    Array.from({ length: 60 }, (_, n) => workersJob(server, { name: `number ${n}` })),
  );
  await jobs[0].tell({ type: "end", status: "completed" });
  const page = await signedInPage(t, server);
  await page.until(`document.querySelector(".summary").textContent === "60 jobs, 59 on the way" &&
    document.querySelector(".job-row")`);
  const place = `Number(document.activeElement.parentElement.getAttribute("aria-posinset"))`;
  const seen = `(({ top, bottom }) => top >= 0 && bottom <= innerHeight)(
    document.activeElement.getBoundingClientRect())`;

  const id = await page.run<string>(`document.querySelector(".job-link").focus(),
    document.activeElement.href.slice(-36)`);
  await jobs.find((job) => job.id === id)?.tell({ type: "end", status: "completed" });
  await page.until(`${place} === 59 && !${seen}`);
  await page.press("ArrowDown");
  await page.until(`${place} === 59 && ${seen} &&
    document.activeElement.parentElement.nextElementSibling`);
  await page.press("ArrowDown");

  assert.equal(await page.run(place), 60);
});

/** Thirty runs of the sync `users`, all completed. */
async function thirtyRuns(server: TestServer): Promise<void> {
  for (let n = 0; n < 30; n++) {
    const { tell } = await workersJob(server, { sync: "users" });
    await tell({ type: "end", status: "completed" });
  }
}

test("on a phone the run of a strip that has the focus is seen to have it", async (t) => {
  const server = await testServer(t);
  await thirtyRuns(server);
  const page = await signedInPage(t, server, "sync/users");
  await page.look({ width: 390 });
  await page.until(`document.querySelectorAll(".strip a").length === 30`);

  await page.run(`document.querySelector(".crumbs a").focus()`);
  await page.press("Tab");

  const room = await page.run<number[]>(`(() => {
    const [run, strip] = [document.activeElement, document.querySelector(".strip")];
    const [one, all] = [run, strip].map((node) => node.getBoundingClientRect());
    const { outlineOffset, outlineWidth } = getComputedStyle(run);
    const px = parseFloat(outlineOffset) + parseFloat(outlineWidth);
    return [one.left - all.left, one.top - all.top, all.bottom - one.bottom]
      .map((beside) => beside - px);
  })()`);
  assert.ok(Math.min(...room) >= 0, String(room)); // else a line between two runs is all that is seen
});

test("the focus goes to the row in whose place it was when that row's job is removed", async (t) => {
  const server = await testServer(t);
  const jobs: { id: string }[] = [];
  for (const name of ["last", "middle", "first"]) jobs.unshift(await workersJob(server, { name }));
  const [first, middle, last] = jobs;
  const page = await signedInPage(t, server);
  const rows = `document.querySelectorAll(".job-link").length`;
  await page.until(`${rows} === 3`);
  const remove = async ({ id }: { id: string }, left: number) => {
    const headers = { Authorization: `Bearer ${server.key()}` };
    await server.ask(`/v1/sync/job/${id}`, { method: "DELETE", headers });
    await page.until(`${rows} === ${left}`);
    return await page.run("document.activeElement.href ?? document.activeElement.id");
  };

  await page.run(`document.querySelectorAll(".job-link")[1].focus()`);
  const focused = [await remove(middle, 2), await remove(last, 1), await remove(first, 0)];

  assert.deepEqual(focused, [
    `${server.url}/job/${last.id}`,
    `${server.url}/job/${first.id}`,
    "view",
  ]);
});

/** Scrolls, again until the list is drawn: it has its height only then. */
const scrolledTo = (px: number) => `(scrollTo(0, ${px}), scrollY === ${px})`;

test("back from a job is where one was in the list, with the syncs that were shown", async (t) => {
  const server = await testServer(t);
  for (let n = 0; n < 50; n++) await workersJob(server, { sync: `sync ${n % 10}` });
  const page = await signedInPage(t, server);
  const cards = `document.querySelectorAll(".sync-card").length`;
  await page.until(`${cards} === 8 &&
    document.querySelector(".summary").textContent.startsWith("50 jobs")`);
  await page.run(`document.querySelector("button.older").focus()`);
  await page.press("Enter");
  await page.until(`${cards} === 12`);
  const focused = await page.run(
    `document.activeElement === document.querySelectorAll(".sync-name")[8]`,
  );
  await page.until(scrolledTo(1200));
  const row = `[...document.querySelectorAll(".job-link")].find((link) =>
    link.getBoundingClientRect().top > 100)`;
  await page.until(row);
  const place = `${row} && [scrollY, ${row}.href]`;
  const before = await page.until(place);

  await page.run(`${row}.click()`);
  await page.until(STATUS);
  await page.run(`history.back()`);
  await page.until(`document.querySelector("#jobs-title")`);

  await page.until(`scrollY > 0`);
  assert.deepEqual([focused, await page.until(place)], [true, before]);
  assert.equal(await page.run(cards), 12);
});

test("a button that is gone once it was pressed leaves the focus on the page", async (t) => {
  const server = await testServer(t);
  const { id } = await workersJob(server, { sync: "users", tags: ["eu"] });
  const page = await signedInPage(t, server, "?tag=eu");
  await page.until(`document.querySelector(".tag-filter:not([hidden])")`);

  await page.run(`document.querySelector(".tag-filter").focus()`);
  await page.press("Enter");
  await page.until(`location.search === ""`);
  const afterTag = await page.run("document.activeElement.id");
  await page.open(`${server.url}/job/${id}`);
  await page.until(STATUS);
  await page.run(`[...document.querySelectorAll(".actions button")]
    .find(({ textContent }) => textContent === "Cancel").focus()`);
  await page.press("Enter");
  await page.press("Tab");
  await page.press("Enter");
  await page.until(`${STATUS} === "Cancelling"`);

  assert.equal(afterTag, "filter-sync");
  assert.equal(await page.run("document.activeElement.id"), "view");
});

test("the question whether to cancel a job goes with the job's page", async (t) => {
  const server = await testServer(t);
  await workersJob(server);
  const page = await signedInPage(t, server);
  await page.until(`document.querySelector(".job-row a")`);
  await page.run(`document.querySelector(".job-row a").click()`);
  await page.until(`${STATUS} === "In progress"`);

  await page.run(`[...document.querySelectorAll(".actions button")]
    .find(({ textContent }) => textContent === "Cancel").click()`);
  await page.until(`document.querySelector("dialog[open]")`);
  await page.run("history.back()");
  await page.until(`document.querySelector("#jobs-title")`);

  assert.equal(await page.run(`document.querySelector("dialog")`), null);
});

test("a question whether to cancel that its job's end has overtaken leaves the focus on the page", async (t) => {
  const server = await testServer(t);
  const { id, tell } = await workersJob(server);
  const page = await signedInPage(t, server, `job/${id}`);
  await page.until(STATUS);

  await page.run(`[...document.querySelectorAll(".actions button")]
    .find(({ textContent }) => textContent === "Cancel").focus()`);
  await page.press("Enter");
  await page.until(`document.querySelector("dialog[open]")`);
  await tell({ type: "end", status: "completed" });
  await page.until(`${STATUS} === "Completed"`);
  await page.press("Escape");
  await page.until(`!document.querySelector("dialog")`);

  assert.equal(await page.run("document.activeElement.id"), "view");
});

test("after a sign-in, and back from a job, the focus is on the page", async (t) => {
  const server = await testServer(t);
  await workersJob(server);
  const page = await freshPage(t);
  await page.open(server.url);
  await page.until(`document.querySelector("#key")`);

  await page.type(server.key());
  await page.press("Enter");
  await page.until(`document.querySelector(".job-link")`);
  const signedIn = await page.run("document.activeElement.id");
  await page.run(`document.querySelector(".job-link").click()`);
  await page.until(STATUS);
  await page.run(`document.querySelector(".crumbs a").focus()`);
  await page.run("history.back()");
  await page.until(`document.querySelector("#jobs-title")`);
  const back = await page.run("document.activeElement.id");

  assert.deepEqual([signedIn, back], ["view", "view"]);
});

test("a job that is removed while it is looked at is told as removed, and leaves the focus on the page", async (t) => {
  const server = await testServer(t);
  const { id } = await workersJob(server);
  const page = await signedInPage(t, server, `job/${id}`);
  await page.until(`document.querySelector(".link-pill").dataset.link === "live"`);
  await page.run(`document.querySelector("#log-level").focus()`);

  await server.ask(`/v1/sync/job/${id}`, {
    method: "DELETE",
    headers: { Authorization: `Bearer ${server.key()}` },
  });
  await page.until(`document.querySelector(".lone h1")`);

  assert.equal(
    await page.run(`document.querySelector("#view [role=alert] h1").textContent`),
    "The job was removed, with everything known of it.",
  );
  assert.equal(await page.run("document.activeElement.id"), "view");
});

test("a key that is refused again is told so again, and another one can be typed at once", async (t) => {
  const server = await testServer(t);
  const page = await freshPage(t);
  await page.open(server.url);
  await page.until(`document.querySelector("#key")`);
  await page.run(LISTEN);
  const answered = (count: number) =>
    page.until(`!document.querySelector("form button").disabled &&
      performance.getEntriesByType("resource")
        .filter(({ name }) => name.endsWith("/v1/session")).length === ${count}`);

  await page.type("nonsense");
  await page.press("Enter");
  await answered(2); // the first has asked who is signed in
  await page.press("Tab"); // to the button
  await page.press("Enter");
  await answered(3);

  const words = await page.run(`document.querySelector(".sign-in-words").textContent`);
  assert.deepEqual(await page.run("aloud"), [words, "", words]);
  assert.equal(await page.run("document.activeElement.id"), "key");
});

test("what a filter leaves of the jobs is read aloud, and not each job that begins", async (t) => {
  const server = await testServer(t);
  for (const name of ["one", "two", "three"]) await workersJob(server, { name });
  const page = await signedInPage(t, server);
  const summary = `document.querySelector(".summary").textContent`;
  await page.until(`${summary} === "3 jobs, 3 on the way"`);
  await page.run(LISTEN);

  await page.run(`document.querySelector("#filter-text").focus()`);
  await page.type("t");
  await page.until(`${summary} === "2 jobs, 2 on the way"`);
  await page.type("w");
  await page.until(`${summary} === "1 job, 1 on the way"`);
  await workersJob(server, { name: "twenty" });
  await page.until(`${summary} === "2 jobs, 2 on the way"`);
  await page.type("x");
  await page.until(`document.querySelector(".empty:not([hidden])")`);

  assert.deepEqual((await page.run<string[]>("aloud")).filter((words) => words !== ""), [
    "2 jobs, 2 on the way",
    "1 job, 1 on the way",
    "No job matches.",
  ]);
});

test("that a log has no lines of a level is read aloud", async (t) => {
  const server = await testServer(t);
  const { id, tell } = await workersJob(server);
  await tell({ type: "log", message: "begun" });
  const page = await signedInPage(t, server, `job/${id}`);
  await page.until(`document.querySelector(".line")`);
  await page.run(LISTEN);

  await chooseLevel(page, "error");
  await page.until(`document.body.innerText.includes("No log lines of this level.")`);

  assert.equal((await page.run<string[]>("aloud")).at(-1), "No log lines of this level.");
});

test("a notice stays while its link has the focus", async (t) => {
  const server = await testServer(t);
  const page = await signedInPage(t, server, "sync/slow");
  const pass = await heldWaits(page, 6_000);
  await post(server, "/v1/sync/slow/run");

  await page.until(`document.querySelector(".job-head button:not([hidden])")`);
  await page.run(`document.querySelector(".job-head button").click()`);
  await page.until(`document.querySelector(".notice a")`);
  await page.run(`document.querySelector(".notice a").focus()`);
  await pass();
  const words = await page.run<string>(`document.querySelector(".notice").textContent`);
  await page.run(`document.activeElement.blur()`);
  await pass();

  assert.equal(words, "slow is running already. Show it");
  assert.equal(await page.run(`document.querySelector(".notice")`), null);
});

test("log lines are copied as lines", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server);
  await job.tell(
    { type: "log", level: "info", message: "begun" },
    { type: "log", level: "warning", message: "user 7\nhas no e-mail" },
  );
  const page = await signedInPage(t, server, `job/${job.id}`);
  await page.until(`document.querySelectorAll("[aria-labelledby=log-title] .line").length === 2`);
  await page.run(`window.copied = () => {
    const clipboardData = new DataTransfer();
    const options = { clipboardData, bubbles: true, cancelable: true };
    const asked = new ClipboardEvent("copy", options);
    document.querySelector(".line").dispatchEvent(asked);
    return asked.defaultPrevented ? clipboardData.getData("text/plain") : "as the browser does";
  }, 0`);

  await page.run(`getSelection().selectAllChildren(document.querySelector(".lines-host"))`);
  const both = await page.run<string>("copied()");
  await page.run(`getSelection().setBaseAndExtent(
    document.querySelector(".line-text").firstChild, 0,
    document.querySelector(".line-text").firstChild, 3)`);
  const part = await page.run("copied()");
  await page.run(`getSelection().setBaseAndExtent(
    document.querySelector(".line time").firstChild, 0, document.querySelectorAll(".line")[1], 0)`);
  const first = await page.run<string>("copied()");

  assert.match(first, /^\d\d:\d\d:\d\d info begun$/);
  assert.match(both, /^\S+ info begun\n\S+ warning user 7 ↵ has no e-mail$/);
  assert.equal(part, "as the browser does");
});

test("a command that is copied without a clipboard API leaves the focus where it was", async (t) => {
  const server = await testServer(t);
  const { id } = await workersJob(server);
  const page = await signedInPage(t, server, `job/${id}`);
  await page.look({ height: 300 });
  await page.until(STATUS);
  await page.run(`{
    Object.defineProperty(navigator, "clipboard", { value: undefined, configurable: true });
    addEventListener("copy", () => window.copied = getSelection().toString());
    document.querySelector(".actions .quiet").focus();
  }`);

  await page.press("Enter");
  const words = await page.until(`document.querySelector(".notice")?.textContent`);

  assert.equal(words, "Copied. It takes the key from $SYNCTAIL_KEY.");
  assert.match(await page.run("copied"), /^curl -N .+\/subscribe'$/);
  assert.deepEqual(
    await page.run("[document.activeElement.textContent, scrollY]"),
    ["Copy curl", 0],
  );
});

test("on paper there are the rows that were seen, one below the other, in dark ink", async (t) => {
  const server = await testServer(t);
  const jobs = Array.from({ length: 60 }, (_, n) => workersJob(server, { name: `number ${n}` }));
  const [{ id, tell }] = await Promise.all(jobs);
  for (let n = 0; n < 60; n++) await tell({ type: "log", level: "info", message: `line ${n}` });
  const page = await signedInPage(t, server);
  await page.until(`document.querySelector(".summary").textContent.startsWith("60 jobs") &&
    document.querySelector(".job-row")`);
  const laid = (box: string, row: string) =>
    page.run<{ rows: number }>(`(() => {
      const rows = [...document.querySelectorAll(${JSON.stringify(row)})]
        .map((node) => node.getBoundingClientRect());
      return {
        rest: document.querySelector(${JSON.stringify(box)}).getBoundingClientRect().height -
          rows.reduce((sum, { height }) => sum + height, 0),
        rows: rows.length,
        inOrder: rows.every(({ top }, n) => n === 0 || top >= rows[n - 1].bottom),
        ink: getComputedStyle(document.body).color,
      };
    })()`);

  const onPaper = { width: 700, dark: true, print: true };
  await page.look(onPaper);
  const list = await laid(".jobs", ".job-row");
  await page.look({});
  await page.open(`${server.url}/job/${id}`);
  await page.until(`document.querySelector(".lines")?.innerText.includes("line 59")`);
  await page.look(onPaper);
  const log = await laid("[aria-labelledby=log-title] .lines", "[aria-labelledby=log-title] .line");

  for (const { rows, ...found } of [list, log]) {
    assert.ok(rows > 5 && rows < 60, String(rows));
    assert.deepEqual(found, { rest: 2, inOrder: true, ink: "rgb(23, 33, 29)" });
  }
});

test("on paper a long reason is whole, without the button that unfolds it", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server);
  const message = "no route ".repeat(400);
  await job.tell({ type: "end", status: "failed", error: { code: "x", message } });
  const page = await signedInPage(t, server, `job/${job.id}`);
  await page.until(`document.querySelector(".error-box button:not([hidden])")`);

  await page.look({ width: 700, print: true });

  const cut = `(({ scrollHeight, clientHeight }) => scrollHeight - clientHeight)`;
  assert.deepEqual(
    await page.run(`[${cut}(document.querySelector(".error-box p")),
      document.querySelector(".error-box button").offsetParent]`),
    [0, null],
  );
});

test("on paper all runs of a sync's strip are seen, the newest among them", async (t) => {
  const server = await testServer(t);
  await thirtyRuns(server);
  const page = await signedInPage(t, server, "sync/users");
  await page.until(`document.querySelectorAll(".strip a").length === 30`);

  await page.look({ width: 700, print: true });

  const right = (of: string) =>
    page.run<number>(`document.querySelector("${of}").getBoundingClientRect().right`);
  assert.ok(await right(".strip li:last-child") <= await right(".strip"));
});

test("on paper a chart has dark marks, also where the page is dark", async (t) => {
  const clock = new FakeClock();
  const server = await testServer(t, { clock });
  const job = await workersJob(server);
  for (const done of [20, 40, 80]) {
    clock.advance(2_000);
    await job.tell({ type: "progress", entities_inserted: done });
  }
  const page = await signedInPage(t, server);
  await page.look({ dark: true });
  await page.open(`${server.url}/job/${job.id}`);
  await page.until(`document.querySelector(".chart > .uplot")`);
  await page.run(`{
    const { fillText } = CanvasRenderingContext2D.prototype;
    window.colours = [];
    CanvasRenderingContext2D.prototype.fillText = function (...given) {
      colours.push(this.fillStyle);
      return fillText.apply(this, given);
    };
    0;
  }`);

  await page.look({ dark: true, print: true });
  await page.until("colours.length > 3");

  const paper = await page.run(`getComputedStyle(document.body).getPropertyValue("--muted")`);
  assert.deepEqual(await page.run("[...new Set(colours)]"), [paper]);
});

test("links below each other have room for a finger, also where a long name and many tags wrap", async (t) => {
  const server = await testServer(t);
  const tags = Array.from({ length: 20 }, (_, n) => `t${n}`);
  const { id } = await workersJob(server, {
    sync: "the nightly copy of all users of the warehouse, by the hour",
    tags,
    meta: { a: 1 },
    attempt: 2,
  });
  const page = await signedInPage(t, server);
  const found: Record<string, string[]> = {};

  for (const width of [390, 1280]) {
    await page.look({ width, height: 2_000 }); // what is out of sight is not looked at
    await page.open(`${server.url}/job/${id}`);
    await page.until(`document.querySelectorAll("dd .tag").length === 20`);
    found[`job ${width}`] = await axe(page);
    await page.open(`${server.url}/problems`);
    found[`problems ${width}`] = await axe(page);
  }

  assert.deepEqual(Object.entries(found).filter(([, breaches]) => breaches.length > 0), []);
});

test("where the system forces its colours the chosen log line is seen", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server);
  await job.tell({ type: "log", message: "begun" });
  const page = await signedInPage(t, server, `job/${job.id}`);
  await page.until(`document.querySelector(".line")`);
  await page.look({ forcedColours: true });
  const outline = () => page.run(`getComputedStyle(document.querySelector(".line")).outlineStyle`);

  const before = await outline();
  await page.run(`document.querySelector(".lines").focus()`);
  await page.press("ArrowUp");
  await page.until(`document.querySelector(".line[aria-selected=true]")`);

  assert.deepEqual([before, await outline()], ["none", "solid"]);
});

test("a list that is read stays where it is when a job that is seen there ends", async (t) => {
  const server = await testServer(t);
  const names = Array.from({ length: 80 }, (_, n) => `number ${n}`);
  const jobs = await Promise.all(names.map((name) => workersJob(server, { name })));
  const page = await signedInPage(t, server);
  await page.until(`document.querySelector(".summary").textContent.startsWith("80 jobs") &&
    document.querySelector(".sync-card")`); // whose coming moves the list
  await page.until(scrolledTo(1500));
  const rows = `[...document.querySelectorAll(".job-row")]
    .filter((node) => node.getBoundingClientRect().bottom > 0)
    .map((node) => [node.querySelector("a").href.slice(-36), node.getBoundingClientRect().top])`;
  const seen = await page.until<[string, number][]>(
    `scrollY === 1500 && ${rows}.length > 8 && ${rows}[0][1] <= 0 &&
    ${rows}`,
  );

  const [first] = seen[0];
  await jobs.find(({ id }) => id === first)?.tell({ type: "end", status: "completed" });
  await page.until(`document.querySelector(".summary").textContent.includes("79 on the way")`);
  await page.until(`!${rows}.some(([id]) => id === "${first}")`);

  const tops = new Map(await page.run<[string, number][]>(rows));
  assert.deepEqual(
    seen.slice(1, 9).map(([id]) => tops.get(id)),
    seen.slice(1, 9).map(([, y]) => y),
  );
});

test("a log that grows lets go of its end as soon as somebody scrolls up", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server);
  const lines = Array.from({ length: 100 }, (_, n) => ({ type: "log", message: `line ${n}` }));
  await job.tell(...lines);
  const page = await signedInPage(t, server, `job/${job.id}`);
  const more = `document.querySelector(".lines-more:not([hidden])")?.textContent`;
  await page.until(`document.querySelector(".lines")?.innerText.includes("line 99")`);

  // As far as the first step of a slow finger.
  await page.run(`document.querySelector(".lines").scrollTop -= 3`);
  await page.until(more);
  await job.tell({ type: "log", message: "one more" });

  await page.until(`${more} === "1 new line \u2193"`);
});

test("the syncs to choose from are left alone while jobs come and go", async (t) => {
  const server = await testServer(t);
  await workersJob(server, { sync: "users" });
  const page = await signedInPage(t, server);
  const options = `[...document.querySelectorAll("#filter-sync option")]`;
  await page.until(`${options}.map(({ text }) => text).join() === "Any sync,docs,slow,users"`);
  const asked = `performance.getEntriesByType("resource")
    .filter(({ name }) => name.includes("/v1/sync?")).length`;
  const before = await page.run<number>(`window.first = ${options}[1], ${asked}`);
  await page.run(`(() => {
    globalThis.made = 0;
    const create = document.createElement;
    document.createElement = (tag) => (tag === "option" && made++, create.call(document, tag));
  })()`);

  // By the second answer that of the first has been shown.
  for (const more of [1, 2]) {
    await workersJob(server, { sync: "users" });
    await page.until(`${asked} >= ${before + more}`);
  }
  const left = await page.run("[first.isConnected, made]"); // there may be thousands
  await workersJob(server, { sync: "orders" });
  await page.until(`${options}.some(({ text }) => text === "orders")`);

  assert.deepEqual(left, [true, 0]);
});

test("long tags and huge counts are whole on the page of a job, also at 400 %", async (t) => {
  const server = await testServer(t);
  const { id, tell } = await workersJob(server, { sync: "users", tags: ["t".repeat(100)] });
  await tell({ type: "progress", entities_encountered: { "a type of entities": 999e12 } });
  const page = await signedInPage(t, server, `job/${id}`);
  await page.until(`document.querySelector(".type-count")`);

  for (const width of [1280, 320]) {
    await page.look({ width });
    const found = await page.run(`[
      document.querySelector("dd .tag").scrollWidth <= document.querySelector("dd .tag").clientWidth,
      document.querySelector(".types").getBoundingClientRect().right <=
        document.querySelector("[aria-labelledby=types-title]").getBoundingClientRect().right - 16,
    ]`);
    assert.deepEqual(found, [true, true], String(width));
  }
});

test("the marks of a chart have room, however high the rate", async (t) => {
  const server = await testServer(t);
  const { id, tell } = await workersJob(server);
  const page = await signedInPage(t, server, `job/${id}`);
  await page.until(STATUS);
  await page.run(`{
    const { fillText } = CanvasRenderingContext2D.prototype;
    window.marks = {};
    CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
      if (text.endsWith("/s")) marks[text] = this.measureText(text).width / devicePixelRatio;
      return fillText.call(this, text, ...at);
    };
    0;
  }`);
  // So many that the rate is high also where seconds pass between two of them.
  for (
    let n = 1;
    !await page.run("Object.keys(marks).some((mark) => /[KMBT]\\/s$/.test(mark))");
    n++
  ) {
    await tell({ type: "progress", entities_inserted: n * 1e9 });
  }

  const widths = await page.run<Record<string, number>>("marks");

  assert.ok(Object.keys(widths).length > 1, JSON.stringify(widths));
  assert.ok(Math.max(...Object.values(widths)) <= 50, JSON.stringify(widths));
});

test("each bar stands out from its track, light and dark", async (t) => {
  const server = await testServer(t);
  const page = await signedInPage(t, server);

  for (const dark of [false, true]) {
    await page.look({ dark });
    const colours = await page.run<string[]>(`[
      "--track", "--surface", "--running", "--good", "--bad", "--warn", "--strong-line",
    ].map((name) => getComputedStyle(document.body).getPropertyValue(name))`);
    const [track, surface, ...bars] = colours.map(luminance);
    for (const [n, bar] of bars.entries()) {
      for (const beside of [track, surface]) {
        const contrast = (Math.max(bar, beside) + 0.05) / (Math.min(bar, beside) + 0.05);
        assert.ok(contrast >= 3, `${colours[n + 2]} dark: ${dark}: ${contrast}`);
      }
    }
  }
});

/** Relative luminance of a colour as of WCAG. */
function luminance(hex: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
