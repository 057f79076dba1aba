import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock } from "../../src/clock.ts";
import { SqliteLog } from "../../src/log/sqlite_log.ts";
import { deriveSyncId } from "../../src/sync/ids.ts";
import { newJob, progress, TENANT } from "../support/log_contract.ts";
import { closeBrowser, signedInPage, workersJob } from "../support/page.ts";
import { testServer } from "../support/server.ts";

after(closeBrowser);

/** Elements that a page may have at all; what is not seen is not there. */
const NODES_MAX = 1_500;
const NODES = `document.querySelectorAll("*").length`;

test("10,000 jobs are one list that scrolls, of which only what is seen is drawn", async (t) => {
  const server = await testServer(t);
  const moving = await workersJob(server, { sync: "users", total: 100 });
  const log = new SqliteLog({
    path: join(server.temp, "data", "log.db"),
    durability: "normal",
    clock: systemClock,
  });
  const jobs = Array.from(
    { length: 9_999 },
    (_, n) =>
      newJob({
        origin: "worker",
        owner: null,
        sync: null,
        name: `number-${n}`,
        createdAtMs: n + 1,
      }),
  );
  await Promise.all(jobs.map(async (job, n) => {
    await log.create({ ...job, leaseUntilMs: Date.now() + 3_600_000, leaseMs: 3_600_000 });
    if (n % 2 === 0) {
      await log.append(job, () => ({ facts: [progress(n === 0 ? "failed" : "completed", n)] }));
    }
  }));
  await log.close();
  const page = await signedInPage(t, server);
  const names =
    `[...document.querySelectorAll(".job-name")].map((node) => node.firstChild.textContent)`;

  // Half of them are over; of those the newest thousand come at first, the others when asked for.
  await page.until(
    `document.querySelector(".summary").textContent.startsWith("6,000 jobs loaded")`,
  );
  await page.run(`{
    const ask = window.fetch;
    window.fetch = (url, init) => {
      if (!url.includes("/v1/sync/jobs?")) return ask(url, init);
      window.fetch = ask;
      return Promise.reject(new TypeError());
    };
    document.querySelector(".older:not([hidden])").focus();
    document.querySelector(".older:not([hidden])").click();
  }`);
  await page.until(`document.querySelector("#notices").innerText === "Cannot show older jobs: " +
    "The server does not answer" && !document.querySelector(".older:disabled")`);
  const focused: string[] = [];
  while (
    !await page.run(
      `document.querySelector("#jobs-title ~ .summary").textContent.startsWith("10,000 jobs")`,
    )
  ) {
    await page.run(`document.querySelector(".older:not([hidden]):not(:disabled)")?.click()`);
    await page.until(`!document.querySelector(".older:disabled")`);
    focused.push(await page.run("document.activeElement.textContent"));
  }
  const nodes = [await page.run<number>(NODES)];
  for (const share of [0.3, 0.7, 1]) {
    await page.run(`scrollTo(0, document.documentElement.scrollHeight * ${share})`);
    await page.until(`[...document.querySelectorAll(".job-row")].some((node) => {
      const { top, bottom } = node.getBoundingClientRect();
      return top < innerHeight / 2 && bottom > 0;
    })`);
    nodes.push(await page.run<number>(NODES));
  }
  const last = await page.until<string[]>(`${names}.includes("number-0") && ${names}`);
  await page.offline(true);
  await page.until(`document.querySelector(".link-pill").dataset.link === "offline"`);
  await page.offline(false);
  await page.until(`document.querySelector(".link-pill").dataset.link === "live"`);
  await page.run(`scrollTo(0, 0)`);
  await moving.tell({ type: "progress", entities_inserted: 77 });
  await page.until(`document.querySelector(".jobs").innerText.includes("77.0 %")`);
  const after = await page.run<string>(`document.querySelector(".summary").textContent`);
  await page.run(`document.querySelector("#filter-text").focus()`);
  await page.type("number-4321");
  await page.until(`${names}.join() === "number-4321"`);

  await page.open(`${server.url}/?status=failed`);
  await page.until(`${names}.join() === "number-0"`);
  // By its name it is looked for among those that are loaded.
  await page.open(`${server.url}/?q=number-0`);
  const none = await page.until<string>(
    `document.querySelector(".empty:not([hidden])")?.innerText`,
  );
  const choose = (status: string) =>
    page.run(`document.querySelector("#filter-status").value = "${status}",
      document.querySelector("#filter-status").dispatchEvent(new Event("change"))`);
  // Where they cannot be had they are asked for once, and again with another filter.
  await page.run(`{
    window.asked = 0;
    const ask = window.fetch;
    window.fetch = (url, init) => {
      if (!url.includes("/v1/sync/jobs?")) return ask(url, init);
      asked++;
      return Promise.reject(new TypeError());
    };
  }`);
  const asked: number[] = [];
  for (const status of ["failed", "completed"]) {
    await choose(status);
    await page.until(`asked > ${asked.length} && !document.querySelector(".older:disabled")`);
    asked.push(
      await page.run(`new Promise((drawn) => {
        const frame = (left) => left > 0 ? requestAnimationFrame(() => frame(left - 1)) : drawn(asked);
        frame(10);
      })`),
    );
  }
  await choose("active");
  await page.until(
    `document.querySelector(".empty:not([hidden])")?.innerText === "No job matches."`,
  );

  assert.equal(none, "No job that is loaded matches; older ones may.");
  assert.deepEqual(asked, [1, 2]);
  assert.equal(focused[0], "Show older jobs");
  assert.ok(last.length < 60);
  assert.match(after, /^10,000 jobs/);
  assert.ok(Math.max(...nodes) < NODES_MAX, String(nodes));
  assert.deepEqual(page.complaints, []);
});

