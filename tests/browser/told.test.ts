import assert from "node:assert/strict";
import { after, test } from "node:test";
import { configuredSyncs, SYNC_SCHEMA } from "../../src/jobs/sync_config.ts";
import {
  axe,
  chooseLevel,
  closeBrowser,
  heldClock,
  heldWaits,
  post,
  signedInPage,
  workersJob,
} from "../support/page.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { testServer } from "../support/server.ts";
import { until } from "../support/until.ts";

after(closeBrowser);

const LONE = `document.querySelector(".lone")?.textContent`;

const away = configuredSyncs([
  SYNC_SCHEMA.parse({ name: "away", source: { type: "outside" } }),
  SYNC_SCHEMA.parse({ name: "here", source: { type: "command", command: ["true"] } }),
], "/").syncs;
const ROW = (id: string, of: string) =>
  `document.querySelector('.job-link[href="job/${id}"]')?.querySelector("${of}")`;
const BUTTONS = `[...document.querySelectorAll("button")]
  .filter((node) => node.offsetParent !== null).map((node) => node.textContent)`;

test("what is run elsewhere is offered no button that runs it", async (t) => {
  const server = await testServer(t, { syncs: away });
  const job = await workersJob(server, { sync: "away" });
  await job.tell({ type: "end", status: "completed" });
  const page = await signedInPage(t, server);
  const cards = `[...document.querySelectorAll(".sync-card")].map((card) =>
    card.querySelector(".sync-name").textContent + (card.querySelector("button").hidden ? "" : " runs"))`;

  const listed = await page.until<string[]>(`(${cards}).length === 2 && (${cards})`);
  await page.open(`${server.url}/sync/away`);
  await page.until(`document.body.innerText.includes("reported by workers elsewhere")`);
  const ofSync = await page.run<string[]>(BUTTONS);
  await page.open(`${server.url}/job/${job.id}`);
  await page.until(`document.querySelector(".status")?.textContent === "Completed"`);
  const ofJob = await page.run<string[]>(BUTTONS);

  assert.deepEqual(listed.sort(), ["away", "here runs"]);
  assert.ok(!ofSync.includes("Run now"), ofSync.join());
  assert.ok(!ofJob.includes("Run again"), ofJob.join());
  assert.deepEqual(page.complaints, []);
});

test("a tab that meets an older server, which gives all syncs, shows the one that it was asked for", async (t) => {
  const server = await testServer(t);
  const page = await signedInPage(t, server);
  await page.until(`document.querySelector(".sync-name[title=slow]")`);
  await page.run(`{
    const ask = window.fetch;
    window.fetch = (url, init) => ask(String(url).replace(/[?]sync=.*/, ""), init);
    0;
  }`);

  await page.run(`document.querySelector(".sync-name[title=slow]").click()`);
  const heading = await page.until(`document.querySelector(".job-head h1")?.textContent`);

  assert.equal(heading, "slow");
});

test("what the server refuses is told once, in its own sentence", async (t) => {
  const server = await testServer(t);
  const page = await signedInPage(t, server, "sync/docs");
  await page.until(`${BUTTONS}.includes("Run now")`);
  const outside = SYNC_SCHEMA.parse({ name: "docs", source: { type: "outside" } });
  server.reload(configuredSyncs([outside], "/").syncs);
  await heldWaits(page, 6_000);

  await page.run(`[...document.querySelectorAll("button")]
    .find((node) => node.textContent === "Run now").click()`);
  const gone = await page.until<string>(`document.querySelector(".notice")?.textContent`);

  assert.match(gone, /^Cannot run sync "docs": its workers do so elsewhere/);
});

for (const status of ["failed", "cancelled"]) {
  test(`the list shows of a reason (${status}) what fits in two lines, and all of it as its title`, async (t) => {
    const server = await testServer(t);
    const job = await workersJob(server, { sync: "mirror", total: 100 });
    const message = "rclone ended with exit code 3: Failed to sync: directory not found, " +
      "and a further word for each of the many things that have gone wrong on the way, ".repeat(3);
    await job.tell({ type: "end", status, error: { code: "program_failed", message } });
    const page = await signedInPage(t, server);
    const what = ROW(job.id, ".job-what");

    await page.until(`${what}?.textContent.startsWith("rclone")`);
    const at = async (width: number) => {
      await page.look({ width, phone: width < 500 });
      return await page.run<{ lines: number; share: number; title: string }>(`(() => {
        const node = ${what};
        const { width, height } = node.getBoundingClientRect();
        const lines = height / parseFloat(getComputedStyle(node).lineHeight);
        return { lines, share: width / node.parentElement.clientWidth, title: node.title };
      })()`);
    };
    const desk = await at(1280);
    const phone = await at(390);

    assert.equal(Math.round(desk.lines), 2);
    assert.ok(desk.share > 0.25, `${desk.share}`);
    assert.equal(desk.title, message);
    assert.ok(phone.share > 0.85, `${phone.share}`);
  });
}

