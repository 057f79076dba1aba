import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { OWN, startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";
import { until } from "../support/until.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const FILES = ["main.ts", "src", "package.json", "deno.json", "deno.lock"];

for (const when of ["at its start", "at a SIGHUP"] as const) {
  test(`a server runs a sync that is configured ${when} after its files were replaced`, async (t) => {
    const { path, remove } = tempDirectory();
    t.after(remove);
    const clone = join(path, "clone");
    for (const name of FILES) cpSync(join(ROOT, name), join(clone, name), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(clone, "node_modules"));
    const sources = join(clone, "src", "jobs", "configured_sources.ts");
    const text = readFileSync(sources, "utf8");
    writeFileSync(sources, `${text}\nconsole.error("sources are loaded");\n`);
    mkdirSync(join(path, "papers"));
    const config = join(path, "synctail.json");
    const configure = (...syncs: object[]) => writeFileSync(config, JSON.stringify({ syncs }));
    const papers = {
      name: "papers",
      source: { type: "directory", path: "./papers" },
      destination: { type: "sqlite", path: "./papers.db" },
    };
    configure(...when === "at its start" ? [papers] : []);
    const command = OWN.map((part) =>
      part.startsWith(ROOT) ? join(clone, part.slice(ROOT.length)) : part
    );
    const server = await startProgram(t, { command, args: ["serve", "--config", config] });
    configure(papers);
    if (when === "at a SIGHUP") process.kill(server.pid, "SIGHUP");
    await until(() => server.stderr().includes("sources are loaded"));

    writeFileSync(sources, `throw new Error("these are of another version");`);
    const headers = { Authorization: `Bearer ${await server.firstKey()}` };
    const url = `${server.url}/v1/sync`;
    const run = await fetch(`${url}/papers/run`, { method: "POST", headers });
    const { id } = await run.json();
    const stream = await fetch(`${url}/job/${id}/subscribe`, { headers });
    const frames = await stream.text();

    assert.match(frames, /"status": "completed"/);
  });
}
