/** What browser tests do again and again: one browser a file, signed-in pages, axe. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Scope } from "../../src/auth/scopes.ts";
import { LINK_SCOPES } from "../../src/auth/scopes.ts";
import { signInUrl } from "../../src/cli/link.ts";
import { type Browser, type Page, startBrowser } from "./chromium.ts";
import { TENANT } from "./log_contract.ts";
import type { Cleanup } from "./program.ts";
import type { TestServer } from "./server.ts";

let running: Promise<Browser> | undefined;
let shared: Page | undefined;

/** One browser for all tests of a file; `closeBrowser` ends it. */
export function browser(): Promise<Browser> {
  return running ??= startBrowser();
}

/** To be called after all tests of a file. */
export async function closeBrowser(): Promise<void> {
  await (await running)?.close();
  running = undefined;
  shared = undefined;
}

/** A page of a profile of its own, not signed in; ended with the test. */
export async function freshPage(t: Cleanup): Promise<Page> {
  const profile = await (await browser()).profile();
  t.after(() => profile.close());
  return await profile.page();
}

/**
 * The page that all tests of a file use in turn, because a new one takes a while, led by a sign-in
 * link to an address of the server.
 */
export async function signedInPage(
  t: Cleanup,
  server: TestServer,
  path = "",
  scopes: readonly Scope[] = LINK_SCOPES,
): Promise<Page> {
  const page = shared ??= await (await (await browser()).profile()).page();
  t.after(() => page.reset());
  await page.open(signInUrl(server.url, server, TENANT, scopes, path));
  await page.until(`document.querySelector("#top button:not([hidden])")`);
  return page;
}

/**
 * From there on the page's own waits of so long or longer end when the test says so, by what this
 * returns: what is shown for seconds stays until it was looked at.
 */
export async function heldWaits(page: Page, fromMs: number): Promise<() => Promise<void>> {
  await page.run(`{
    const soon = setTimeout;
    window.due = [];
    window.setTimeout = (act, ms, ...given) =>
      ms < ${fromMs} ? soon(act, ms, ...given) : due.push(() => act(...given)) && undefined;
    0;
  }`);
  return () => page.run("due.splice(0).forEach((act) => act()), 0");
}

/**
 * From there on the page's clock stands at its `atMs`, which the test sets, and no answer tells it
 * that the clock is wrong.
 */
export async function heldClock(page: Page): Promise<void> {
  await page.run(`{
    const ask = window.fetch;
    window.fetch = async (...given) => {
      const { body, status } = await ask(...given);
      return new Response(body, { status });
    };
    window.atMs = Date.now();
    Date.now = () => atMs;
    0;
  }`);
}

/** Posts to the API with a key of all scopes; the answer's JSON. */
export async function post(server: TestServer, path: string, body: unknown = {}) {
  const response = await fetch(server.url + path, {
    method: "POST",
    headers: { "Authorization": `Bearer ${server.key()}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  assert.ok(response.ok, JSON.stringify(answer));
  return answer;
}

/** A worker's job that is on its way. */
export async function workersJob(
  server: TestServer,
  body: object = { sync: "users", total: 100 },
): Promise<{ id: string; tell: (...events: object[]) => Promise<void> }> {
  const { id } = await post(server, "/v1/sync/job", body);
  const tell = (...events: object[]) => post(server, `/v1/sync/job/${id}/events`, events);
  await tell({ type: "progress", entities_inserted: 10, phase: "copying" });
  return { id, tell };
}

/** Asks for the log lines of a level and above, on the page of a job. */
export async function chooseLevel(page: Page, level: string): Promise<void> {
  await page.run(`{
    const level = document.querySelector("#log-level");
    level.value = "${level}";
    level.dispatchEvent(new Event("change"));
    0;
  }`);
}

/**
 * Breaks of accessibility rules (WCAG and good practice) in what the page shows now.
 *
 * @param colours only those of contrast, where nothing but the colours has changed
 */
export async function axe(page: Page, colours = false): Promise<string[]> {
  const file = new URL("../node_modules/axe-core/axe.min.js", import.meta.url);
  if (!await page.run("typeof axe === 'object'")) {
    await page.run(`${readFileSync(file, "utf8")}; 0`);
  }
  const options = {
    resultTypes: ["violations"],
    rules: { "target-size": { enabled: true } }, // axe leaves it out by default
    ...(colours && { runOnly: { type: "rule", values: ["color-contrast"] } }),
  };
  return await page.run(
    `axe.run(document, ${JSON.stringify(options)}).then(({ violations }) =>
      violations.map(({ id, nodes }) => id + ": " + nodes.map(({ html, failureSummary }) =>
        html.slice(0, 200) + " " + failureSummary).join("; ")))`,
  );
}
