import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Look, Page } from "../support/chromium.ts";
import { axe, closeBrowser, freshPage, post, signedInPage, workersJob } from "../support/page.ts";
import { LINK_SCOPES } from "../../src/auth/scopes.ts";
import { signInUrl } from "../../src/cli/link.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { freePort } from "../support/free_port.ts";
import { TENANT } from "../support/log_contract.ts";
import { testServer } from "../support/server.ts";
import { until } from "../support/until.ts";

after(closeBrowser);

const LOOKS: Readonly<Record<string, Look>> = {
  desk: {},
  "desk-dark": { dark: true },
  phone: { phone: true },
  "phone-dark": { phone: true, dark: true },
};

const STATUS = `document.querySelector(".status")?.textContent`;
const PILL = `document.querySelector(".link-pill").dataset.link`;
const WIDER = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
const BAR = `document.querySelector("[role=progressbar]")?.getAttribute("aria-valuenow")`;

test("a job is called by its sync and its own name, and an old rate is not shown", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server, { sync: "users", name: "Tuesday", total: 100 });
  const page = await signedInPage(t, server, `job/${job.id}`);
  await page.until(`${BAR} === "10"`);
  await page.run("window.paceOf = () => document.querySelector('.pace').textContent, 0");
  for (let done = 20; await page.run<string>("paceOf()") === ""; done++) {
    await job.tell({ type: "progress", entities_inserted: Math.min(done, 99) });
  }

  const title = await page.run<string>("document.querySelector('h1').textContent");
  // As if nothing had come for as long.
  await page.run("const now = Date.now; Date.now = () => now() + 11_000; 0");
  await page.until("paceOf() === ''");
  const words = await page.text();
  await page.picture("quiet");

  assert.equal(title, "users \u00b7 Tuesday");
  assert.doesNotMatch(words, /\d\/s|left/);
});

test("a sync is seen moving and ending", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server, { sync: "users", total: 100 });
  const page = await signedInPage(t, server, `job/${job.id}`);

  await page.until(`${BAR} === "10"`);
  const before = await page.text();
  await job.tell(
    { type: "progress", entities_inserted: 40, current: "user 40" },
    { type: "log", level: "warning", message: "user 7 has no e-mail" },
  );
  await page.until(`${BAR} === "40" && document.querySelector(".line")`);
  const middle = await page.text();
  await job.tell({ type: "progress", entities_inserted: 100 }, {
    type: "end",
    status: "completed",
  });
  await page.until(`${STATUS} === "Completed"`);
  const end = await page.text();

  assert.match(before, /10\.0 %\s+10 of 100 entities/);
  assert.match(middle, /user 40/);
  assert.match(middle, /warning\s+user 7 has no e-mail/);
  assert.match(end, /100\.0 %\s+100 of 100 entities/);
  assert.equal(await page.run(PILL), "over");
  assert.doesNotMatch(end, /Cancel/);
  assert.equal(await page.run("document.title"), "Completed - users - synctail");
  assert.deepEqual(page.complaints, []);
});

test("the rate of before the page was opened is in the chart, also of a job that is over", async (t) => {
  const clock = new FakeClock();
  const server = await testServer(t, { clock });
  const job = await workersJob(server, { sync: "users", total: 100 });
  for (const done of [20, 40, 80]) {
    clock.advance(2_000);
    await job.tell({ type: "progress", entities_inserted: done });
  }
  await job.tell({ type: "end", status: "completed" });

  const page = await signedInPage(t, server, `job/${job.id}`);
  const words = await page.until<string>(
    `document.querySelector(".chart > .uplot") &&
      document.querySelector(".chart").getAttribute("aria-label")`,
  );
  await page.picture("history");

  assert.equal(words, "Rate over time: latest 12.6/s, between 5/s and 12.6/s");
  assert.deepEqual(page.complaints, []);
});

test("each script of the page is loaded once, and what only a chart needs with the first one", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server);
  const page = await signedInPage(t, server);
  const loaded = `performance.getEntriesByType("resource")
    .filter(({ name }) => /\\/assets\\/.*\\.js$/.test(name))`;
  const names = `${loaded}.map(({ name }) => name.split("/").at(-1))`;
  await page.until(`document.querySelector(".job-row")`);
  const first = await page.run<string[]>(names);

  await page.reload();
  await page.until(`document.querySelector(".job-row")`);
  const again = await page.run(`${loaded}.filter(({ transferSize }) => transferSize > 0).length`);
  await page.run(`document.querySelector(".job-link").click()`);
  await page.until(`${names}.includes("uplot.js") && document.querySelector(".bar")`);

  assert.deepEqual(first.filter((name, n) => first.indexOf(name) !== n), []);
  assert.ok(first.includes("app.js") && !first.includes("uplot.js"), String(first));
  assert.equal(again, 0);
  assert.equal(await page.run("location.pathname"), `/job/${job.id}`);
  assert.deepEqual(page.complaints, []);
});

test("what is not known is absent: no bar, rate or time left without a total", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server, { sync: "users" });
  const page = await signedInPage(t, server, `job/${job.id}`);
  await page.until(`document.body.innerText.includes("10 entities")`);

  assert.equal(await page.run(`document.querySelector("[role=progressbar]").hidden`), true);
  assert.doesNotMatch(await page.text(), /%| left|undefined|NaN|null|Entity types/);
});

