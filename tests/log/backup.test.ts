import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { backUpLog } from "../../src/log/backup.ts";
import { BackupError } from "../../src/log/log_errors.ts";
import { restoreLog } from "../../src/log/restore.ts";
import { bench } from "../support/backup_bench.ts";

test("backUpLog() writes a file for its owner alone, and over none", async (t) => {
  const { file, backup } = await bench(t);

  await backUpLog(file, backup);
  const bytes = readFileSync(backup);
  await assert.rejects(backUpLog(file, backup), BackupError);

  assert.equal(statSync(backup).mode & 0o777, 0o600);
  assert.deepEqual(readFileSync(backup), bytes);
});

test("backUpLog() leaves a backup to the same file alone that is under way", async (t) => {
  const { file, backup } = await bench(t);
  const unfinished = `${backup}.unfinished`;
  const other = new DatabaseSync(unfinished);
  other.exec("BEGIN EXCLUSIVE");

  await assert.rejects(backUpLog(file, backup), {
    name: "BackupError",
    message: `Cannot back up to "${backup}": another backup to it is under way`,
  });
  assert.ok(existsSync(unfinished));
  other.close();
});

test("backUpLog() removes what one that was killed has left, also where that cannot be opened", async (t) => {
  const { file, backup } = await bench(t);
  const socket = createServer().listen(`${backup}.unfinished`); // as another user's file
  t.after(() => void socket.close());
  await once(socket, "listening");

  await backUpLog(file, backup);

  assert.deepEqual([existsSync(backup), existsSync(`${backup}.unfinished`)], [true, false]);
});

test("backUpLog() that fails leaves nothing, of one before it that was killed neither", async (t) => {
  const { directory, backup } = await bench(t);
  const before = readdirSync(dirname(backup));
  for (const end of ["", "-journal"]) writeFileSync(`${backup}.unfinished${end}`, "half of it");
  const damaged = directory.file("damaged.db");
  writeFileSync(damaged, "no log any more".repeat(1_000));

  await assert.rejects(backUpLog(damaged, backup), BackupError);

  assert.deepEqual(readdirSync(dirname(backup)), before);
});

test("restoreLog() and backUpLog() say what they cannot read or write", async (t) => {
  const { directory, file, backup } = await bench(t);
  writeFileSync(backup, "no log");

  assert.throws(
    () => restoreLog(directory, directory.path),
    new BackupError(`Cannot restore "${directory.path}": it is not a file`),
  );
  assert.throws(
    () => restoreLog(directory, "/dev/null"),
    new BackupError(`Cannot restore "/dev/null": it is not a file`),
  );
  assert.throws(
    () => restoreLog(directory, ""),
    new BackupError(`Cannot restore "": expected the name of a file`),
  );
  await assert.rejects(
    backUpLog(file, ""),
    new BackupError(`Cannot back up to "": expected the name of a new file`),
  );
  await assert.rejects(
    backUpLog(file, "b\ufffd"),
    new BackupError(`Cannot back up to "b\ufffd": its name is no UTF-8`),
  );
  await assert.rejects(
    backUpLog(backup, join(directory.path, "x")),
    new BackupError(`Cannot back up "${backup}": file is not a database`),
  );
  mkdirSync(`${file}-wal`);
  await assert.rejects(
    backUpLog(file, join(directory.path, "x")),
    new BackupError(
      `Cannot back up "${file}": SQLite cannot write beside it, which it must to read it; ` +
        "copy it as it is, with log.db-wal beside it: restore takes that",
    ),
  );
});
