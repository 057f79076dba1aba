/**
 * Fills a spool until the disk takes nothing more, and beyond, then takes all that is in it. With a
 * second argument its file cannot be removed, as on a disk that has become read-only.
 */
import { mkdirSync, renameSync } from "node:fs";
import process from "node:process";
import { Spool } from "../../src/client/spool.ts";

const [, , path, stays] = process.argv;
const spool = Spool.create(path, {
  id: "770e8400-e29b-41d4-a716-446655440002",
  producer: "exec-1",
  body: "{}",
  server: null,
  keyPrint: null,
});
if (stays !== undefined) {
  renameSync(path, `${path}.moved`);
  mkdirSync(path);
}
for (let n = 1; n <= 5_000; n++) spool.append("log", `"${n}-${"x".repeat(200)}"`);
spool.append("end", '{"type":"end"}');
const { onDisk } = spool;
const lines: string[] = [];
for (let last = false; !last;) {
  const request = spool.take();
  if (!request) break;
  lines.push(...JSON.parse(request.body));
  last = request.last;
  spool.delivered(request);
}
const end = lines.pop();
console.log(JSON.stringify({
  onDisk,
  lines: lines.length,
  twice: lines.length - new Set(lines).size,
  last: typeof end === "object",
}));
