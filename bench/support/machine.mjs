// What the figures were measured on.
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { output } from "./processes.mjs";

const { DENO = "deno", BUN = "bun" } = process.env;

export function machine() {
  return {
    cpu: cpus()[0].model.trim(),
    cores: availableParallelism(),
    memoryGiB: Number((totalmem() / 2 ** 30).toFixed(1)),
    kernel: release(),
  };
}

/** Versions of all that runs; a package that is not here is null. */
export async function versions() {
  return {
    deno: await said([DENO, "--version"], /deno (\S+)/),
    bun: await said([BUN, "--version"], /(\S+)/),
    node: process.versions.node,
    nginx: await said(["dpkg-query", "-W", "-f", "${Version}\n", "nginx"], /(\S+)/),
    nchan: await said(["dpkg-query", "-W", "-f", "${Version}\n", "libnginx-mod-nchan"], /(\S+)/),
    gcc: await said(["gcc", "-dumpfullversion"], /(\S+)/),
    "better-sse": installed("better-sse"),
    hono: installed("hono"),
    "@hono/node-server": installed("@hono/node-server"),
  };
}

async function said(command, pattern) {
  try {
    return pattern.exec(await output(command, { quiet: true }))?.[1] ?? null;
  } catch {
    return null;
  }
}

function installed(name) {
  try {
    const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
    return JSON.parse(readFileSync(file, "utf8")).version;
  } catch {
    return null;
  }
}
