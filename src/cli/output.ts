/** What a server's start says, what commands print, and output that nobody reads any more. */
import { writeSync } from "node:fs";
import process from "node:process";
import { surviveClosedLog } from "../logger.ts";
import { codeOf, reasonOf } from "../reason.ts";

/** The disk of stdout says no, as against a reader that has left. */
const DISK_CODES = ["ENOSPC", "EDQUOT", "EFBIG"];

/** What was printed could not be written. */
class OutputError extends Error {
  override readonly name = "OutputError";

  constructor(cause: unknown) {
    const full = codeOf(cause) === "ENOSPC";
    const reason = full ? "there is no room left on its disk" : reasonOf(cause);
    super(`Cannot write to stdout: ${reason}`, { cause });
  }
}

/**
 * Says a server's words on stdout. Under Bun `process.stdout` brings every module of Node's streams
 * with it, which takes as long as a third of a start. A disk that is full keeps no server from
 * serving.
 */
export function announce(text: string): void {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(writeSync(1, bytes));
  } catch (cause) {
    const code = codeOf(cause);
    if (isOfDisk(cause)) return printError(`synctail: ${new OutputError(cause).message}\n`);
    if (code !== "EAGAIN") return endAsBySignal(); // nobody reads it
    surviveClosedOutput(); // a pipe that does not block and is full: the stream waits for room
    process.stdout.write(bytes);
  }
}

let fault: OutputError | undefined;
/** What the stream of stdout has not written yet, and who waits for that. */
let unwritten = 0;
const whenWritten: (() => void)[] = [];

/**
 * Prints what a command was asked for on stdout.
 *
 * @returns whether there is room for more; `printed` waits for it
 * @throws {OutputError} also for what was printed before
 */
export function print(text: string | Uint8Array): boolean {
  if (fault) throw fault;
  try {
    unwritten++;
    return process.stdout.write(text, wasWritten);
  } catch (cause) {
    throw fault = new OutputError(cause); // Deno writes files at once
  }
}

/** As `print`, one JSON object on a line. */
export function printJson(value: unknown): void {
  print(`${JSON.stringify(value)}\n`);
}

/** Resolves when all that was printed is written, or nobody reads it any more. @throws {OutputError} */
export async function printed(): Promise<void> {
  if (unwritten > 0 && !fault && !ending) {
    await new Promise<void>((resolve) => whenWritten.push(resolve));
  }
  if (fault) throw fault;
}

function wasWritten(cause: unknown): void {
  if (isOfDisk(cause)) fault ??= new OutputError(cause);
  if (--unwritten === 0 || cause) tellWritten();
}

function tellWritten(): void {
  for (const resolve of whenWritten.splice(0)) resolve();
}

/** Prints the text on stderr, where it can be written. */
export function printError(text: string): void {
  try {
    surviveClosedLog();
    process.stderr.write(text);
  } catch {
    // Under Deno a file's disk may be full, or the terminal gone: nothing is left to tell it by.
  }
}

let surviving = false;
let ending = false;

/**
 * Whoever reads what we log may leave without harm. When the reader of our output leaves, nobody
 * waits for it any more: the command ends as by SIGTERM, which stops what it has begun.
 */
export function surviveClosedOutput(): void {
  if (surviving) return;
  surviving = true;
  surviveClosedLog();
  process.stdout.on("error", (cause) => {
    if (!isOfDisk(cause)) endAsBySignal();
  });
}

function isOfDisk(cause: unknown): boolean {
  return DISK_CODES.includes(codeOf(cause) ?? "");
}

/** As by SIGTERM, once: a second one would end it at once. */
export function endAsBySignal(): void {
  if (!ending) process.kill(process.pid, "SIGTERM");
  ending = true;
  tellWritten();
}
