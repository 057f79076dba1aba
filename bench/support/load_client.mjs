// client.c, compiled and told what to do.
import { join } from "node:path";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { figure } from "./figures.mjs";
import { CLIENT_CORE, coreBusyUs, output, SERVER_CORE, start } from "./processes.mjs";

const BENCH = new URL("../", import.meta.url).pathname;
/** A client this busy may be what limits the figure. */
const CLIENT_FULL = 0.95;
/** A core of which other programs have had so many percent spoils a round. */
export const OTHERS_MAX = 5;
/** A server that leaves more of its core idle is not saturated. */
const SERVER_FULL = 0.9;

const directory = mkdtempSync(join(tmpdir(), "synctail-bench-c-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
const compiled = new Map();

/** The program made from a C file of bench/; it is compiled once. */
export function compile(file) {
  let program = compiled.get(file);
  if (!program) {
    const path = join(directory, file.replaceAll("/", "_").replace(/\.c$/, ""));
    program = output(["gcc", "-O2", "-o", path, join(BENCH, file)]).then(() => path);
    compiled.set(file, program);
  }
  return program;
}

/**
 * A client of a server, with `viewers` of each of its channels connected.
 * @param {{ port: number, header?: string, ids: "seq" | "pair", body: string,
 *   channels: { get: string, post: string }[], cpuUs(): number }} server
 * @param {number} viewers
 */
export async function connectClient(server, viewers) {
  const client = start([await compile("client.c")], { core: CLIENT_CORE });
  client.say(`port ${server.port}`);
  if (server.header) client.say(`header ${server.header}`);
  client.say(`body ${server.body}`);
  client.say(`ids ${server.ids}`);
  for (const { get, post } of server.channels) client.say(`channel ${viewers} ${get} ${post}`);
  client.say("connect");
  const { ms } = JSON.parse(await client.line());

  const busy = () => ({
    server: server.cpuUs(),
    serverCore: coreBusyUs(SERVER_CORE),
    clientCore: coreBusyUs(CLIENT_CORE),
  });

  async function window(command) {
    client.say(command);
    await client.line();
    const before = busy();
    await client.line();
    const after = busy();
    const cpuUs = after.server - before.server;
    const told = JSON.parse(await client.line());
    const othersUs = Math.max(
      0,
      after.serverCore - before.serverCore - cpuUs,
      after.clientCore - before.clientCore - told.clientCpuS * 1e6,
    );
    return { ...told, cpuUs, othersUs };
  }

  return {
    viewers,
    connectedMs: ms,
    /** Deliveries with so many publishers, each of which always has one post in flight. */
    async load(publishers, seconds, warmSeconds = 1) {
      const told = await window(`load ${publishers} ${warmSeconds * 1000} ${seconds * 1000}`);
      return shares(told);
    },
    /** Milliseconds from a post to the receipt of its frame at `rate` posts a second. */
    async latency(rate, seconds, warmSeconds = 1) {
      return shares(await window(`latency ${rate} ${warmSeconds * 1000} ${seconds * 1000}`));
    },
    /** What comes without an id while nobody posts. */
    async idle(seconds) {
      return shares(await window(`idle ${seconds * 1000}`));
    },
    /** All viewers leave; the client stays. */
    async close() {
      client.say("close");
      await client.line();
    },
    stop: () => client.stop("SIGKILL"),
  };
}

function shares({ seconds, frames, posts, notices, bytes, clientCpuS, cpuUs, othersUs, ...more }) {
  return {
    ...more,
    deliveries: frames / seconds,
    posts: posts / seconds,
    notices,
    bytes: bytes / frames,
    cpu: cpuUs / frames,
    core: (cpuUs / 1e6 / seconds) * 100,
    client: (clientCpuS / seconds) * 100,
    others: (othersUs / 1e6 / seconds) * 100,
    cpuUs,
  };
}

/** The units of what a round of load tells. */
export const LOAD_UNITS = {
  deliveries: "/s",
  cpu: "us",
  core: "%",
  client: "%",
  posts: "/s",
  bytes: "B",
};

/** What a row says of its rounds beside the figures. */
export function loadNotes(rounds) {
  const { median } = figure(rounds.map(({ core }) => core), "%");
  const client = figure(rounds.map(({ client }) => client), "%").median;
  const others = figure(rounds.map(({ others }) => others), "%").median;
  const notes = [];
  if (client > CLIENT_FULL * 100) notes.push("client full: deliveries/s is a lower bound");
  if (others > OTHERS_MAX) {
    notes.push(`disturbed: other programs had ${others.toFixed(0)} % of a core`);
  }
  return {
    saturated: median >= SERVER_FULL * 100,
    ...(notes.length > 0 && { note: notes.join("; ") }),
  };
}
