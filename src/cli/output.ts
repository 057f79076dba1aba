/** What a server's start says, and output that nobody reads any more. */
import { writeSync } from "node:fs";
import process from "node:process";
import { surviveClosedLog } from "../logger.ts";

/**
 * Prints the text on stdout. Under Bun `process.stdout` brings every module of Node's streams with
 * it, which takes as long as a third of a start.
 */
export function print(text: string): void {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(writeSync(1, bytes));
  } catch (cause) {
    if ((cause as { code?: string }).code !== "EAGAIN") return endAsBySignal(); // nobody reads it
    surviveClosedOutput(); // a pipe that does not block and is full: the stream waits for room
    process.stdout.write(bytes);
  }
}

/** Prints the text on stderr. */
export function printError(text: string): void {
  surviveClosedLog();
  process.stderr.write(text);
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
  process.stdout.on("error", endAsBySignal);
}

/** As by SIGTERM, once: a second one would end it at once. */
export function endAsBySignal(): void {
  if (!ending) process.kill(process.pid, "SIGTERM");
  ending = true;
}