test("of 100,000 log lines the newest 10,000 are kept, followed, and scrolled through", async (t) => {
  const server = await testServer(t, { eventsPerS: 1_000_000, retentionEntries: 1_000_000 });
  const job = await workersJob(server);
  const page = await signedInPage(t, server, `job/${job.id}`);
  await page.until(`document.querySelector(".bar")`);
  const told = `document.querySelector("[aria-labelledby=log-title]").innerText`;
  const toldOfNone = await page.run<string>(told);
  const lines = (first: number) =>
    Array.from(
      { length: 10_000 },
      (_, n) => JSON.stringify({ type: "log", level: "info", message: `line ${first + n}` }),
    ).join("\n");
  const send = async (first: number) => {
    const response = await server.ask(`/v1/sync/job/${job.id}/events`, {
      method: "POST",
      headers: {
        "Authorization": `Bearer ${server.key()}`,
        "Content-Type": "application/x-ndjson",
      },
      body: lines(first),
    });
    assert.equal(response.status, 200, await response.text());
  };
  const shown = (text: string) =>
    `[...document.querySelectorAll(".line-text")].some((node) => node.textContent === "${text}")`;

  for (let first = 1; first < 50_000; first += 10_000) await send(first);
  await page.until(shown("line 50000"));
  const toldOfMany = await page.run<string>(told);
  await page.look({ phone: true });
  const onPhone = await page.run<string>(told);
  const hasTimes = `document.querySelector(".line time").offsetParent !== null`;
  const times = [await page.run<boolean>(hasTimes)];
  await page.look({ width: 700 });
  times.push(await page.run<boolean>(hasTimes));
  await page.look({});
  const nodes = [await page.run<number>(NODES)];
  await page.run(`document.querySelector(".lines").scrollTop -= 4_000`);
  await page.until(`!document.querySelector(".lines-more").hidden`);
  for (let first = 50_001; first < 100_000; first += 10_000) await send(first);
  await page.until(
    `document.querySelector(".lines-more").textContent.startsWith("50,000 new lines")`,
  );
  nodes.push(await page.run<number>(NODES));
  await page.run(`document.querySelector(".lines-more").click()`);
  await page.until(shown("line 100000"));
  await page.run(`document.querySelector(".lines").scrollTop = 0`);
  await page.until(`${shown("line 100000")} === false`);
  const kept = await page.run<number>(
    `document.querySelector(".lines [role=option]").getAttribute("aria-setsize")`,
  );
  await page.run(`document.querySelector(".lines").focus()`);
  await page.press("Home");
  await page.press("ArrowDown");
  const second = await page.until<string>(
    `document.querySelector(".lines-whole:not([hidden])")?.textContent`,
  );
  await page.press("End");
  await page.until(shown("line 100000"));
  const whole = await page.run<string>(
    `fetch([...document.links].find(({ textContent }) => textContent === "Whole log").href,
      { headers: { Accept: "text/html" } }).then((response) => response.text())`,
  );

  assert.ok(Math.max(...nodes) < NODES_MAX, String(nodes));
  assert.doesNotMatch(toldOfNone, /newest/);
  assert.deepEqual(times, [false, true]); // there is room beside the lines
  for (const words of [toldOfMany, onPhone]) assert.match(words, /These are the newest lines/);
  assert.ok(Number(kept) >= 10_000 && Number(kept) < 11_000, String(kept));
  assert.match(second, new RegExp(`\nline ${100_000 - Number(kept) + 2}$`));
  assert.equal(whole.trimEnd().split("\n").length, 100_000);
  assert.deepEqual(page.complaints, []);
});