test("a reload in the middle shows the job as it stands, with its log", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server);
  const page = await signedInPage(t, server, `job/${job.id}`);
  await job.tell({ type: "log", level: "info", message: "line before" });
  await page.until(`document.body.innerText.includes("line before")`);

  await page.reload();
  await page.until(`document.body.innerText.includes("line before")`);
  await job.tell({ type: "progress", entities_inserted: 60 });
  await page.until(`${BAR} === "60"`);

  assert.equal(await page.run(PILL), "live");
});

test("a reload comes back to where one was in the list and on a job's page", async (t) => {
  const server = await testServer(t);
  const jobs = await Promise.all(
    Array.from({ length: 80 }, (_, n) => workersJob(server, { sync: `sync-${n}` })),
  );
  const page = await signedInPage(t, server);
  await page.look({ width: 390, height: 400 });
  const places: number[] = [];

  for (const [path, ready] of [["", ".job-row"], [`job/${jobs[0].id}`, ".bar"]]) {
    await page.open(`${server.url}/${path}`);
    await page.until(`document.querySelector("${ready}") && ${PILL} === "live"`);
    await page.until(`scrollTo(0, 300) || scrollY > 0`);
    await page.run(`addEventListener("pagehide", () => sessionStorage.setItem("before", scrollY))`);
    await page.reload();
    await page.until(`scrollY > 0 && scrollY >= Number(sessionStorage.getItem("before"))`);
    places.push(await page.run(`Number(sessionStorage.getItem("before"))`));
  }

  assert.ok(places.every((y) => y > 0), `${places}`);
});

test("a reload at the end of a list that has become shorter comes to its end", async (t) => {
  const server = await testServer(t);
  const jobs = await Promise.all(
    Array.from({ length: 40 }, (_, n) => workersJob(server, { sync: `sync-${n}` })),
  );
  const page = await signedInPage(t, server, "?status=active");
  await page.look({ width: 390, height: 400 });
  await page.until(`document.querySelector(".summary")?.textContent.startsWith("40 jobs")`);
  await page.until(`scrollTo(0, document.documentElement.scrollHeight), scrollY > 2000`);
  const ends = jobs.slice(0, 10).map(({ tell }) => tell({ type: "end", status: "completed" }));

  await Promise.all(ends);
  await page.reload();
  await page.until(`document.querySelector(".summary")?.textContent.startsWith("30 jobs")`);

  await page.until(
    `scrollY > 0 && scrollY + innerHeight >= document.documentElement.scrollHeight - 1`,
  );
});

test("while the server is away the page says since when, and comes back without loss", async (t) => {
  const server = await testServer(t, { retryMs: 100, port: await freePort() });
  const job = await workersJob(server);
  const page = await signedInPage(t, server, `job/${job.id}`);
  const time = "2020-01-15T12:00:00Z";
  await job.tell({ type: "log", level: "info", message: "line 1", time });
  await page.until(`document.body.innerText.includes("line 1")`);
  assert.match(
    await page.run(`document.querySelector(".line time").textContent`),
    /^15 Jan, \d\d:00:00$/,
  );
  const lines = `[...document.querySelectorAll(".line-text")].map((node) => node.textContent)`;

  await server.stop();
  const banner = await page.until<string>(
    `document.querySelector(".banner:not([hidden])")?.textContent`,
  );
  await server.restart();
  await job.tell(
    { type: "log", level: "info", message: "line 2" },
    { type: "progress", entities_inserted: 70 },
  );
  await page.until(`${BAR} === "70" && ${PILL} === "live" && ${lines}.includes("line 2")`);

  assert.match(
    banner,
    /The connection is lost\. Last heard at .+: the numbers below are from then/,
  );
  assert.equal(await page.run(`document.querySelector(".banner").hidden`), true);
  assert.equal(
    await page.run(`document.querySelector("[role=status].unseen").textContent`),
    "The connection is back.",
  );
  assert.deepEqual(
    (await page.run<string[]>(lines)).filter((text) => text.startsWith("line")),
    ["line 1", "line 2"],
  );
});

test("offline is told at once, and online again the page goes on where it was", async (t) => {
  const server = await testServer(t, { retryMs: 100 });
  const job = await workersJob(server);
  const page = await signedInPage(t, server, `job/${job.id}`);
  await page.until(`parseInt(document.querySelector("details .hint")?.textContent) >= 2`);

  await page.offline(true);
  await page.until(`${PILL} === "offline" && !document.querySelector(".banner").hidden`);
  await job.tell({ type: "progress", entities_inserted: 80 });
  const old = await page.run(BAR);
  await page.offline(false);
  await page.until(`${BAR} === "80"`);

  assert.equal(old, "10");
  assert.equal(await page.run(PILL), "live");
  await page.run(`document.querySelector("details.card").open = true`);
  await page.until(
    `document.querySelector("details .lines").innerText.includes('"resume": "resumed"')`,
  );
});

test("a tab that nobody looks at says in its title how the job stands", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server, { sync: "users", total: 100 });
  const page = await signedInPage(t, server);
  const behind = await page.sibling();
  t.after(() => behind.close());
  await behind.open(`${server.url}/job/${job.id}`);
  await behind.until(`document.title === "10.0 % - users - synctail"`);

  await behind.hide();
  await job.tell({ type: "progress", entities_inserted: 30 });
  await behind.until(`document.hidden && document.title === "30.0 % - users - synctail"`);
  await job.tell({ type: "end", status: "failed" });
  await behind.until(`document.title === "Failed - users - synctail"`);

  assert.deepEqual(behind.complaints, []);
});

