/** A log to be backed up, and a place for the backup. */
import { join } from "node:path";
import { DataDirectory } from "../../src/log/data_directory.ts";
import { SqliteLog } from "../../src/log/sqlite_log.ts";
import { line, newJob, stillClock } from "./log_contract.ts";
import { tempDirectory } from "./temp.ts";

/** A data directory with a log of some hundred pages, and a place for backups. */
export async function bench(t: { after(run: () => void): void }) {
  const { path, remove } = tempDirectory();
  const directory = new DataDirectory(join(path, "data"));
  t.after(() => {
    directory.release();
    remove();
  });
  const file = directory.file("log.db");
  const log = new SqliteLog({
    path: file,
    durability: "normal",
    clock: stillClock(),
  });
  const { job } = await log.create(newJob());
  const facts = Array.from(
    { length: 5_000 },
    (_, n) => line(`line ${n} ${"x".repeat(100)}`),
  );
  await log.append(job, () => ({ facts }));
  await log.close();
  return { directory, file, backup: join(path, "backup.db") };
}
