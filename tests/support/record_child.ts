/** Puts records until it is killed; tells how many after each flush. */
import { writeSync } from "node:fs";
import process from "node:process";
import { record, type RecordKind, recordsAt } from "./records.ts";

const [kind, path, source, round] = process.argv.slice(2);
const session = recordsAt(kind as RecordKind, path).open(source);
for (let n = 1;; n++) {
  session.put(record(`${n - 1}`, `round ${round}`));
  if (n % 7 > 0) continue;
  session.flush();
  writeSync(1, `${n}\n`);
}