test("a tab that nobody looks at does not ask for the syncs while jobs end", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server, { sync: "users", total: 100 });
  const page = await signedInPage(t, server);
  const behind = await page.sibling();
  t.after(() => behind.close());
  await behind.open(`${server.url}/job/${job.id}`);
  await behind.until(BAR);
  await behind.run(`(() => {
    globalThis.asked = 0;
    const { fetch, setTimeout, JSON: { parse } } = globalThis;
    globalThis.fetch = (...given) => (globalThis.asked++, fetch(...given));
    globalThis.setTimeout = (call) => setTimeout(call); // no pause between two questions
    JSON.parse = (text) => (globalThis.told ||= text.includes("completed"), parse(text));
  })()`);
  await behind.run(`document.querySelector(".crumbs a").click()`);
  await behind.until(`document.querySelector(".sync-card .icon-in_progress")`);

  await behind.hide();
  const before = await behind.run<number>("globalThis.asked");
  await job.tell({ type: "end", status: "completed" });
  await behind.until("globalThis.told");

  assert.ok(before > 0);
  assert.equal(await behind.run("globalThis.asked"), before);
  assert.deepEqual(behind.complaints, []);
});

test("six tabs leave a connection for the next: the one that was looked at first rests, and says so", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server, { sync: "users", total: 100 });
  const first = await freshPage(t); // it stays hidden
  await first.open(signInUrl(server.url, server, TENANT, LINK_SCOPES, `job/${job.id}`));
  const tabs = [first];
  const another = async () => {
    await tabs[tabs.length - 1].until(`${PILL} === "live"`);
    await tabs[tabs.length - 1].hide();
    const tab = await first.sibling();
    tabs.push(tab);
    await tab.open(`${server.url}/job/${job.id}`);
  };
  for (let n = 2; n <= 6; n++) await another();

  await first.until(`document.title === "Not followed - users - synctail"`);
  await another();
  await tabs[6].until(`${PILL} === "live" && document.title === "10.0 % - users - synctail"`);
  await tabs[1].until(`${PILL} === "resting"`);
  await job.tell({ type: "progress", entities_inserted: 30 });
  await tabs[2].until(`document.title === "30.0 % - users - synctail"`);
  const old = await first.run(BAR);
  await first.run(`(Object.defineProperty(document, "hidden", { value: false }),
    document.dispatchEvent(new Event("visibilitychange")), 0)`);
  await first.until(`${PILL} === "live" && document.title === "30.0 % - users - synctail"`);
  await tabs[2].until(`${PILL} === "resting"`);

  assert.equal(old, "10");
  assert.deepEqual(tabs.flatMap(({ complaints }) => complaints), []);
});

test("tabs that are opened behind one that is looked at leave a connection for the next, too", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server, { sync: "users", total: 100 });
  const seen = await freshPage(t);
  await seen.open(signInUrl(server.url, server, TENANT, LINK_SCOPES));
  await seen.until(`${PILL} === "live"`);
  const behind: Page[] = [];
  for (let n = 1; n <= 6; n++) {
    const tab = await seen.sibling();
    behind.push(tab);
    await tab.open(`${server.url}/job/${job.id}`);
    await tab.until(`${PILL} === "live"`);
    await tab.hide();
  }

  await behind[1].until(`document.title === "Not followed - users - synctail"`);
  await seen.run(`document.querySelector(".job-link").click()`);
  await seen.until(`document.title === "10.0 % - users - synctail" && ${PILL} === "live"`);

  assert.equal(await behind[2].run(PILL), "live");
});

test("two tabs show the same, and signing out in one ends both", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server);
  const page = await signedInPage(t, server, `job/${job.id}`);
  const other = await page.sibling();
  t.after(() => other.close());
  await other.open(`${server.url}/job/${job.id}`);
  await job.tell({ type: "progress", entities_inserted: 30 });
  await Promise.all([page.until(`${BAR} === "30"`), other.until(`${BAR} === "30"`)]);

  await page.run(`document.querySelector("#top button").click()`);
  await page.until(`document.querySelector("#key")`);
  await other.until(`document.querySelector("#key")`);

  assert.match(await page.text(), /You are signed out/);
  assert.match(await other.text(), /signed out|session has ended/);
  await other.reload();
  await other.until(`document.querySelector("#key")`);
});

test("a page is signed in by a link once, by a key always, and the link leaves the address bar", async (t) => {
  const server = await testServer(t);
  const page = await signedInPage(t, server);
  const address = await page.run<string>("location.href");
  const used = await page.run<string>("performance.getEntriesByType('navigation')[0].name");
  const other = await freshPage(t);
  await other.open(used);
  await other.until(`document.querySelector("#key")`);
  const words = await other.text();
  await other.type("nonsense");
  await other.press("Enter");
  await other.until(`document.body.innerText.includes("not known here")`);
  await other.run(`document.querySelector("#key").value = ""`);
  await other.type(server.key(["read"]));
  await other.press("Enter");
  await other.until(`document.querySelector("#jobs-title")`);

  assert.doesNotMatch(address, /link/);
  assert.match(words, /The sign-in link has expired or was used before/);
  assert.equal(await other.run("document.cookie"), "");
  assert.equal(await other.run("localStorage.length + sessionStorage.length"), 0);
});