test("a long reason of a failure is folded, and unfolded by the keyboard", async (t) => {
  const server = await testServer(t);
  const message = "a line of what went wrong, with some words to it\n".repeat(80) + "the last";
  const ended = async (message: string, more = {}) => {
    const job = await workersJob(server, { sync: "users", total: 100, ...more });
    await job.tell({ type: "end", status: "failed", error: { code: "x", message } });
    return { id: job.id, url: `${server.url}/job/${job.id}` };
  };
  const long = await ended(message);
  const short = await ended("no route", { retry_of: long.id });
  const page = await signedInPage(t, server);
  const FOLD = `document.querySelector(".error-box button")`;
  const box = `document.querySelector(".error-box")`;

  await page.open(long.url);
  const word = await page.until<string>(`!${FOLD}?.hidden && ${FOLD}?.textContent`);
  const folded: number[] = [];
  for (const [name, width, dark] of [["desk", 1280, false], ["phone", 360, true]] as const) {
    await page.look({ width, phone: width < 500, dark });
    folded.push(await page.run<number>(`${box}.clientHeight`));
    await page.picture(`reason-${name}`);
  }
  const breaches = await axe(page);
  await page.run(`${FOLD}.focus()`);
  await page.press("Enter");
  await page.until(`${FOLD}.textContent === "Show less"`);
  const open = await page.run<number>(`${box}.clientHeight`);
  const all = await page.run<string>(`document.querySelector(".error-box p").innerText`);
  await page.press("Enter");
  await page.until(`${FOLD}.textContent === "Show all of it"`);
  await page.open(short.url);
  await page.until(`document.querySelector(".error-box p")?.textContent === "no route"`);
  const none = await page.run<boolean>(`${FOLD}.hidden`);
  const before = await page.until<number>(
    `document.querySelector(".attempts .hint")?.offsetHeight`,
  );
  await page.picture("reason-before");

  assert.equal(word, "Show all of it");
  assert.ok(Math.max(...folded) < 320, `${folded}`);
  assert.ok(open > 1_000, `${open}`);
  assert.equal(all, message);
  assert.equal(none, true);
  assert.ok(before < 70, `${before}`);
  assert.deepEqual(breaches, []);
});

test("a status that there is not filters nothing, and is said", async (t) => {
  const server = await testServer(t);
  await workersJob(server);
  const page = await signedInPage(t, server);
  await heldWaits(page, 6_000);
  await page.run(`history.pushState(null, "", "?status=foo&sync=users"),
    dispatchEvent(new PopStateEvent("popstate"))`);
  await page.until(`document.querySelector(".notice") && document.querySelector(".job-row")`);

  const shown = await page.run(`document.querySelector("#filter-status").selectedOptions[0].text`);
  const address = await page.run("location.search");
  const said = await page.text();

  assert.deepEqual([shown, address], ["Any status", "?sync=users"]);
  assert.match(said, /There is no status "foo": jobs of any status are shown\./);
});

test("a log line of several lines shows that there are more, and whole below", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server, { sync: "crm", total: 100 });
  await job.tell({ type: "log", level: "error", message: "Traceback:\n  File a\nKeyError: 7" });
  const page = await signedInPage(t, server, `job/${job.id}`);
  const row = `document.querySelector(".line-text")`;

  await page.until(`${row}?.innerText === "Traceback: ↵   File a ↵ KeyError: 7"`);
  await page.run(`document.querySelector(".line").click()`);
  await page.until(
    `document.querySelector(".lines-whole").innerText.endsWith("\\nTraceback:\\n  File a\\nKeyError: 7")`,
  );
});

test("a job that is asked for too often is shown when it may be asked for again", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server, { sync: "users", total: 100 });
  const page = await signedInPage(t, server);
  await page.until(`document.querySelector(".job-row a")`);
  const pass = await heldWaits(page, 2_000);

  await page.run(`{
    const { fetch } = window;
    window.fetch = () => {
      window.fetch = fetch;
      return Promise.resolve(new Response('{"detail": "Too often"}', { status: 429 }));
    };
    document.querySelector(".job-row a").click();
  }`);
  await page.until(`location.pathname === "/job/${job.id}" && ${LONE}?.endsWith("Trying again.")`);
  await pass();

  await page.until(`document.querySelector(".status")?.textContent === "In progress"`);
});

test("a long phase is shown whole, and makes no page wider", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server, { sync: "users_".repeat(16), total: 100 });
  await job.tell({ type: "progress", phase: "copying ".repeat(120), current: "a/".repeat(500) });
  const page = await signedInPage(t, server, `job/${job.id}`);
  await page.look({ phone: true });

  await page.until(`document.querySelector(".phase")?.textContent.startsWith("copying copying")`);

  const wide = await page.run<boolean[]>(`[".phase", ".current", "html"].map((name) => {
    const { right } = document.querySelector(name).getBoundingClientRect();
    return right > document.documentElement.clientWidth;
  }).concat(document.documentElement.scrollWidth > document.documentElement.clientWidth)`);
  assert.deepEqual(wide, [false, false, false, false]);
});

