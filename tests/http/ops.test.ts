import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { testServer } from "../support/server.ts";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
/** `up` is Prometheus's own. */
const NAMES = /\b(?:synctail|process)_[a-z_]+\b/g;

test("ops/ asks for metrics that there are, and every alert has its line in the runbook", async (t) => {
  const server = await testServer(t);
  const headers = { Authorization: `Bearer ${server.key(["metrics"])}` };
  const told = await (await server.ask("/metrics", { headers })).text();
  const types = [...told.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  const known = new Set(
    types.flatMap(([, name, type]) => type === "histogram" ? [`${name}_bucket`] : [name]),
  );
  const alerts = read("ops/alerts.yml");
  const expressions = [...alerts.matchAll(/^ +expr: (.*)$/gm)].map(([, text]) => text);
  const { panels } = JSON.parse(read("ops/dashboard.json"));
  for (const { targets } of panels) for (const { expr } of targets) expressions.push(expr);
  const runbook = read("docs/runbook.md");

  const asked = expressions.flatMap((text) => text.match(NAMES) ?? []);
  const named = [...alerts.matchAll(/- alert: (\S+)/g)].map(([, name]) => name);

  assert.ok(expressions.length > 20 && named.length === 11);
  assert.deepEqual(asked.filter((name) => !known.has(name)), []);
  assert.deepEqual(named.filter((name) => !runbook.includes(`\n## ${name}\n`)), []);
  assert.deepEqual(named.filter((name) => !alerts.includes(`#${name.toLowerCase()}\n`)), []);
});

test("what an alert waits for an increase of is told from the start", async (t) => {
  const server = await testServer(t);
  const headers = { Authorization: `Bearer ${server.key(["metrics"])}` };

  const told = await (await server.ask("/metrics", { headers })).text();

  const watched = [...read("ops/alerts.yml").matchAll(/increase\((\w+)/g)].map(([, name]) => name);
  assert.equal(watched.length, 4);
  assert.deepEqual(watched.filter((name) => !new RegExp(`^${name}\\b.* 0$`, "m").test(told)), []);
});

test("no alert goes off at a number that it is to go off above, as increase() tells a little more", () => {
  const bounds = [...read("ops/alerts.yml").matchAll(/increase\(.*\) > (\S+)$/gm)]
    .map(([, bound]) => Number(bound));

  assert.equal(bounds.length, 4);
  assert.deepEqual(bounds.filter((bound) => bound > 0 && bound % 1 !== 0.5), []);
});
