// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/** The thread of checkpoints.ts: one checkpoint of one file for each message, until it is closed. */
import { DatabaseSync } from "node:sqlite";

/** @type {DatabaseSync | undefined} */
let db;

globalThis.onmessage = (/** @type {MessageEvent<{ path?: string }>} */ { data }) => {
  const { path } = data;
  let fault;
  try {
    if (path === undefined) db?.close();
    else {
      db ??= new DatabaseSync(path);
      db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    }
  } catch (error) {
    fault = String(error);
  }
  globalThis.postMessage({ fault });
  if (path === undefined) globalThis.close();
};