test("a key that may not read is told so where it signs in, and makes room for another one", async (t) => {
  const server = await testServer(t);
  const page = await freshPage(t);
  const words = `document.querySelector(".sign-in-words:not([hidden])")?.textContent`;
  await page.open(server.url);
  await page.until(`document.querySelector("#key")`);

  await page.type(server.key(["write"]));
  await page.press("Enter");
  const said = await page.until(words);
  await page.reload();
  const again = await page.until(words);
  await page.type(server.key(["read"]));
  await page.press("Enter");
  await page.until(`document.querySelector("#jobs-title")`);

  assert.equal(said, 'This key lacks the scope "read", so it can show nothing; use another.');
  assert.equal(again, said);
});

test("without cookies the sign-in says what it needs, and uses up no link", async (t) => {
  const server = await testServer(t);
  const page = await freshPage(t);
  await page.open(server.url);
  await page.until(`document.querySelector("#key")`);
  const words = `document.querySelector(".sign-in-words:not([hidden])")?.textContent`;
  const cookies = (enabled: boolean) =>
    `Object.defineProperty(navigator, "cookieEnabled", { value: ${enabled}, configurable: true })`;
  const { hash } = new URL(signInUrl(server.url, server, TENANT, LINK_SCOPES));
  const open = `location.hash = ${JSON.stringify(hash)}`;

  await page.run(`${cookies(false)}, ${open}`);
  const byLink = await page.until(words);
  await page.run(`document.querySelector("#key").focus()`);
  await page.type(server.key());
  await page.press("Enter");
  const byKey = await page.run(words);
  await page.run(`${cookies(true)}, ${open}`);
  await page.until(`${PILL} === "live"`);

  assert.equal(
    byLink,
    "This browser keeps no cookies for this page, so it cannot sign in. Allow them, then sign in.",
  );
  assert.equal(byKey, byLink);
});

test("a link that is opened while the server is away signs in when it is back", async (t) => {
  const server = await testServer(t);
  const page = await freshPage(t);
  await page.open(server.url);
  await page.until(`document.querySelector("#key")`);
  const link = new URL(signInUrl(server.url, server, TENANT, LINK_SCOPES, ""));

  await page.offline(true);
  await page.run(`location.hash = ${JSON.stringify(link.hash)}, 0`);
  await page.until(`document.body.innerText.includes("does not answer. Trying again")`);
  await page.offline(false);

  await page.until(`document.querySelector("#jobs-title")`);
  assert.doesNotMatch(await page.run<string>("location.href"), /link/);
});

/** The page's next request to that path, which the returned function answers. */
async function heldRequest(
  page: Page,
  path: string,
): Promise<(status: number, body: object) => Promise<void>> {
  await page.run(`{
    const ask = window.fetch;
    window.answer = undefined;
    window.fetch = (url, init) => {
      if (!url.endsWith(${JSON.stringify(path)})) return ask(url, init);
      window.fetch = ask;
      return new Promise((resolve) => window.answer = resolve);
    };
    0;
  }`);
  return async (status, body) => {
    await page.until("window.answer !== undefined");
    await page.run(`answer({
      ok: ${status === 200},
      status: ${status},
      headers: new Headers(),
      json: () => Promise.resolve(${JSON.stringify(body)}),
    }), 0`);
  };
}

const LOOK = `document.dispatchEvent(new Event("visibilitychange")), 0`;
const ENDED: readonly [number, object] = [401, { detail: "The session has ended" }];

test("a tab that is looked at again shows whom the browser has signed in as meanwhile", async (t) => {
  const server = await testServer(t);
  await workersJob(server);
  const page = await signedInPage(t, server);
  await page.until(`document.querySelectorAll(".job-row").length === 1`);
  const same = await page.run<object>(`fetch("/v1/session").then((answer) => answer.json())`);

  const answer = await heldRequest(page, "/v1/session");
  await page.run(`document.querySelector("#jobs-title").was = true, ${LOOK}`);
  await answer(200, same);
  const stays = await page.run(`document.querySelector("#jobs-title").was`);
  await page.run(`fetch("/v1/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: ${JSON.stringify(JSON.stringify({ key: server.key(["read"], "acme") }))},
  }).then(() => document.dispatchEvent(new Event("visibilitychange")), 0)`);

  await page.until(`document.querySelector(".who").textContent === "acme"`);
  await page.until(`document.body.innerText.includes("Nothing has run yet")`);
  assert.equal(await page.run(`document.querySelectorAll(".job-row").length`), 0);
  assert.equal(stays, true);
});

test("a tab that asks for a sign-in shows the jobs once another tab has signed in, and keeps what is typed until then", async (t) => {
  const server = await testServer(t);
  const page = await freshPage(t);
  await page.open(server.url);
  await page.until(`document.querySelector("#key")`);
  await page.type("half a key");

  const answer = await heldRequest(page, "/v1/session");
  await page.run(LOOK);
  await answer(...ENDED);
  const typed = await page.run(`document.querySelector("#key").value`);
  await page.run(`fetch("/v1/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: ${JSON.stringify(JSON.stringify({ key: server.key(["read"]) }))},
  }).then(() => document.dispatchEvent(new Event("visibilitychange")), 0)`);

  await page.until(`document.querySelector("#jobs-title")`);
  assert.equal(typed, "half a key");
});