test("a long name and large counts are whole on a phone, and no word is cut into letters", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server, { sync: "users of the warehouse, by the hour ".repeat(2) });
  const many = 123_456_789;
  const counts = { entities_inserted: many, entities_updated: many, entities_deleted: many };
  await job.tell({ type: "progress", ...counts, phase: "copying all of them, ".repeat(5) }, {
    type: "progress",
    current: "users/a/long/way/down/to/ann.json",
  });
  const page = await signedInPage(t, server, `job/${job.id}`);
  await page.look({ width: 360 });

  await page.until(`document.querySelector(".tile-deleted dd")?.textContent === "123,456,789"`);

  const seen = await page.run<Record<string, boolean>>(`(() => {
    const box = (name) => document.querySelector(name).getBoundingClientRect();
    const dd = document.querySelector(".tile-deleted dd");
    const range = document.createRange();
    range.selectNodeContents(dd);
    const current = document.querySelector(".current");
    return {
      crumbOnOneLine: box(".crumbs a").height < 2 * 13, // its font's size
      countInItsTile: range.getBoundingClientRect().right <= box(".tile-deleted").right,
      tileInItsFrame: box(".tile-deleted").right <= box(".tiles").right + 1,
      currentWhole: current.scrollWidth <= current.clientWidth,
    };
  })()`);
  assert.deepEqual(seen, {
    crumbOnOneLine: true,
    countInItsTile: true,
    tileInItsFrame: true,
    currentWhole: true,
  });
});

test("a row of the list is whole, however wide the window is", async (t) => {
  const server = await testServer(t);
  const { tell } = await workersJob(server, { sync: "a sync with quite a long name", total: 100 });
  await tell({ type: "progress", entities_inserted: 12, entities_kept: 7, phase: "copying all" });
  const page = await signedInPage(t, server);
  const right = (of: string) =>
    page.run<number>(`document.querySelector("${of}").getBoundingClientRect().right`);
  await page.until(`document.querySelector(".job-row")`);
  const cut: number[] = [];

  for (const width of [320, 600, 850, 861, 880, 900, 920, 921, 940, 1280]) {
    await page.look({ width });
    const ends = [await right(".job-when"), await right(".job-state")];
    if (Math.max(...ends) >= await right(".jobs")) cut.push(width);
  }

  assert.deepEqual(cut, []);
});

test("how long a job has been silent, and when a sync has run, is whole in its row and on its card", async (t) => {
  const clock = new FakeClock();
  const server = await testServer(t, { clock, stallAfterMs: 60_000 });
  await workersJob(server, { sync: "silent", total: 100, lease_s: 86_400 });
  const warned = await workersJob(server, { sync: "warned" });
  await warned.tell({ type: "progress", warnings: 12 }, { type: "end", status: "completed" });
  clock.advance(23 * 3_600_000 + 30 * 60_000);
  const page = await signedInPage(t, server);
  const what = `document.querySelector("[data-status=stalled] .job-what")`;
  await page.until(`/^Silent for 23 h \\d+ min$/.test(${what}?.textContent) &&
    document.querySelector(".sync-card .icon-warning")`);
  const found: Record<string, unknown> = {};

  for (const width of [390, 921, 1024, 1280]) {
    await page.look({ width });
    found[width] = await page.run(`(({ scrollWidth, clientWidth, scrollHeight, clientHeight }) => [
      scrollWidth <= clientWidth && scrollHeight <= clientHeight + 1,
      Math.max(...[...document.querySelectorAll(".sync-line time")]
        .map((time) => Math.round(time.offsetHeight / parseFloat(getComputedStyle(time).lineHeight)))),
    ])(${what})`);
  }

  const whole = [true, 1];
  assert.deepEqual(found, { 390: whole, 921: whole, 1024: whole, 1280: whole });
});

test("on a phone a lost stream, and how to show all tags again, have room", async (t) => {
  const server = await testServer(t);
  await workersJob(server, { sync: "users", tags: ["nightly ".repeat(10)] });
  const page = await signedInPage(t, server);
  await page.look({ width: 360 });
  await page.open(`${server.url}/?tag=${"nightly ".repeat(10)}`);
  await page.until(`document.querySelector(".summary")?.textContent === "0 jobs"`);

  const cross = await page.run<boolean>(`(() => {
    const button = document.querySelector(".tag-filter");
    const range = document.createRange();
    range.selectNode(button.lastChild);
    return range.getBoundingClientRect().right <= button.getBoundingClientRect().right;
  })()`);
  await page.offline(true);
  await page.until(`document.querySelector(".link-pill").textContent.includes(", heard ")`);
  const wide = await page.run<boolean>(
    "document.documentElement.scrollWidth > document.documentElement.clientWidth",
  );

  assert.deepEqual({ cross, wide }, { cross: true, wide: false });
});

test("a log line that is written from the right shows how it begins", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server);
  await job.tell({ type: "log", message: "\u05e9".repeat(3) + "\u05d0".repeat(2_000) });
  const page = await signedInPage(t, server, `job/${job.id}`);

  await page.until(`document.querySelector(".line-text")?.textContent.length === 2003`);

  const seen = await page.run<boolean>(`(() => {
    const line = document.querySelector(".line-text");
    const range = document.createRange();
    range.setStart(line.firstChild, 0);
    range.setEnd(line.firstChild, 1);
    const [first, room] = [range, line].map((place) => place.getBoundingClientRect());
    return room.left <= first.left && first.right <= room.right;
  })()`);
  assert.ok(seen);
});