test("a log line changes nothing of its job's page but the log", async (t) => {
  const server = await testServer(t, { heartbeatMs: 3_600_000 }); // else these are frames, too
  const job = await workersJob(server);
  await job.tell({ type: "progress", entities_inserted: 10, bytes_done: 10, bytes_total: 100 });
  const page = await signedInPage(t, server, `job/${job.id}`);
  await page.run(`{ const now = Date.now(); Date.now = () => now; 0; }`); // or a rate becomes an old one
  const shown = (text: string) =>
    `[...document.querySelectorAll(".line-text")].some((node) => node.textContent === "${text}")`;
  await job.tell({ type: "log", level: "info", message: "first" });
  // Once it is so, all of the page is drawn, and not only the log.
  const drawn = (frames: number) =>
    `parseInt(document.querySelector("details .hint").textContent) >= ${frames}`;
  await page.until(
    `${shown("first")} && ${drawn(3)} && document.querySelector(".share").innerText`,
  );
  await page.run(`new MutationObserver((changes) => globalThis.changes = changes)
    .observe(document.querySelector(".hero"), { subtree: true, childList: true, attributes: true,
      characterData: true })`);

  await job.tell({ type: "log", level: "info", message: "second" });
  await page.until(`${shown("second")} && ${drawn(4)}`);
  const rows = await page.run(`document.querySelector("details .lines-host").childElementCount`);
  await page.run(`document.querySelector("summary h2").click()`);
  await page.until(`document.querySelector("details .lines-host").innerText.includes("second")`);

  assert.equal(await page.run(`document.querySelector(".share").innerText`), "10.0 % of bytes");
  assert.equal(await page.run("globalThis.changes?.length ?? 0"), 0);
  assert.equal(rows, 0); // of the frames, which are folded
});

test("of more syncs than the page lists it says so, and has any other at its address", async (t) => {
  const server = await testServer(t);
  const { id } = await workersJob(server, { sync: "users" });
  const all = Array.from({ length: 6_000 }, (_, n) => ({
    id: deriveSyncId(TENANT, `sync ${n}`),
    name: `sync ${n}`,
  }));
  const { registeredSyncs } = SqliteLog.prototype;
  t.after(() => SqliteLog.prototype.registeredSyncs = registeredSyncs);
  SqliteLog.prototype.registeredSyncs = (_, { id, after, limit } = {}) => {
    const from = all.findIndex((sync) => sync.id === after?.id) + 1;
    const asked = id ? all.filter((sync) => sync.id === id) : all.slice(from);
    return Promise.resolve(asked.slice(0, limit));
  };
  const asked = `performance.getEntriesByType("resource")
    .flatMap(({ name }) => /v1.sync[?].*/.exec(name) ?? [])
    .filter((path, at, paths) => paths.indexOf(path) === at)`; // each may be asked for again
  const listed = `["button.older", ".hint"].map((selector) =>
    document.querySelector("[aria-labelledby=syncs-title] > " + selector + ":not([hidden])")?.textContent)`;
  const page = await signedInPage(t, server);
  await page.until(`document.querySelector(".sync-card")`);
  const [home, said] = [await page.run(asked), await page.run(listed)];
  const nodes = await page.run<number>(NODES);

  await page.open(`${server.url}/sync/sync%205999`);
  const heading = await page.until(`document.querySelector(".job-head h1")?.textContent`);
  const ofSync = await page.run(asked);
  await page.open(`${server.url}/job/${id}`);
  await page.until(`${asked}.length > 0`);
  const ofJob = await page.run(asked);

  assert.deepEqual(home, ["v1/sync?limit=5000"]);
  assert.deepEqual(said, [
    "Show the first 5,000 syncs",
    "There are more. One that is not here is found through its jobs, or at its address, sync/NAME.",
  ]);
  assert.ok(nodes < 5_000 + NODES_MAX, `${nodes} elements`); // an option for each
  assert.equal(heading, "sync 5999");
  assert.deepEqual(ofSync, ["v1/sync?sync=sync+5999"]);
  assert.deepEqual(ofJob, [`v1/sync?sync=${deriveSyncId(TENANT, "users")}`]);
});
