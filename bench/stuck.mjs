// Whether viewers that do not read slow down those that do: deliveries a second to 1,000 viewers
// beside 100 that stand still, and without those.
// Usage: node bench/stuck.mjs [SECONDS]; DENO and BUN name the runtimes' binaries.
import { connect } from "node:net";
import { availableParallelism, cpus } from "node:os";
import { figure } from "./support/figures.mjs";
import { CLIENT_CORE, start } from "./support/processes.mjs";
import { RUNTIMES, startProduct } from "./support/product.mjs";

const VIEWERS = 1000;
const STUCK = 100;
const ROUNDS = 10;
const IN_FLIGHT = 4;
/** Log lines that only the stuck ones ask for: more than a connection's own buffers take. */
const LINE = "x".repeat(60_000);
const LINES = 200;
const SETTLE_MS = 1500; // until what filled the sockets is out of the way

if (process.argv[2] === "viewers") view(...process.argv.slice(3));
else await compare(Number(process.argv[2] ?? 2));

async function compare(seconds) {
  console.log(
    `${cpus()[0].model}, ${availableParallelism()} cores, server and clients on one each`,
  );
  console.log(
    `${VIEWERS} viewers that read, ${seconds} s a round, ${ROUNDS} rounds of each kind in turn, ` +
      "one server: medians (range)",
  );
  for (const runtime of Object.keys(RUNTIMES)) {
    const rounds = await measured(runtime, seconds);
    for (const [kind, figures] of Object.entries(rounds)) {
      console.log([
        runtime.padEnd(5),
        (kind === "beside" ? `beside ${STUCK} stuck` : "without").padEnd(16),
        `${ranged(figures.map(({ rate }) => rate), 0)} deliveries/s`.padEnd(48),
        `server ${ranged(figures.map(({ cpuUs }) => cpuUs), 2)} us a delivery`,
      ].join(" "));
    }
    const ratios = rounds.beside.map(({ rate }, n) => rate / rounds.without[n].rate);
    console.log(`${runtime.padEnd(5)} beside / without: ${ranged(ratios, 3)}`);
  }
  process.exit(0);
}

async function measured(runtime, seconds) {
  const args = ["--write-timeout-ms", "600000", "--viewers-per-job", "0"];
  const server = await startProduct(runtime, { args });
  const { key } = server;
  const api = (path, body) => server.api(body ? "POST" : "GET", path, body);
  const { id } = await api("/v1/sync/job", {});
  const path = `/v1/sync/job/${id}`;
  const client = viewers(server.port, `${path}/subscribe`, key);
  await client.line(); // all are open
  const round = async (stuck) => {
    const sockets = await Promise.all(
      Array.from(
        { length: stuck },
        () => standStill(server.port, `${path}/subscribe?logs=debug`, key),
      ),
    );
    for (let n = 0; n < LINES; n += 10) {
      await api(`${path}/events`, Array(10).fill({ type: "log", message: LINE }));
    }
    const figures = await counted(
      server,
      client,
      seconds,
      () => api(`${path}/events`, { type: "progress", inserted: 1, delta: true }),
    );
    const { viewers: open } = await api(path);
    if (open !== VIEWERS + stuck) throw new Error(`void: ${open} viewers were left`);
    for (const socket of sockets) socket.resetAndDestroy();
    while ((await api(path)).viewers > VIEWERS) await pause(20);
    return figures;
  };
  await round(0); // warm
  await round(STUCK);
  const rounds = { without: [], beside: [] };
  for (let n = 0; n < ROUNDS; n++) {
    for (const kind of n % 2 === 0 ? ["without", "beside"] : ["beside", "without"]) {
      rounds[kind].push(await round(kind === "beside" ? STUCK : 0));
    }
  }
  await client.stop();
  await server.stop();
  return rounds;
}

/** Deliveries a second, and the server's CPU for each, while `post` is called all the time. */
async function counted(server, client, seconds, post) {
  let going = true;
  const lanes = Array.from({ length: IN_FLIGHT }, async () => {
    while (going) await post();
  });
  await pause(SETTLE_MS);
  await client.count();
  const [from, cpuFrom] = [performance.now(), server.cpuUs()];
  await pause(seconds * 1000);
  const { frames, wrong } = await client.count();
  const [tookS, cpuUs] = [(performance.now() - from) / 1000, server.cpuUs() - cpuFrom];
  going = false;
  await Promise.all(lanes);
  if (wrong > 0) throw new Error(`void: ${wrong} ids came doubled or out of order`);
  return { rate: frames / tookS, cpuUs: cpuUs / frames };
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function requestFor(path, key) {
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${key}\r\n` +
    "Accept: text/event-stream\r\n\r\n";
}

/** A viewer that takes what greets it, and nothing more. */
function standStill(port, path, key) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(requestFor(path, key)));
    socket.on("error", reject);
    socket.once("data", () => {
      socket.pause();
      resolve(socket);
    });
  });
}

/** The viewers that read, in a process of their own. */
function viewers(port, path, key) {
  const self = [process.execPath, "bench/stuck.mjs", "viewers", port, path, key];
  const child = start(self, { core: CLIENT_CORE });
  return {
    line: child.line,
    async count() {
      child.say("count");
      return JSON.parse(await child.line());
    },
    stop: () => child.stop("SIGKILL"),
  };
}

/** Reads; each line on stdin is answered with the frames since, and how many ids were wrong. */
function view(port, path, key) {
  const ID = Buffer.from("\nid: ");
  let frames = 0;
  let wrong = 0;
  let opened = 0;
  for (let n = 0; n < VIEWERS; n++) {
    const socket = connect(Number(port), "127.0.0.1", () => socket.write(requestFor(path, key)));
    let rest = Buffer.alloc(0); // from the last whole frame's end on
    let last = 0;
    socket.once("data", () => ++opened === VIEWERS && process.stdout.write("open\n"));
    socket.on("data", (chunk) => {
      const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      let done = 0;
      for (;;) {
        const id = bytes.indexOf(ID, done);
        const end = id < 0 ? -1 : bytes.indexOf(10, id + ID.length);
        if (end < 0) break;
        frames++;
        if (n % 100 === 0) { // of so many viewers one has its ids looked at
          const seq = Number(bytes.latin1Slice(bytes.lastIndexOf(45, end) + 1, end));
          if (!(seq > last)) wrong++;
          last = seq;
        }
        done = end;
      }
      rest = bytes.subarray(done);
    });
    socket.on("error", (error) => {
      console.error(`viewer ${n}: ${error.message}`);
      process.exit(1);
    });
  }
  process.stdin.on("data", () => {
    process.stdout.write(`${JSON.stringify({ frames, wrong })}\n`);
    frames = 0;
  });
}

function ranged(values, digits) {
  const { median, low, high } = figure(values, "");
  const shown = (value) =>
    value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${shown(median)} (${shown(low)}-${shown(high)})`;
}