test("names and reasons that are written from the right show how they begin", async (t) => {
  const server = await testServer(t);
  const long = "\u05e9" + "\u05d0".repeat(99);
  const { id } = await workersJob(server, { sync: long, name: long, tags: [long] });
  const failed = await workersJob(server, { sync: long });
  await failed.tell({ type: "end", status: "failed", error: { code: "x", message: long } });
  const going = await workersJob(server, { sync: "users", name: "Tuesday" });
  await going.tell({ type: "progress", phase: long, current: long });
  const page = await signedInPage(t, server);
  /** Whether the first letter of such a text in it is seen; false where there is none. */
  const begins = (place: string) =>
    page.run<boolean>(`(() => {
      const box = document.querySelector(${JSON.stringify(place)});
      const text = document.createTreeWalker(box, NodeFilter.SHOW_TEXT).nextNode();
      const range = document.createRange();
      range.setStart(text, 0);
      range.setEnd(text, 1);
      const [first, room] = [range, box].map((place) => place.getBoundingClientRect());
      return text.data.startsWith("\u05e9") && room.left <= first.left && first.right <= room.right;
    })()`);
  const row = (job: string) => `.job-row:has([href="job/${job}"])`;
  const places = [
    `${row(id)} .job-name`,
    `${row(failed.id)} .job-what`,
    `${row(going.id)} .job-what`,
  ];

  await page.until(`document.querySelectorAll(".job-row").length === 3 &&
    document.querySelectorAll(".sync-name").length > 2`);
  await page.run(`[...document.querySelectorAll(".sync-name")]
    .find(({ textContent }) => textContent.startsWith("\u05e9")).classList.add("long"), 0`);
  const found: Record<string, boolean> = {};
  for (const phone of [false, true]) {
    await page.look({ phone });
    for (const place of [...places, ".sync-name.long"]) {
      found[`${place} ${phone}`] = await begins(place);
    }
  }
  await page.look({});
  await page.open(`${server.url}/job/${going.id}`);
  await page.until(`document.querySelector(".current")?.textContent`);
  found.current = await begins(".current");

  assert.deepEqual(Object.entries(found).filter(([, seen]) => !seen), []);
});

test("what is written from the right is laid out from there wherever it is whole", async (t) => {
  const server = await testServer(t);
  const name = "\u05d2\u05d9\u05d1\u05d5\u05d9 (prod)!";
  const end = { type: "end", status: "failed", error: { code: "x", message: name } };
  const first = await workersJob(server, { sync: name });
  await first.tell(end);
  const second = await workersJob(server, {
    sync: name,
    tags: [name],
    retry_of: first.id,
    attempt: 2,
  });
  await second.tell({ type: "progress", phase: name }, { type: "log", message: name });
  const page = await signedInPage(t, server, `job/${second.id}`);
  const others = (places: string[]) =>
    page.run(`${JSON.stringify(places)}.filter((place) =>
      getComputedStyle(document.querySelector(place)).direction !== "rtl")`);

  await page.until(`document.querySelector(".attempts .hint") &&
    document.querySelector(".line")?.innerText.includes("prod")`);
  await page.run(`document.querySelector(".line").click()`);
  const going = await others([
    "h1",
    ".crumbs bdi",
    ".phase",
    "dd .tag",
    ".attempts .hint",
  ]);
  const line = await page.run(`(() => {
    const text = document.querySelector(".lines-whole").firstChild;
    const [first, last] = ["\u05d2", "!"].map((letter) => {
      const range = document.createRange();
      range.setStart(text, text.data.indexOf(letter));
      range.setEnd(text, text.data.indexOf(letter) + 1);
      return range.getBoundingClientRect().left;
    });
    return first > last;
  })()`);
  await second.tell(end);
  await page.until(`document.querySelector(".error-box p")?.textContent`);
  const ended = await others([".error-box p"]);
  await page.open(`${server.url}/sync/${encodeURIComponent(name)}`);
  await page.until(`document.querySelector(".strip a")`);
  const ofSync = await others(["h1", ".crumbs bdi"]);

  assert.deepEqual([going, line, ended, ofSync], [[], true, [], []]);
});

test("a chosen log line is let go of when another level is asked for", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server);
  await job.tell({ type: "log", level: "info", message: "of info" });
  const page = await signedInPage(t, server, `job/${job.id}`);
  const whole = `document.querySelector(".lines-whole:not([hidden])")?.textContent ?? ""`;
  await page.until(`document.querySelector(".line")?.innerText.includes("of info")`);
  await page.run(`document.querySelector(".line").click(), 0`);
  await page.until(`${whole}.includes("of info")`);

  await chooseLevel(page, "error");
  await page.until(`document.body.innerText.includes("No log lines of this level.")`);

  assert.equal(await page.run(whole), "");
});

