// The product as people start it: `main.ts serve` on a data directory of its own.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { output, SERVER_CORE, start } from "./processes.mjs";

const { DENO = "deno", BUN = "bun" } = process.env;
const ROOT = new URL("../../", import.meta.url).pathname;

/** Everything is on but the limits on rates, and lines in the log of requests that go well. */
const UNLIMITED = [
  ...["--events-per-s", "0", "--tenant-events-per-s", "0", "--requests-per-s", "0"],
  ...["--log-level", "warning"],
];

/** How each runtime starts the program, as ./run does. */
export const RUNTIMES = {
  Deno: [DENO, "run", "--quiet", "-P", "--config", `${ROOT}deno.json`],
  Bun: [BUN, "run", "--no-env-file", "--config=/dev/null", "--tsconfig-override=/dev/null"],
};

/** @param {"Deno" | "Bun"} runtime */
export function commandOf(runtime, ...args) {
  return [...RUNTIMES[runtime], `${ROOT}main.ts`, ...args];
}

/** An empty data directory; `remove` it in the end. */
export function dataDirectory() {
  const path = mkdtempSync(join(tmpdir(), "synctail-bench-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/**
 * Starts the server and waits until it listens.
 * @param {"Deno" | "Bun"} runtime
 * @param {{ data?: string, args?: string[], env?: Record<string, string> }} options `data` is a
 *   directory that the caller removes; without it there is one for this server alone
 */
export async function startProduct(runtime, { data, args = [], env } = {}) {
  const own = data === undefined ? dataDirectory() : undefined;
  const path = data ?? own.path;
  const keyOf = (tenant) => createKey(runtime, path, tenant);
  const key = await keyOf("default");
  const serve = ["serve", "--data", path, "--port", "0", "--json", ...UNLIMITED, ...args];
  const server = start(commandOf(runtime, ...serve), { core: SERVER_CORE, env });
  const { url } = JSON.parse(await server.line());
  return {
    ...server,
    url,
    port: Number(new URL(url).port),
    key,
    keyOf,
    data: path,
    /** A request with the key; throws when it is not answered with 2xx. */
    async api(method, route, body) {
      const response = await fetch(url + route, {
        method,
        headers: {
          Authorization: `Bearer ${key}`,
          ...(body !== undefined && { "Content-Type": "application/json" }),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${route}: ${response.status} ${text}`);
      return text === "" ? undefined : JSON.parse(text);
    },
    async stop() {
      await server.stop();
      own?.remove();
    },
  };
}

/** A key of a tenant that may read, run and write. @returns {Promise<string>} */
async function createKey(runtime, data, tenant) {
  const asked = ["--tenant", tenant, "--scopes", "read,run,write", "--data", data, "--json"];
  const made = await output(commandOf(runtime, "keys", "create", ...asked), { quiet: true });
  return JSON.parse(made.split("\n").find((line) => line.startsWith("{"))).key;
}