test("what is told late of a former session changes nothing of the one that was begun since", async (t) => {
  const server = await testServer(t);
  const page = await signedInPage(t, server);
  const who = `document.querySelector(".who").textContent`;
  const former = await page.run<object>(`fetch("/v1/session").then((answer) => answer.json())`);

  const late = [["acme", ...ENDED], ["umbrella", 200, former]] as const;
  for (const [tenant, status, body] of late) {
    const { hash } = new URL(signInUrl(server.url, server, tenant as typeof TENANT, LINK_SCOPES));
    const answer = await heldRequest(page, "/v1/session");
    await page.run(`${LOOK}, location.hash = ${JSON.stringify(hash)}, 0`);
    await page.until(`${who} === "${tenant}"`);
    await answer(status, body);

    assert.equal(await page.run(who), tenant);
    assert.equal(await page.run(`document.querySelector("#key")`), null);
  }
});

test("who asked to cancel a job and is told late that the session has ended keeps the one that was begun since", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server);
  const page = await signedInPage(t, server, `job/${job.id}`);
  const who = `document.querySelector(".who").textContent`;
  const cancel = `[...document.querySelectorAll("button")].find((button) =>
    button.textContent === "Cancel")`;
  await page.until(`${cancel} !== undefined`);
  const { hash } = new URL(signInUrl(server.url, server, "acme" as typeof TENANT, LINK_SCOPES));

  const answer = await heldRequest(page, "/cancel");
  await page.run(`${cancel}.click(), document.querySelector("dialog .danger").click(),
    location.hash = ${JSON.stringify(hash)}, 0`);
  await page.until(`${who} === "acme"`);
  await answer(...ENDED);

  assert.equal(await page.run(who), "acme");
  assert.equal(await page.run(`document.querySelector("#key")`), null);
});

test("a session that has ended is said to be so, also where no stream tells of it", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server);
  await job.tell({ type: "end", status: "completed" });
  const page = await signedInPage(t, server, `job/${job.id}`);
  await page.until(`${PILL} === "over"`);

  await page.run(`fetch("/v1/session", { method: "DELETE" })
    .then(() => document.dispatchEvent(new Event("visibilitychange")), 0)`);

  await page.until(`document.querySelector("#key")`);
  assert.match(await page.text(), /The session has ended; sign in again\./);
});

test("signing out of a session that is over is no fault", async (t) => {
  const server = await testServer(t);
  const page = await signedInPage(t, server);

  await page.run(`Promise.resolve().then(() => fetch("/v1/session", { method: "DELETE" }))
    .then(() => document.querySelector("#top button").click())`);

  await page.until(`document.querySelector("#key")`);
  // The stream may tell of it first.
  assert.match(await page.text(), /You are signed out\.|The session has ended; sign in again\./);
  assert.doesNotMatch(await page.text(), /Cannot sign out/);
});

test("a key that is revoked ends what is shown, with words", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server);
  const page = await freshPage(t);
  const { key, row } = keyOf(server);
  await page.open(`${server.url}/job/${job.id}`);
  await page.until(`document.querySelector("#key")`);
  await page.type(key);
  await page.press("Enter");
  await page.until(`${BAR} === "10"`);

  server.keys.revoke(row);
  await page.until(`document.querySelector("#key")`);

  assert.match(await page.text(), /The key of this stream was revoked|session has ended/);
});

test("a job of another tenant, one that never was and a deleted one are told alike", async (t) => {
  const server = await testServer(t);
  const other = await fetch(`${server.url}/v1/sync/job`, {
    method: "POST",
    headers: {
      "Authorization": `Bearer ${server.key(["read", "run", "write"], "acme")}`,
      "Content-Type": "application/json",
    },
    body: "{}",
  });
  const { id } = await other.json();
  const page = await signedInPage(t, server, `job/${id}`);
  const heading = `document.querySelector(".lone h1")?.textContent`;
  const words = [await page.until(heading)];
  for (const path of ["job/770e8400-e29b-41d4-a716-446655440002", "job/none"]) {
    await page.open(`${server.url}/${path}`);
    words.push(await page.until(heading));
  }
  const job = await workersJob(server);
  await page.open(`${server.url}/job/${job.id}`);
  await page.until(`${PILL} === "live"`);
  await server.ask(`/v1/sync/job/${job.id}`, {
    method: "DELETE",
    headers: { Authorization: `Bearer ${server.key()}` },
  });

  assert.deepEqual(words, Array(3).fill("There is nothing here under this id for this key."));
  assert.equal(await page.until(heading), "The job was removed, with everything known of it.");
});

test("a job is cancelled and run again from the page, by the keyboard alone", async (t) => {
  const server = await testServer(t);
  const page = await signedInPage(t, server);
  const tabTo = async (words: string) => {
    const there = `(document.activeElement.getAttribute("aria-label") ??
      document.activeElement.textContent) === ${JSON.stringify(words)}`;
    for (let tabs = 0; tabs < 40; tabs++) {
      if (await page.run(there)) return await page.press("Enter");
      await page.press("Tab");
    }
    assert.fail(`Tab does not reach "${words}"`);
  };
  await page.until(`document.querySelector("[aria-label='Run slow']")`);

  await tabTo("Run slow");
  await page.until(`${STATUS} === "In progress"`);
  const first = await page.run("location.pathname");
  await tabTo("Cancel");
  await page.until(`document.querySelector("dialog[open]")`);
  await page.press("Escape");
  await page.until(`!document.querySelector("dialog")`);
  await tabTo("Cancel");
  await tabTo("Cancel the run");
  await page.until(`${STATUS} === "Cancelled"`);
  await page.until(`document.body.innerText.includes("Run again")`);
  await tabTo("Run again");
  await page.until(`location.pathname !== ${JSON.stringify(first)} && ${STATUS} === "In progress"`);

  assert.match(await page.run("location.pathname"), /^\/job\/[0-9a-f-]{36}$/);
});

