import assert from "node:assert/strict";
import { test } from "node:test";
import { chromium } from "../support/chromium.ts";
import { testServer } from "../support/server.ts";

test("/docs shows every route in a browser, and the policy stops nothing", async (t) => {
  const server = await testServer(t);
  const page = await chromium(t);
  const { paths } = await (await fetch(`${server.url}/openapi.json`)).json();

  await page.open(`${server.url}/docs`, {});
  const seen = await page.run<{
    paths: string[];
    stopped: string[];
    opened: string;
    origins: string[];
  }>(`
    new Promise((resolve) => {
      const stopped = [];
      const keep = (reports) => stopped.push(...reports.map(({ body }) => body.blockedURL));
      const observer = new ReportingObserver(keep, { types: ["csp-violation"], buffered: true });
      observer.observe();
      const done = () => {
        const blocks = [...document.querySelectorAll(".opblock")];
        if (blocks.length === 0) return setTimeout(done, 50);
        const paths = [...document.querySelectorAll(".opblock-summary-path")];
        blocks[0].querySelector(".opblock-summary-control").click();
        const open = () => {
          const body = blocks[0].querySelector(".opblock-body");
          if (!body?.querySelector(".example, .model-example")) return setTimeout(open, 50);
          keep(observer.takeRecords());
          resolve({
            paths: paths.map((path) => path.dataset.path),
            stopped,
            opened: body.innerText,
            origins: performance.getEntriesByType("resource").map(({ name }) => new URL(name).origin),
          });
        };
        open();
      };
      done();
    })`);

  assert.deepEqual([...new Set(seen.paths)].sort(), Object.keys(paths).sort());
  assert.match(seen.opened, /Responses/);
  assert.deepEqual(seen.stopped, []);
  assert.deepEqual([...new Set(seen.origins)], [server.url]);
});
