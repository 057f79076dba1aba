// From the start of the process to the first byte of an answer, beside a server that is empty.
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { figures, median, target } from "../support/figures.mjs";
import { output, SERVER_CORE, start } from "../support/processes.mjs";
import { commandOf, dataDirectory, RUNTIMES } from "../support/product.mjs";

export const title = "Start: from the process to the first byte of an answer";

const { DENO = "deno", BUN = "bun" } = process.env;
const ROOT = new URL("../../", import.meta.url).pathname;
const EMPTY = `${ROOT}bench/peers/empty.ts`;
/** What is asked first: that it lives is answered before the API is loaded. */
const LIVES = { path: "/healthz", status: 200 };
const API = { path: "/v1/sync", status: 401 };
const WAYS = ["binary", "bun, built", "deno, built", "bun run", "deno run"];

export async function measure({ quick, report }) {
  const directory = mkdtempSync(join(tmpdir(), "synctail-bench-start-"));
  const data = dataDirectory();
  try {
    const emptyBuilt = join(directory, "empty");
    const flags = ["--minify-syntax", "--bytecode", "--format=esm", "--splitting"];
    await output(["sh", `${ROOT}run`, "build"]);
    await output([BUN, "build", "--compile", ...flags, EMPTY, "--outfile", emptyBuilt], {
      cwd: directory,
    });
    const serve = ["serve", "--data", data.path, "--port", "0", "--json"];
    const main = `${ROOT}dist/js/main.js`;
    const emptyBun = [BUN, "run", EMPTY];
    const config = `${ROOT}deno.json`;
    const emptyDeno = [DENO, "run", "--quiet", "--allow-net", "--config", config, EMPTY];
    const commands = {
      "binary": [[`${ROOT}dist/synctail`, ...serve], [emptyBuilt]],
      "bun, built": [[...RUNTIMES.Bun, main, ...serve], emptyBun],
      "deno, built": [[DENO, "run", "--quiet", "-P", main, ...serve], emptyDeno],
      "bun run": [commandOf("Bun", ...serve), emptyBun],
      "deno run": [commandOf("Deno", ...serve), emptyDeno],
    };
    const rows = [];
    for (const way of WAYS) {
      const [product, empty] = commands[way];
      const times = { "synctail": [], "synctail, API": [], "empty server": [] };
      // The first ones fill caches: of the disk, and of what the runtime has compiled.
      for (let round = quick ? -1 : -2; round < (quick ? 3 : 15); round++) {
        for (
          const [name, command, asked] of [
            ["synctail", product, LIVES],
            ["synctail, API", product, API],
            ["empty server", empty, LIVES],
          ]
        ) {
          const ms = await firstByteMs(command, asked);
          if (round >= 0) times[name].push({ start: ms });
        }
      }
      for (const [server, measured] of Object.entries(times)) {
        const row = { section: "start", server, setting: { way } };
        rows.push({ ...row, figures: figures(measured, { start: "ms" }) });
        report.row(rows.at(-1));
      }
    }
    return rows;
  } finally {
    data.remove();
    rmSync(directory, { recursive: true, force: true });
  }
}

export function targets(rows) {
  return WAYS.flatMap((way) =>
    target(
      `${way}: synctail - an empty server, ms`,
      median(rows, "synctail", { way }, "start") - median(rows, "empty server", { way }, "start"),
      "<= 40",
    )
  );
}

async function firstByteMs(command, asked) {
  const from = performance.now();
  const server = start(command, { core: SERVER_CORE, quiet: true });
  try {
    for (;;) {
      // A first start says more than one line before it listens.
      const port = /^(\d+)$|"listening".*:(\d+)"/.exec(await server.line());
      if (!port) continue;
      await firstByte(Number(port[1] ?? port[2]), asked);
      return performance.now() - from;
    }
  } finally {
    await server.stop();
  }
}

function firstByte(port, { path, status }) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    });
    socket.once("data", (bytes) => {
      socket.destroy();
      if (bytes.toString().startsWith(`HTTP/1.1 ${status}`)) resolve();
      else reject(new Error(`GET ${path}: ${bytes}`));
    });
    socket.once("error", reject);
  });
}