test("a key that may only read is told so, and offered nothing else", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server);
  const page = await signedInPage(t, server, `job/${job.id}`, ["read"]);
  await page.until(`${BAR} === "10"`);
  const text = await page.text();
  await page.open(server.url);
  await page.until(`document.querySelector(".sync-card")`);

  assert.match(text, /This key may not run or cancel/);
  assert.doesNotMatch(text, /^Cancel$|^Run again$/m);
  assert.doesNotMatch(await page.text(), /^Run$/m);
});

test("the list is live, filtered by status, text and tag, and its filter is in the address", async (t) => {
  const server = await testServer(t);
  const users = await workersJob(server, { sync: "users", tags: ["eu"], total: 100 });
  const orders = await workersJob(server, { sync: "orders", tags: ["us"] });
  const page = await signedInPage(t, server);
  const rows = `[...document.querySelectorAll(".job-name")].map((node) =>
    node.firstChild.textContent).join()`;
  await page.until(`${rows} === "orders,users"`);

  await workersJob(server, { name: "by hand" });
  await page.until(`${rows} === "by hand,orders,users"`);
  await users.tell({ type: "progress", entities_inserted: 55 });
  await page.until(`document.querySelector(".jobs").innerText.includes("55.0 %")`);
  await orders.tell({ type: "end", status: "failed", error: { code: "x", message: "no route" } });
  await page.until(`${rows} === "by hand,users,orders"`);
  await page.run(`document.querySelector("#filter-text").focus()`);
  await page.type("EU users");
  await page.until(`${rows} === "users"`);
  const address = await page.run("location.search");
  await page.open(`${server.url}/?status=failed`);
  await page.until(`${rows} === "orders"`);
  const failed = await page.run<string>(`document.querySelector(".jobs").innerText`);
  await page.open(`${server.url}/?tag=us&status=active`);
  await page.until(`document.body.innerText.includes("No job matches")`);

  assert.equal(address, "?q=EU+users");
  assert.match(failed, /Failed[\s\S]+no route/);
  assert.equal(
    await page.run(`performance.getEntriesByType("resource")
    .filter(({ name }) => name.includes("/subscribe")).length <= 1`),
    true,
  );
});

test("a key that is held in the filter makes few addresses, and leaving it the last one", async (t) => {
  const server = await testServer(t);
  await workersJob(server, { sync: "users" });
  const page = await signedInPage(t, server);
  await page.until(`document.querySelector(".job-row")`);
  await page.run(`{
    window.addresses = 0;
    const replace = history.replaceState;
    history.replaceState = (...given) => (addresses++, replace.apply(history, given));
    document.querySelector("#filter-text").focus();
  }`);

  const atOnce = await page.run(`{
    const text = document.querySelector("#filter-text");
    for (let n = 0; n < 200; n++) {
      text.value += "x";
      text.dispatchEvent(new InputEvent("input"));
    }
    addresses;
  }`);
  await page.until(`document.querySelector(".summary").textContent === "0 jobs"`);
  await page.until(`location.search === "?q=" + "x".repeat(200)`);
  await page.type("y");
  await page.type("z");
  const left = await page.run(`document.activeElement.blur(), location.search.slice(-3)`);

  assert.equal(atOnce, 1);
  assert.equal(left, "xyz");
});

test("who goes back while typing into the filter comes to where they were", async (t) => {
  const server = await testServer(t);
  const { id } = await workersJob(server, { sync: "users", total: 100 });
  const page = await signedInPage(t, server, `job/${id}`);
  await page.until(`document.title.endsWith("users - synctail")`);
  await page.run(`document.querySelector(".brand").click()`);
  await page.until(`document.querySelector("#filter-text")`);

  await page.run(`document.querySelector("#filter-text").focus()`);
  await page.type("u");
  await page.type("s");
  await page.until(`location.search === "?q=us"`);
  await page.run("history.back()");
  await page.until(`!document.querySelector("#filter-text")`);

  await page.until(`document.title.endsWith("users - synctail")`);
  assert.equal(await page.run("location.href"), `${server.url}/job/${id}`);
});

test("a sync shows its last success, how long it takes, and its runs as links", async (t) => {
  const server = await testServer(t);
  for (const status of ["completed", "failed", "completed"]) {
    const job = await workersJob(server, { sync: "users", total: 10 });
    await job.tell({ type: "end", status });
  }
  const page = await signedInPage(t, server, "sync/users");
  await page.until(`document.querySelectorAll(".strip a").length === 3`);
  const text = await page.text();
  const labels = await page.run<string[]>(
    `[...document.querySelectorAll(".strip a")].map((node) => node.getAttribute("aria-label"))`,
  );

  assert.match(text, /Last success\s+(just now|.+ ago)\s+Typical duration\s+(under 1|\d+) (s|min)/);
  assert.deepEqual(labels.map((label) => label.split(" ")[0]), [
    "Completed",
    "Failed",
    "Completed",
  ]);
  await page.open(`${server.url}/sync/nothing`);
  await page.until(`document.body.innerText.includes("There is no sync of this name")`);
});