test("the log level stands in the address, which a reload and another tab keep", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server);
  await job.tell(
    { type: "log", level: "info", message: "of info" },
    { type: "log", level: "error", message: "of error" },
  );
  const page = await signedInPage(t, server, `job/${job.id}`);
  const shown = `[...document.querySelectorAll("[aria-labelledby=log-title] .line-text")]
    .map((line) => line.textContent).join()`;
  const address = "location.pathname + location.search";
  await page.until(`${shown} === "of info,of error"`);

  await chooseLevel(page, "error");
  const chosen = await page.run(address);
  await page.reload();
  await page.until(`${shown} === "of error"`);
  const level = await page.run(`document.querySelector("#log-level").value`);
  await chooseLevel(page, "info");
  const usual = await page.run(address);
  await page.open(`${server.url}/job/${job.id}?level=no-such`);
  await page.until(`${shown} === "of info,of error"`);

  assert.equal(chosen, `/job/${job.id}?level=error`);
  assert.equal(level, "error");
  assert.equal(usual, `/job/${job.id}`);
});

test("thirty runs of a sync fit on a phone, the newest in sight", async (t) => {
  const server = await testServer(t);
  for (let n = 0; n < 30; n++) {
    const job = await workersJob(server, { sync: "users", total: 100 });
    await job.tell({ type: "end", status: n === 29 ? "failed" : "completed" });
  }
  const page = await signedInPage(t, server);
  await page.look({ width: 390, phone: true });
  await page.open(`${server.url}/sync/users`);
  await page.until(`document.querySelectorAll(".strip a").length === 30`);

  // Not innerWidth: on a phone that grows with what is wider.
  const { wide, newest } = await page.run<{ wide: boolean; newest: boolean }>(`(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    const { right } = document.querySelector(".strip li:last-child").getBoundingClientRect();
    return { wide: scrollWidth > clientWidth, newest: right <= clientWidth };
  })()`);
  assert.deepEqual({ wide, newest }, { wide: false, newest: true });
});

test("a job that completed with warnings is marked so, in the list and on its page", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server, { sync: "backup" });
  await job.tell({ type: "progress", entities_inserted: 10, entities_kept: 5, warnings: 1 }, {
    type: "end",
    status: "completed",
  });
  const page = await signedInPage(t, server);

  await page.until(`${ROW(job.id, ".icon-warning")}`);
  const state = await page.run<string>(`${ROW(job.id, ".job-state")}.textContent`);
  const card = await page.until<string>(
    `document.querySelector(".sync-state:has(.icon-warning)")?.textContent`,
  );
  await page.open(`${server.url}/job/${job.id}`);
  const status = await page.until<string>(
    `document.querySelector(".status .icon-warning") && document.querySelector(".status").textContent`,
  );

  assert.equal(state, "Completed, 1 warning");
  assert.equal(card, "Completed, 1 warning");
  assert.equal(status, "Completed, 1 warning");
});

test("a sync's card shows no run that was removed, also while the page was away", async (t) => {
  const server = await testServer(t, { syncs: [] });
  const remove = async (id: string) => {
    const headers = { Authorization: `Bearer ${server.key()}` };
    await server.ask(`/v1/sync/job/${id}`, { method: "DELETE", headers });
  };
  const first = await workersJob(server, { sync: "users" });
  await first.tell({ type: "end", status: "completed" });
  const second = await workersJob(server, { sync: "users" });
  await second.tell({ type: "end", status: "failed", error: { code: "no", message: "no" } });
  const page = await signedInPage(t, server);
  const card = `document.querySelector(".sync-state")?.textContent`;

  await page.until(`${card} === "Failed"`);
  await remove(second.id);
  await page.until(`${card} === "Completed"`);
  await page.offline(true);
  await page.until(`document.querySelector(".link-pill").dataset.link === "offline"`);
  await remove(first.id);
  await page.offline(false);
  await page.until(`${card} === "No run is known"`);

  assert.deepEqual(page.complaints, []);
});

test("a sync that falls overdue is said to be so where nothing else happens", async (t) => {
  const clock = new FakeClock();
  const hourly = SYNC_SCHEMA.parse({
    name: "hourly",
    source: { type: "outside" },
    expect: { every: "1h", grace: "10m" },
  });
  const { syncs } = configuredSyncs([hourly], "/");
  const server = await testServer(t, { clock, resident: true, syncs });
  const page = await signedInPage(t, server);
  const other = await page.sibling();
  t.after(() => other.close());
  await other.open(`${server.url}/sync/hourly`);
  await page.until(`document.querySelector(".sync-name")?.textContent === "hourly"`);
  await other.until(`/expected/i.test(document.body.innerText)`);

  clock.advance(70 * 60_000);
  const later = "const now = Date.now; Date.now = () => now() + 61_000; 0";
  await Promise.all([page.run(later), other.run(later)]);

  await page.until(`document.querySelector(".overdue:not([hidden])")`);
  await other.until(`document.body.innerText.includes("This sync is overdue")`);
  assert.deepEqual([...page.complaints, ...other.complaints], []);
});

