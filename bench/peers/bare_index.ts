/**
 * What an index of a directory costs without anything around it: walk, stat, SHA-256, insert.
 * Arguments: the directory, a new file. Prints the files and the milliseconds.
 */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";

const [root, to] = process.argv.slice(2);
/** Rows that share a commit. */
const ROWS = 500;

const db = new DatabaseSync(to);
db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
db.exec(`CREATE TABLE entities (
   key TEXT PRIMARY KEY, type TEXT NOT NULL, hash TEXT NOT NULL, size INTEGER NOT NULL,
   mtime_ms INTEGER NOT NULL, inode INTEGER NOT NULL, settled INTEGER NOT NULL
 ) WITHOUT ROWID`);
const insert = db.prepare("INSERT INTO entities VALUES (?, ?, ?, ?, ?, ?, 1)");
const startedMs = performance.now();
let files = 0;
db.exec("BEGIN");
walk(root, "");
db.exec("COMMIT");
console.log(JSON.stringify({ files, ms: performance.now() - startedMs }));
db.close();

function walk(path: string, prefix: string): void {
  for (const name of readdirSync(path).sort()) {
    const below = `${path}/${name}`;
    const stat = lstatSync(below);
    if (stat.isDirectory()) walk(below, `${prefix}${name}/`);
    else if (stat.isFile()) {
      const hash = createHash("sha256").update(readFileSync(below)).digest("hex");
      const type = name.slice(name.lastIndexOf(".") + 1);
      insert.run(prefix + name, type, hash, stat.size, Math.floor(stat.mtimeMs), stat.ino);
      if (++files % ROWS === 0) db.exec("COMMIT; BEGIN");
    }
  }
}
