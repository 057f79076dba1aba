// The servers that deliver events, all of them with frames of as many bytes.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "./load_client.mjs";
import { SERVER_CORE, start } from "./processes.mjs";
import { startProduct } from "./product.mjs";

const { DENO = "deno", BUN = "bun" } = process.env;
const BENCH = new URL("../", import.meta.url).pathname;
/** Where the client puts the event's number; the first is 1,000,000,000. */
const NUMBER = "##########";
/** Digits of a job's seq in the middle of a run. */
const SEQ = "1234";

/**
 * A server that the load client knows how to use.
 * @typedef {{
 *   pid: number, port: number, header?: string, ids: "seq" | "pair", body: string,
 *   channels: { get: string, post: string }[],
 *   cpuUs(): number, memory(): { rss: number, pss: number }, stop(): Promise<void>,
 * }} Server
 * @typedef {{ name: string, start(options?: { channels?: number, args?: string[], data?: string }):
 *   Promise<Server> }} Kind
 */

/** @type {Record<string, Kind>} */
export const SERVERS = {
  bun: product("Bun"),
  deno: product("Deno"),
  nchan: { name: "Nchan", start: startNchan },
  floor: floor("C floor", 1),
  floorInTurns: floor("C floor, 8 turns", 8), // as the product
  bareBun: peer("bare, Bun", () => [BUN, "run", `${BENCH}peers/bare.ts`]),
  bareDeno: peer("bare, Deno", () => [DENO, "run", "--quiet", "-A", `${BENCH}peers/bare.ts`]),
  betterSse: peer("better-sse, Node", () => [process.execPath, `${BENCH}peers/better_sse.mjs`], {
    wire: (data) => `event:message\nid:${SEQ}\ndata:${data}\n\n`,
  }),
  honoNode: peer("Hono, Node", () => [process.execPath, `${BENCH}peers/hono.mjs`]),
  honoBun: peer("Hono, Bun", () => [BUN, "run", `${BENCH}peers/hono.mjs`]),
};

/** Jobs that are asked for at once. */
const CREATED_TOGETHER = 16;

/** What a worker posts to the product: running totals and what it is at. */
const EVENT = {
  type: "progress",
  entities_inserted: 12_345,
  entities_updated: 678,
  current: `e${NUMBER}`,
};

function product(runtime) {
  return {
    name: runtime,
    async start({ channels: count = 1, args, data } = {}) {
      const server = await startProduct(runtime, { args, data });
      const channels = [];
      const create = async () => {
        const job = await server.api("POST", "/v1/sync/job", { name: "bench" });
        const path = `/v1/sync/job/${job.id}`;
        channels.push({ get: `${path}/subscribe`, post: `${path}/events` });
      };
      while (channels.length < count) {
        const several = Math.min(CREATED_TOGETHER, count - channels.length);
        await Promise.all(Array.from({ length: several }, create));
      }
      const header = `Authorization: Bearer ${server.key}`;
      return { ...server, header, ids: "seq", body: JSON.stringify(EVENT), channels };
    },
  };
}

/** A server that has a channel for each path and prints its port. */
function peer(name, command, { wire = (data) => `data: ${data}\nid: ${SEQ}\n\n` } = {}) {
  return {
    name,
    async start({ channels: count = 1 } = {}) {
      const server = start(await command(count), { core: SERVER_CORE });
      const port = Number(await server.line());
      const channels = Array.from({ length: count }, (_, n) => ({ get: `/${n}`, post: `/${n}` }));
      return { ...server, port, ids: "seq", body: await bodyFor(wire), channels };
    },
  };
}

function floor(name, turns) {
  return peer(name, async (channels) => [
    await compile("peers/floor.c"),
    channels > 1 ? 1 << 18 : 16 << 20, // bytes of a channel's ring
    turns,
  ]);
}

async function startNchan({ channels: count = 1 } = {}) {
  const directory = mkdtempSync(join(tmpdir(), "synctail-bench-nchan-"));
  const port = await freePort();
  const conf = readFileSync(`${BENCH}peers/nchan.conf`, "utf8")
    .replaceAll("PORT", String(port)).replaceAll("DIRECTORY", directory);
  writeFileSync(join(directory, "nginx.conf"), conf);
  const command = ["nginx", "-p", directory, "-c", join(directory, "nginx.conf")];
  const server = start(command, { core: SERVER_CORE });
  await listening(port);
  return {
    ...server,
    port,
    ids: "pair",
    body: await bodyFor((data) => `id: 1700000000:12\ndata: ${data}\n\n`),
    channels: Array.from({ length: count }, (_, n) => ({ get: `/sub/${n}`, post: `/pub/${n}` })),
    async stop() {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The data of a peer's event, so long that its frame is as long as the product's. */
async function bodyFor(wire) {
  const frame = await productFrame();
  const data = frame.slice("data: ".length, frame.indexOf("\n"));
  const missing = frame.length - wire(data).length;
  const at = data.indexOf(NUMBER) + NUMBER.length;
  if (missing >= 0) return data.slice(0, at) + "x".repeat(missing) + data.slice(at);
  // What a peer has more around its data goes off the end of a name that nobody reads.
  return data.replace('"last_update_timestamp"', (name) => `"${name.slice(1, missing - 1)}"`);
}

let frame;

/** A progress frame of the product, as its server sends it. @returns {Promise<string>} */
function productFrame() {
  return frame ??= (async () => {
    const server = await startProduct("Bun");
    const { id } = await server.api("POST", "/v1/sync/job", { name: "bench" });
    // The second one is like all that follow: it has a rate.
    for (let n = 0; n < 2; n++) await server.api("POST", `/v1/sync/job/${id}/events`, EVENT);
    const leave = new AbortController();
    const response = await fetch(`${server.url}/v1/sync/job/${id}/subscribe`, {
      headers: { Authorization: `Bearer ${server.key}` },
      signal: leave.signal,
    });
    let text = "";
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (/\nid: .*\n\n/.test(text)) break;
    }
    leave.abort();
    await server.stop();
    const frames = text.split("\n\n");
    return `${frames.find((frame) => frame.includes("\nid: "))}\n\n`
      .replace(/("seq": )\d+/, `$1${SEQ}`).replace(/-\d+\n\n$/, `-${SEQ}\n\n`);
  })();
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject).listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function listening(port) {
  for (let tries = 0; tries < 200; tries++) {
    const open = await new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true));
      socket.on("error", () => resolve(false)).on("connect", () => socket.destroy());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`nothing listens on port ${port}`);
}
