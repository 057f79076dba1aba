// Deliveries a second to 1,000 viewers: the product beside a bare stream of the same runtime.
// Usage: node bench/run.mjs [SECONDS]; DENO and BUN name the runtimes' binaries.
import { spawn } from "node:child_process";
import { availableParallelism, cpus, loadavg } from "node:os";

const { DENO = "deno", BUN = "bun" } = process.env;
const SECONDS = Number(process.argv[2] ?? 5);
const ROUNDS = 3;
const VIEWERS = 1000;
const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));
const pinned = availableParallelism() > 1 && process.platform === "linux";

console.log(`${cpus()[0].model}, ${availableParallelism()} cores, load ${loadavg()[0].toFixed(2)}`);
console.log(
  `${VIEWERS} viewers, ${SECONDS} s a round, median of ${ROUNDS} (range), server and client on a core each`,
);
console.log(
  "runtime  server   in flight  deliveries/s                   events/s  server us  client busy",
);
for (
  const [runtime, program] of [["Deno", [DENO, "run", "-A", "--quiet"]], ["Bun", [BUN, "run"]]]
) {
  for (const lanes of [1, 4]) {
    const bare = await measured([...program, "bench/bare.ts"], lanes);
    const product = await measured([...program, "bench/product.ts"], lanes);
    print(runtime, "bare", lanes, bare);
    print(runtime, "product", lanes, product);
    const faster = (product.rate / bare.rate).toFixed(2);
    const cheaper = (bare.cpuUs / product.cpuUs).toFixed(2);
    console.log(
      `${runtime.padEnd(8)} product / bare: ${faster}x deliveries/s, 1/${cheaper} of the CPU each`,
    );
  }
}
process.exit(0);

function print(runtime, server, lanes, { rate, low, high, events, cpuUs, clientBusy }) {
  console.log([
    runtime.padEnd(8),
    server.padEnd(8),
    String(lanes).padEnd(10),
    `${round(rate)} (${round(low)}-${round(high)})`.padEnd(30),
    round(events).padEnd(9),
    cpuUs.toFixed(2).padEnd(10), // CPU a delivery
    `${Math.round(clientBusy * 100)} %`,
  ].join(" "));
}

function round(value) {
  return Math.round(value).toLocaleString("en");
}

/** Medians over the rounds, each with a server and a client of its own. */
async function measured(command, lanes) {
  const rounds = [];
  for (let n = 0; n < ROUNDS; n++) rounds.push(await once(command, lanes));
  rounds.sort((a, b) => a.rate - b.rate);
  return { ...rounds[ROUNDS >> 1], low: rounds[0].rate, high: rounds[ROUNDS - 1].rate };
}

async function once(command, lanes) {
  const server = start(0, command);
  const { port, path, key } = JSON.parse(await server.line());
  const client = start(1, [process.execPath, "bench/client.mjs", port, path, key, VIEWERS]);
  await client.line();
  server.say(`go ${lanes}`);
  await seconds(1); // warm
  client.say("count");
  await client.line();
  server.say("stop");
  await server.line();
  server.say(`go ${lanes}`);
  const from = performance.now();
  await seconds(SECONDS);
  client.say("count");
  const { frames, wrong, cpuUs: clientUs } = JSON.parse(await client.line());
  const tookS = (performance.now() - from) / 1000;
  server.say("stop");
  const { events, cpuUs } = JSON.parse(await server.line());
  client.stop();
  server.stop();
  if (wrong > 0) throw new Error(`void: ${wrong} ids came doubled or out of order`);
  return {
    rate: frames / tookS,
    events: events / tookS,
    cpuUs: cpuUs / frames,
    clientBusy: clientUs / 1e6 / tookS,
  };
}

function start(core, [program, ...args]) {
  const [command, full] = pinned ? ["taskset", ["-c", core, program, ...args]] : [program, args];
  const child = spawn(command, full.map(String), { stdio: ["pipe", "pipe", "inherit"] });
  running.add(child);
  const lines = [];
  const waiting = [];
  let rest = "";
  child.stdout.on("data", (chunk) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop();
    for (const line of parts) waiting.length > 0 ? waiting.shift()(line) : lines.push(line);
  });
  return {
    line: () => lines.length > 0 ? lines.shift() : new Promise((resolve) => waiting.push(resolve)),
    say: (text) => child.stdin.write(`${text}\n`),
    stop: () => running.delete(child) && child.kill("SIGKILL"),
  };
}

function seconds(count) {
  return new Promise((resolve) => setTimeout(resolve, count * 1000));
}