test("attempts are shown together, each a link but the one that is open", async (t) => {
  const server = await testServer(t);
  const first = await workersJob(server, { sync: "users" });
  await first.tell({ type: "end", status: "failed", error: { code: "x", message: "no route" } });
  const second = await workersJob(server, { sync: "users", retry_of: first.id, attempt: 2 });
  const page = await signedInPage(t, server, `job/${second.id}`);

  await page.until(`document.querySelectorAll(".attempts li").length === 2`);
  const later = await page.run<string>(`document.querySelector(".attempts").innerText`);
  await page.run(`document.querySelector(".attempts a").click()`);
  await page.until(`location.pathname === "/job/${first.id}" &&
    document.querySelectorAll(".attempts li").length === 2`);
  const text = await page.text();

  assert.match(later, /1\. Failed [0-9a-f]{8} no route\s+2\. In progress \(this one\)/);
  assert.match(text, /no route/);
});

test("a job that ends is told as ended among its attempts, too", async (t) => {
  const server = await testServer(t);
  const first = await workersJob(server, { sync: "users" });
  await first.tell({ type: "end", status: "failed", error: { code: "x", message: "no route" } });
  const second = await workersJob(server, { sync: "users", retry_of: first.id, attempt: 2 });
  const page = await signedInPage(t, server, `job/${second.id}`);
  const own = `document.querySelector(".attempts [aria-current]")?.textContent`;
  await page.until(`${own} === "2. In progress (this one)"`);

  await second.tell({ type: "end", status: "completed" });

  await page.until(`${own} === "2. Completed (this one)"`);
});

test("a job is shown whatever its tags are, and whichever job it says that it tries again", async (t) => {
  const server = await testServer(t);
  const id = crypto.randomUUID();
  await workersJob(server, { sync: "users", id, retry_of: id, tags: ["half \ud800"] });
  const page = await signedInPage(t, server, `job/${id}`);

  await page.until(`document.querySelector("dd .tag") && ${STATUS} === "In progress"`);
  await page.run(`document.querySelector("dd .tag").click()`);
  await page.until(`document.querySelectorAll(".job-row").length === 1`);
  await page.run(`document.querySelector(".job-row a").click()`);
  await page.until(`document.querySelector(".attempts")?.children.length === 1`);

  assert.deepEqual(page.complaints, []);
});

test("a name that turns the direction of writing turns no more than itself", async (t) => {
  const server = await testServer(t);
  const { id } = await workersJob(server, { sync: "users \u202e gpj.exe" });
  const page = await signedInPage(t, server);
  await page.until(`document.querySelectorAll(".job-row small").length === 1`);
  const left = (at: number) =>
    page.run<number>(`(() => {
      const range = document.createRange();
      const text = document.querySelector(".job-row small").firstChild;
      range.setStart(text, ${at});
      range.setEnd(text, ${at + 1});
      return range.getBoundingClientRect().left;
    })()`);

  const [first, last] = [await left(0), await left(7)];

  assert.equal(
    await page.run(`document.querySelector(".job-row small").textContent`),
    id.slice(0, 8),
  );
  assert.ok(first < last, `${first} ${last}`);
});

test("a sync's name that turns the direction of writing does not turn its job's name", async (t) => {
  const server = await testServer(t);
  const { id } = await workersJob(server, { sync: "users \u202e gpj.exe", name: "Tuesday" });
  const page = await signedInPage(t, server);
  const names = (place: string) =>
    page.run<number[]>(`(() => {
      const walk = document.createTreeWalker(document.querySelector("${place}"), NodeFilter.SHOW_TEXT);
      let text;
      do text = walk.nextNode(); while (!text.data.includes("Tuesday"));
      const range = document.createRange();
      return [text.data.indexOf("T"), text.data.indexOf("y")].map((at) => {
        range.setStart(text, at);
        range.setEnd(text, at + 1);
        return range.getBoundingClientRect().left;
      });
    })()`);

  await page.until(`document.querySelector(".job-row small")`);
  const [inList, inListEnd] = await names(".job-name");
  await page.run(`document.querySelector(".job-row a").click()`);
  await page.until(`location.pathname.endsWith("${id}") && document.querySelector("h1")`);
  const [inHead, inHeadEnd] = await names("h1");

  assert.ok(inList < inListEnd, `${inList} ${inListEnd}`);
  assert.ok(inHead < inHeadEnd, `${inHead} ${inHeadEnd}`);
});

test("a stalled job is told as stalled until it is heard of again", async (t) => {
  const clock = new FakeClock();
  const server = await testServer(t, { clock, stallAfterMs: 60_000 });
  const job = await workersJob(server);
  clock.advance(60_000);
  const page = await signedInPage(t, server, `job/${job.id}`);

  // The job as it was asked for says so.
  await page.until(`${STATUS} === "In progress, stalled" &&
    document.title.startsWith("Stalled - ") &&
    document.body.innerText.includes("Nothing has been heard of this job for")`);
  await job.tell({ type: "progress", entities_inserted: 20 });
  await page.until(`${STATUS} === "In progress" && !document.title.startsWith("Stalled")`);
});

