/** What servers and commands print, and what happens when it cannot be written. */
import { surviveClosedLog } from "../logger.ts";
import { codeOf, reasonOf } from "../reason.ts";
import { nodeProcess } from "../system/node.ts";
import { ownProcess } from "../system/own_process.ts";

/** Codes of a stdout whose disk is full; others mean that its reader has left. */
const DISK_CODES = ["ENOSPC", "EDQUOT", "EFBIG"];

/** How often it is looked whether a full pipe has room again, in milliseconds. */
const ROOM_MS = 100;

/** The exit code of shells for what SIGPIPE has ended. */
const UNREAD = 141;

/** Output could not be written. */
class OutputError extends Error {
  override readonly name = "OutputError";

  constructor(cause: unknown) {
    const full = codeOf(cause) === "ENOSPC";
    const reason = full ? "there is no room left on its disk" : reasonOf(cause);
    super(`Cannot write to stdout: ${reason}`, { cause });
  }
}

/** What a server has said and stdout had no room for yet. */
let unsaid: Uint8Array = new Uint8Array(0);

/**
 * Prints a server's words on stdout. A full disk does not stop a server from serving.
 *
 * Not through `process.stdout`: under Bun that loads all of Node's streams, a third of a start, and
 * under Deno it waits for no room.
 *
 * @returns whether they are written, or will be when there is room
 */
export function announce(text: string): boolean {
  const waits = unsaid.length > 0;
  unsaid = Uint8Array.of(...unsaid, ...new TextEncoder().encode(text));
  return waits || say();
}

function say(): boolean {
  try {
    while (unsaid.length > 0) unsaid = unsaid.subarray(ownProcess.writeOut(unsaid));
  } catch (cause) {
    if (codeOf(cause) === "EAGAIN") { // a non-blocking pipe is full
      setTimeout(say, ROOM_MS);
      return true;
    }
    unsaid = new Uint8Array(0);
    if (isOfDisk(cause)) printError(`synctail: ${new OutputError(cause).message}\n`);
    else endAsBySignal(); // its reader has left
    return false;
  }
  return true;
}

let fault: OutputError | undefined;
/** Texts that the stream of stdout has not written yet, and who waits for them. */
let unwritten = 0;
const whenWritten: (() => void)[] = [];

/**
 * Prints a command's output on stdout.
 *
 * @returns whether there is room for more; `printed` waits for it
 * @throws {OutputError} also for a failure of earlier output
 */
export function print(text: string | Uint8Array): boolean {
  if (fault) throw fault;
  try {
    unwritten++;
    return nodeProcess().stdout.write(text, wasWritten);
  } catch (cause) {
    throw fault = new OutputError(cause); // Deno writes files at once
  }
}

/** As `print`, a JSON object on one line. */
export function printJson(value: unknown): void {
  print(`${JSON.stringify(value)}\n`);
}

/** Resolves when all output is written, or its reader has left. @throws {OutputError} */
export async function printed(): Promise<void> {
  if (unwritten > 0 && !fault && !ending) {
    await new Promise<void>((resolve) => whenWritten.push(resolve));
  }
  if (fault) throw fault;
}

function wasWritten(cause: unknown): void {
  if (isOfDisk(cause)) fault ??= new OutputError(cause);
  else if (cause) endUnread(); // before those who wait for the output go on
  if (--unwritten === 0 || cause) tellWritten();
}

function tellWritten(): void {
  for (const resolve of whenWritten.splice(0)) resolve();
}

/** Prints a text on stderr; never throws. */
export function printError(text: string): void {
  try {
    surviveClosedLog();
    nodeProcess().stderr.write(text);
  } catch {
    // Under Deno it throws when the disk is full or the terminal gone: nothing is left to report
    // that on.
  }
}

let surviving = false;
let ending = false;

/**
 * Ignores that the reader of stderr leaves. When the reader of stdout leaves, nobody waits for the
 * output: a command that stops what it has begun at a SIGTERM does so, any other one ends.
 */
export function surviveClosedOutput(): void {
  if (surviving) return;
  surviving = true;
  surviveClosedLog();
  nodeProcess().stdout.on("error", (cause) => {
    if (!isOfDisk(cause)) endUnread();
  });
}

let undo = () => {};

/** Calls `act` before the command ends because the reader of stdout has left. */
export function ifUnread(act: () => void): void {
  undo = act;
}

function endUnread(): void {
  if (!ending) undo();
  // As by SIGPIPE, which the runtimes ignore. Of that shells say nothing.
  if (!ownProcess.hears("SIGTERM")) nodeProcess().exit(UNREAD);
  endAsBySignal();
}

function isOfDisk(cause: unknown): boolean {
  return DISK_CODES.includes(codeOf(cause) ?? "");
}

/** Ends the process as by SIGTERM; only once, as a second signal would end it at once. */
export function endAsBySignal(): void {
  if (!ending) nodeProcess().kill(ownProcess.pid(), "SIGTERM");
  ending = true;
  tellWritten();
}