test("a job that has failed shows the attempts that follow, and how they stand", async (t) => {
  const server = await testServer(t);
  const first = await workersJob(server, { sync: "users" });
  await first.tell({ type: "end", status: "failed", error: { code: "x", message: "no route" } });
  const page = await signedInPage(t, server, `job/${first.id}`);
  const words =
    `[...document.querySelectorAll(".attempts li")].map((one) => one.innerText.slice(0, 8))`;
  const passes = () => page.run("{ const now = Date.now; Date.now = () => now() + 61_000; }");
  const comes = (last: string) => page.until(`${words}[1] === ${JSON.stringify(last)}`);
  await page.until(`document.querySelector(".error-box p")`);

  const second = await workersJob(server, { sync: "users", retry_of: first.id, attempt: 2 });
  await passes();
  await comes("2. In pr");
  await page.run(`document.querySelector(".attempts a").focus()`);
  await second.tell({ type: "end", status: "completed" });
  await passes();
  await comes("2. Compl");

  const focused = await page.run("document.activeElement.getAttribute('href')");
  assert.equal(focused, `job/${second.id}`);
  assert.deepEqual(page.complaints, []);
});

test("attempts that nobody tells of are not asked for more than once at a time", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server, { sync: "users" });
  await job.tell({ type: "end", status: "failed", error: { code: "x", message: "no route" } });
  const page = await signedInPage(t, server, `job/${job.id}`);
  await page.until(`document.querySelector(".error-box p")`);
  await page.run(`{
    window.asked = 0;
    window.open = 0;
    const ask = window.fetch;
    window.fetch = (url, init) => {
      if (!/jobs[?]sync/.test(url)) return ask(url, init);
      asked++;
      open++;
      return new Promise((_, reject) => init.signal.addEventListener("abort", () => {
        open--;
        reject(init.signal.reason);
      }));
    };
    AbortSignal.timeout = (ms) => {
      const limit = new AbortController();
      window.timeUp = (passedMs) => passedMs < ms || limit.abort();
      return limit.signal;
    };
    window.passes = () => Date.now = ((before) => () => before() + 61_000)(Date.now);
    passes();
  }`);
  await page.until("asked === 1");
  await page.run("timeUp(60_000), passes(), 0");
  await page.until("asked === 2");

  assert.equal(await page.run("open"), 1);
});

test("an attempt that was shown stays, with how it ends, and those that follow it come, however many jobs its sync has had since", async (t) => {
  const server = await testServer(t);
  const fail = { type: "end", status: "failed", error: { code: "x", message: "no route" } };
  const first = await workersJob(server, { sync: "users" });
  await first.tell(fail);
  const second = await workersJob(server, { sync: "users", retry_of: first.id, attempt: 2 });
  await second.tell(fail);
  const page = await signedInPage(t, server, `job/${first.id}`);
  const words =
    `[...document.querySelectorAll(".attempts li")].map((one) => one.innerText.slice(0, 8)).join()`;
  await page.until(`${words} === "1. Faile,2. Faile"`);

  const others = async () => {
    for (let n = 0; n < 50; n++) await post(server, "/v1/sync/job", { sync: "users" });
  };
  const minute = () => page.run("{ const now = Date.now; Date.now = () => now() + 61_000; }");
  await others();
  const third = await workersJob(server, { sync: "users", retry_of: second.id, attempt: 3 });
  await minute();
  await page.until(`${words} === "1. Faile,2. Faile,3. In pr"`);
  await others();
  await third.tell({ type: "end", status: "completed" });
  await minute();

  await page.until(`${words} === "1. Faile,2. Faile,3. Compl"`);
});

test("a sync that is overdue is among the first, however many there are", async (t) => {
  const clock = new FakeClock();
  const expected = (name: string, every: string) =>
    SYNC_SCHEMA.parse({ name, source: { type: "outside" }, expect: { every } });
  const names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
  const { syncs } = configuredSyncs(
    [...names.map((name) => expected(name, "24h")), expected("z", "1h")],
    "/",
  );
  const server = await testServer(t, { clock, resident: true, syncs });
  clock.advance(2 * 3_600_000);
  const page = await signedInPage(t, server);

  await page.until(`document.querySelectorAll(".sync-card").length === 8`);
  const shown = `[...document.querySelectorAll(".sync-name")].map((name) => name.textContent)`;
  const first = await page.run<string[]>(shown);
  await page.run(`[...document.querySelectorAll("button")]
    .find((button) => button.textContent === "Show all 10 syncs").click(), 0`);
  const all = await page.run<string[]>(shown);
  await page.run(`document.querySelectorAll(".sync-name")[2].focus(), 0`);
  const run = await workersJob(server, { sync: "z" });
  await run.tell({ type: "end", status: "completed" });
  await until(() => {
    clock.advance(250); // in which the stream of many jobs looks for changes
    return page.run<boolean>(`${shown}[0] === "a"`);
  });

  assert.deepEqual(first, ["z", ...names.slice(0, 7)]);
  assert.deepEqual(all, ["z", ...names]);
  assert.deepEqual(await page.run(shown), [...names, "z"]);
  assert.equal(await page.run("document.activeElement.textContent"), "b");
});

