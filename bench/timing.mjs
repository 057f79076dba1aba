// Whether the time of an answer tells an id that nobody has from one that another tenant has.
// Usage: node bench/timing.mjs [REQUESTS]; DENO and BUN name the runtimes' binaries.
import { randomUUID } from "node:crypto";
import { Agent, request } from "node:http";
import { figure } from "./support/figures.mjs";
import { RUNTIMES, startProduct } from "./support/product.mjs";

const REQUESTS = Number(process.argv[2] ?? 5000); // of each kind, to each operation
const IDS = 500; // of each kind, so that none is asked for much more often than another
const BLOCK = 500; // requests of each kind behind one figure of the range
const OPERATIONS = [["GET", ""], ["GET", "/subscribe"], ["POST", "/events"], ["POST", "/cancel"]];
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

console.log(`${REQUESTS} requests of each kind in turn, medians in microseconds; ratio of the`);
console.log(`medians, and in brackets its range over blocks of ${BLOCK}`);
for (const runtime of Object.keys(RUNTIMES)) {
  const server = await startProduct(runtime);
  const ours = server.key;
  const theirs = await server.keyOf("other");
  const foreign = [];
  for (let n = 0; n < IDS; n++) {
    const { text } = await ask(server.port, "POST", "/v1/sync/job", theirs);
    foreign.push(JSON.parse(text).id);
  }
  // All read from the same JSON: a string that was put together otherwise costs microseconds more
  // to send. `again` is answered as `unknown` is for the same reason: their ratio is the noise.
  const kinds = JSON.parse(JSON.stringify({ unknown: fresh(), foreign, again: fresh() }));
  for (const [method, rest] of OPERATIONS) {
    const times = await timed(server.port, ours, method, rest, kinds);
    console.log([
      runtime.padEnd(5),
      `${method} /v1/sync/job/ID${rest}`.padEnd(32),
      `unknown ${median(times.unknown).toFixed(0)}, foreign ${median(times.foreign).toFixed(0)};`,
      `foreign / unknown ${ratio(times.foreign, times.unknown)},`,
      `unknown / unknown ${ratio(times.again, times.unknown)}`,
    ].join(" "));
  }
  await server.stop();
}
process.exit(0);

function median(values) {
  return figure(values, "us").median;
}

function fresh() {
  return Array.from({ length: IDS }, () => randomUUID());
}

async function timed(port, key, method, rest, kinds) {
  const times = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]));
  for (let n = -BLOCK; n < REQUESTS; n++) { // the first ones warm it up
    for (const kind of shuffled(Object.keys(kinds))) {
      const id = kinds[kind][(n + BLOCK) % IDS];
      const { status, us } = await ask(port, method, `/v1/sync/job/${id}${rest}`, key);
      if (status !== 404) throw new Error(`void: ${kind} was answered ${status}`);
      if (n >= 0) times[kind].push(us);
    }
  }
  return times;
}

function ask(port, method, path, key) {
  return new Promise((resolve, reject) => {
    const from = process.hrtime.bigint();
    const headers = { Authorization: `Bearer ${key}` };
    const sent = request({ port, host: "127.0.0.1", method, path, headers, agent }, (answer) => {
      let text = "";
      answer.on("data", (chunk) => text += chunk);
      answer.on("end", () => {
        const us = Number(process.hrtime.bigint() - from) / 1000;
        resolve({ status: answer.statusCode, text, us });
      });
    });
    sent.on("error", reject);
    sent.end();
  });
}

function ratio(some, others) {
  const blocks = [];
  for (let at = 0; at + BLOCK <= some.length; at += BLOCK) {
    blocks.push(median(some.slice(at, at + BLOCK)) / median(others.slice(at, at + BLOCK)));
  }
  const [low, high] = [Math.min(...blocks), Math.max(...blocks)].map((each) => each.toFixed(3));
  return `${(median(some) / median(others)).toFixed(3)} (${low}-${high})`;
}

function shuffled(items) {
  return items.map((item) => [Math.random(), item]).sort(([a], [b]) => a - b).map(([, item]) =>
    item
  );
}