test("text from outside is shown as text, wherever it appears", async (t) => {
  const server = await testServer(t);
  const evil = `<img src=x onerror="window.broken=1"><script>window.broken=1</script>`;
  const job = await workersJob(server, { sync: evil, tags: [evil], meta: { [evil]: evil } });
  await job.tell(
    {
      type: "progress",
      entities_inserted: 11,
      phase: evil,
      current: evil,
      entities_encountered: { [evil]: 1 },
    },
    { type: "log", level: "info", message: evil, source: evil, fields: { [evil]: evil } },
  );
  const page = await signedInPage(t, server, `job/${job.id}`);
  await page.until(`document.querySelector(".line")`);
  await page.run(`document.querySelector(".line").click()`);
  await page.until(`document.querySelector(".types tbody th")`);
  const live = await page.text();
  await job.tell({ type: "end", status: "failed", error: { code: "x", message: evil } });
  await page.until(`document.querySelector(".error-box p")`);
  const ended = await page.text();
  for (
    const path of [
      "",
      "?q=img",
      `sync/${encodeURIComponent(evil)}`,
      `?tag=${encodeURIComponent(evil)}`,
    ]
  ) {
    await page.open(`${server.url}/${path}`);
    await page.until(`document.querySelector(".job-row")`);
    assert.ok((await page.text()).includes(evil), path);
    assert.equal(
      await page.run(`window.broken === undefined &&
      document.querySelectorAll("#view img, #view script").length`),
      0,
    );
  }

  assert.equal(live.split(evil).length > 6, true);
  assert.ok(ended.includes(evil));
  assert.deepEqual(page.complaints, []);
});

test("every view keeps to the rules of accessibility, light and dark, on a phone and at a desk", async (t) => {
  const server = await testServer(t);
  const job = await workersJob(server, { sync: "users", total: 100, tags: ["eu"], meta: { a: 1 } });
  await job.tell(
    { type: "progress", entities_inserted: 20, current: "x", entities_encountered: { user: 20 } },
    { type: "log", level: "error", message: "line" },
  );
  const failed = await workersJob(server, { sync: "users", total: 100 });
  await failed.tell({ type: "end", status: "failed", error: { code: "x", message: "no route" } });
  const page = await signedInPage(t, server);
  const signedOut = await freshPage(t);
  const found: string[] = [];
  const views: [string, string][] = [
    ["", ".job-row"],
    [`job/${job.id}`, ".line"],
    [`job/${failed.id}`, ".error-box p"],
    ["sync/users", ".strip a"],
    ["job/none", ".lone h1"],
  ];

  for (const [path, selector] of views) {
    await page.look({ reducedMotion: true });
    await page.open(`${server.url}/${path}`);
    await page.until(`document.querySelector(${JSON.stringify(selector)})`);
    if (selector === ".line") await page.run(`document.querySelector(".line").click()`);
    for (const [name, look] of Object.entries(LOOKS)) {
      await page.look({ ...look, reducedMotion: true });
      await page.picture(`${selector.replace(/\W+/g, "")}-${name}`);
      // A phone in the dark has the colours of the one and the layout of the other.
      const breaches = name === "phone-dark" ? [] : await axe(page, name === "desk-dark");
      if (await page.run(WIDER)) breaches.push("it is wider than the window");
      found.push(...breaches.map((breach) => `/${path} ${name}: ${breach}`));
    }
    // What is left of a desk at 400 %.
    await page.look({ width: 320, height: 640 });
    if (await page.run(WIDER)) found.push(`/${path}: it is wider than 320 pixels`);
  }
  await signedOut.open(server.url);
  await signedOut.until(`document.querySelector("#key")`);
  for (const dark of [false, true]) {
    await signedOut.look({ dark });
    found.push(...await axe(signedOut, dark));
  }

  assert.deepEqual(found, []);
});

test("a page elsewhere follows by ticket, and is told when the ticket has ended", async (t) => {
  const clock = new FakeClock();
  const server = await testServer(t, { clock, corsOrigins: "*" });
  const elsewhere = await testServer(t);
  const job = await workersJob(server);
  const page = await freshPage(t);
  await page.open(`${elsewhere.url}/openapi.json`);
  const ticket = await post(server, `/v1/sync/job/${job.id}/ticket`, { expires_in_s: 4 });

  await page.run(`{
    window.seen = [];
    const source = new EventSource(${JSON.stringify(ticket.url)});
    source.onmessage = ({ data }) => {
      const { type, code } = JSON.parse(data);
      if (type !== "heartbeat") seen.push(code ?? type);
      if (type === "error") source.close();
    };
    0;
  }`);
  await page.until(`seen.includes("progress")`);
  await until(() => {
    clock.advance(1_000);
    return page.run<boolean>(`seen.includes("access_expired")`);
  });

  assert.deepEqual(await page.run("seen"), ["connected", "progress", "access_expired"]);
});

test("there is a page for an address that is none", async (t) => {
  const server = await testServer(t);
  const page = await freshPage(t);
  await page.open(`${server.url}/nothing/here`);

  assert.match(await page.text(), /There is no page here/);
  assert.equal(await page.run(`document.querySelector("a").href`), `${server.url}/`);
  assert.deepEqual(await axe(page), []);
});

test("below a prefix the page works as it does without", async (t) => {
  const server = await testServer(t, { publicUrl: "http://localhost:1/synctail" });
  const { id } = await post(server, "/v1/sync/job", { sync: "users", total: 10 });
  const page = await freshPage(t);
  await page.open(`${server.url}/synctail/job/${id}`, { Authorization: `Bearer ${server.key()}` });
  await page.until(`${STATUS} === "Pending"`);
  await page.run(`document.querySelector(".brand").click()`);
  await page.until(`document.querySelector(".job-row")`);
  await page.run(`document.querySelector(".job-row a").click()`);
  await page.until(`${STATUS} === "Pending"`);

  assert.equal(await page.run("location.pathname"), `/synctail/job/${id}`);
});

function keyOf(server: Awaited<ReturnType<typeof testServer>>) {
  const key = server.key(["read"]);
  return { key, row: key.split("_")[1] };
}