test("a sync is no longer called overdue once its run has begun", async (t) => {
  const clock = new FakeClock();
  const hourly = SYNC_SCHEMA.parse({
    name: "hourly",
    source: { type: "outside" },
    expect: { every: "1h" },
  });
  const { syncs } = configuredSyncs([hourly], "/");
  const server = await testServer(t, { clock, resident: true, syncs });
  clock.advance(2 * 3_600_000);
  const page = await signedInPage(t, server, "sync/hourly");
  await page.until(`document.body.innerText.includes("This sync is overdue")`);

  await workersJob(server, { sync: "hourly" });

  await until(() => {
    clock.advance(250); // in which the stream of many jobs looks for changes
    return page.run<boolean>(`!document.body.innerText.includes("This sync is overdue")`);
  });
});

test("why a job was cancelled is not shown as a failure", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server);
  const error = { code: "interrupted", message: "Somebody has pressed Ctrl-C." };
  await job.tell({ type: "end", status: "cancelled", error });
  const page = await signedInPage(t, server, `job/${job.id}`);

  await page.until(`document.querySelector(".error-box:not([hidden])")`);
  const colour = (name: string) =>
    page.run<string>(`getComputedStyle(document.querySelector("${name} .icon")).color`);

  assert.equal(await colour(".error-box"), await colour(".status"));
  assert.deepEqual(await axe(page), []);
});

test("a job that has stalled is called so also once its stream has told how it stands", async (t) => {
  const clock = new FakeClock();
  const server = await testServer(t, { clock, stallAfterMs: 60_000 });
  const job = await workersJob(server);
  await job.tell({ type: "log", level: "info", message: "the last word" });
  clock.advance(61_000);
  const page = await signedInPage(t, server, `job/${job.id}`);

  await page.until(`document.body.innerText.includes("the last word")`);
  const status = await page.run<string>(`document.querySelector(".status").textContent`);
  const sync = await page.sibling();
  t.after(() => sync.close());
  await sync.open(`${server.url}/sync/users`);
  await sync.until(`document.querySelector(".strip .icon-stalled") !== null`);
  await job.tell({ type: "log", level: "info", message: "one more" });
  await page.until(`document.querySelector(".status").textContent === "In progress"`);

  assert.equal(status, "In progress, stalled");
});

test("a list that is come back to calls nothing stalled that it was not told of since", async (t) => {
  const server = await testServer(t, { stallAfterMs: 60_000, heartbeatMs: 600, syncs: [] });
  await workersJob(server);
  const page = await signedInPage(t, server);
  await page.until(`document.querySelector(".job-row .icon-in_progress") &&
    document.querySelector(".sync-card .icon-in_progress")`);
  await heldClock(page);
  await page.run(`document.querySelector(".sync-name").click()`);
  await page.until(`document.querySelector(".strip .icon-in_progress")`);

  await page.run("atMs += 3_600_000");
  await page.until(`document.querySelector(".strip .icon-stalled")`); // which this stream has told
  // At once: the list's own stream tells no later than with its snapshot.
  const back = await page.run(`document.querySelector(".brand").click(),
    [".job-state", ".sync-state"].map((name) => document.querySelector(name).textContent)`);
  await page.until(`document.querySelector(".job-row .icon-stalled") &&
    document.querySelector(".sync-card .icon-stalled")`);

  assert.deepEqual(back, ["In progress", "In progress, 10.0 %"]);
});

for (
  const [what, end] of [["was answered", "asked[0]()"], ["has taken too long", "timeUp()"]] as const
) {
  test(`the syncs are asked for again only once an asking ${what}`, async (t) => {
    const server = await testServer(t, { syncs: [], heartbeatMs: 86_400_000 });
    const { id } = await workersJob(server, { sync: "users" });
    const page = await signedInPage(t, server, `job/${id}`);
    await page.until(`document.querySelector(".crumbs a")`);
    await page.run(`{
      window.asked = [];
      AbortSignal.timeout = () => {
        const limit = new AbortController();
        window.timeUp ??= () => limit.abort();
        return limit.signal;
      };
      const { fetch, setTimeout } = window;
      window.fetch = async (url, init) => {
        if (/sync[?]limit/.test(url)) {
          await new Promise((resolve, reject) => {
            asked.push(resolve);
            init.signal?.addEventListener("abort", () => reject(init.signal.reason));
          });
        }
        return await fetch(url, init);
      };
      window.setTimeout = (act) => setTimeout(act); // no pause between two askings
      window.setInterval = () => 0; // nor one for another reason
      document.querySelector(".crumbs a").click();
    }`);
    await page.until(`asked.length > 0 &&
      document.querySelector(".summary").textContent === "1 job, 1 on the way"`);

    await workersJob(server, { sync: "orders" });
    await page.until(`document.querySelectorAll(".job-row").length === 2`);
    const before = await page.run("asked.length");
    await page.run(`${end}, 0`);
    await page.until("asked.length > 1"); // for what has come meanwhile
    await page.run("asked[1](), 0");
    await page.until(`document.querySelectorAll(".sync-card").length === 2`);

    assert.equal(before, 1);
  });
}

