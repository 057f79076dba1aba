/**
 * What SQLite takes in the same runtime by itself: entries that are there already, a row each and 100
 * a transaction.
 * Arguments: the log to take rows from, a new file, synchronous, seconds. Prints rows and seconds.
 */
import process from "node:process";
import { DatabaseSync } from "node:sqlite";

const [from, to, synchronous, seconds] = process.argv.slice(2);
const BATCH = 100;
/** Further rows than that are the same ones again. */
const ROWS_MAX = 20_000;

const log = new DatabaseSync(from, { readOnly: true });
const held = log.prepare("SELECT at_ms, kind, body FROM entries LIMIT ?").all(ROWS_MAX) as {
  at_ms: number;
  kind: number;
  body: string;
}[];
const rows = held.flatMap(({ body, ...row }) =>
  body.split("\n").map((line) => ({ ...row, body: line }))
);
const table = log.prepare("SELECT sql FROM sqlite_schema WHERE name = 'entries'").get();
const jobs = Number(log.prepare("SELECT count(DISTINCT job) AS jobs FROM entries").get()?.jobs);
log.close();

const db = new DatabaseSync(to);
db.exec(
  `PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA foreign_keys = OFF`,
);
db.exec(String(table?.sql));
const insert = db.prepare(
  "INSERT INTO entries (job, seq, at_ms, kind, body) VALUES (?, ?, ?, ?, ?)",
);
const startedMs = performance.now();
const untilMs = startedMs + Number(seconds) * 1000;
let batches = 0;
for (; performance.now() < untilMs; batches++) {
  const job = batches % jobs;
  const seq = Math.floor(batches / jobs) * BATCH;
  db.exec("BEGIN IMMEDIATE");
  for (let n = 0; n < BATCH; n++) {
    const { at_ms, kind, body } = rows[(batches * BATCH + n) % rows.length];
    insert.run(job, seq + n, at_ms, kind, body);
  }
  db.exec("COMMIT");
}
const tookS = (performance.now() - startedMs) / 1000;
const { user, system } = process.cpuUsage();
console.log(JSON.stringify({ rows: batches * BATCH, seconds: tookS, cpuUs: user + system }));
db.close();