test("how long a sync takes is told of the runs that are shown, however long the page is open", async (t) => {
  const clock = new FakeClock();
  const server = await testServer(t, { clock });
  const runs = async (count: number, ms: number) => {
    for (let n = 0; n < count; n++) {
      const job = await workersJob(server, { sync: "users", total: 100 });
      clock.advance(ms);
      await job.tell({ type: "end", status: "completed" });
    }
  };
  await runs(16, 10_000);
  await runs(14, 60_000);
  const page = await signedInPage(t, server, "sync/users");
  const typical = `document.querySelector("[title^=Median]")?.textContent`;
  await page.until(`${typical} === "10 s"`);

  await runs(2, 60_000); // of all 32 the median is 35 s

  await until(() => {
    clock.advance(1_000);
    return page.run<boolean>(`${typical} === "1 min"`);
  });
});

test("a browser's clock that is set while a job is looked at changes nothing that is told", async (t) => {
  const server = await testServer(t);
  const { id } = await workersJob(server);
  const page = await signedInPage(t, server, `job/${id}`);
  const asked = () =>
    page.run<number>(`performance.getEntriesByType("resource")
      .filter(({ name }) => name.endsWith("/v1/session")).length`);
  const facts = `document.querySelector(".facts")?.innerText`;
  await page.until(`/Running for/.test(${facts})`);

  for (const ms of [3_600_000, -7_200_000]) {
    const before = await asked();
    await page.run(`{ const now = Date.now; Date.now = () => now() + ${ms}; }`);
    await until(async () => await asked() > before);
    await page.until(
      `/Running for\\s+(under 1|\\d+) s\\n/.test(${facts}) && !/1 h|2 h/.test(${facts})`,
    );
  }
});

test("a job that is cancelled before it has begun is not said to have started", async (t) => {
  const server = await testServer(t);
  const { id } = await post(server, "/v1/sync/job", { sync: "users" });
  const page = await signedInPage(t, server, `job/${id}`);
  await page.until(`document.querySelector(".link-pill").dataset.link === "live"`);

  await post(server, `/v1/sync/job/${id}/cancel`);
  await post(server, `/v1/sync/job/${id}/events`, { type: "end", status: "cancelled" });
  await page.until(`document.querySelector(".status").textContent === "Cancelled"`);
  const facts = await page.run<string>(`document.querySelector(".facts").innerText`);

  assert.match(facts, /Ended\s+[^\n]+ · [^\n]*\d\d:\d\d/); // there is no title on a phone
  assert.doesNotMatch(facts, /Started|Took|Running/);
});

test("beyond a total there is no percent, on the job's page and in the list", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server, { sync: "more", total: 100 });
  await job.tell({ type: "progress", entities_inserted: 290 });
  const page = await signedInPage(t, server, `job/${job.id}`);
  const text = await page.until<string>(
    `document.body.innerText.includes("290 of 100 entities") && document.body.innerText`,
  );
  const bar = await page.run(`document.querySelector("[role=progressbar]").hidden`);
  const title = await page.run("document.title");
  await page.picture("beyond");
  await page.open(server.url);
  const row = await page.until<string>(`document.querySelector(".job-row")?.innerText`);
  await page.until(`[...document.querySelectorAll(".sync-state")].some((node) =>
    node.innerText === "In progress")`);
  await page.open(`${server.url}/job/${job.id}`);
  await job.tell({ type: "end", status: "completed" });
  await page.until(`document.querySelector(".share")?.innerText === "100.0 %"`);

  assert.doesNotMatch(text + row, /%| left/);
  assert.deepEqual([bar, title], [true, "In progress - more - synctail"]);
});

test("a percent of bytes says so, and nothing done is no amount and no entity type", async (t) => {
  const server = await testServer(t);
  const sized = await workersJob(server, { sync: "sized", total: 100 });
  await sized.tell({
    ...{ type: "progress", entities_inserted: 90, total: 100 },
    ...{ bytes_done: 500, bytes_total: 1000 },
  });
  const { id } = await post(server, "/v1/sync/job", { sync: "failed" });
  await post(server, `/v1/sync/job/${id}/events`, [
    { type: "progress", entities_encountered: { file: 0 }, bytes_done: 0 },
    { type: "end", status: "failed", error: { code: "program_failed", message: "no" } },
  ]);
  const page = await signedInPage(t, server, `job/${sized.id}`);

  const words = `document.querySelector(".share")?.innerText`;
  const share = await page.until<string>(words);
  await sized.tell({ type: "end", status: "failed", error: { code: "x", message: "no" } });
  await page.until(`document.querySelector(".status").textContent === "Failed"`);
  const ended = await page.run<string>(words);
  await page.open(`${server.url}/job/${id}`);
  await page.until(`document.querySelector(".status")?.textContent === "Failed"`);
  const text = await page.text();

  assert.deepEqual([share, ended], ["50.0 % of bytes", "50.0 % of bytes"]);
  assert.doesNotMatch(text, /0 B|Entity types/);
});
