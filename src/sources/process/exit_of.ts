/** The end of a child, also by a signal that the runtime has no name for. */
import { ChildProcess } from "node:child_process";
import process from "node:process";
import type { Exit } from "../formats/format.ts";
import { sendSignal } from "./send_signal.ts";

/**
 * Where a signal of real time (SIGRTMIN on) has ended a child, Deno tells nobody of it but by a
 * rejection that nobody can catch, which would end this process.
 */
const NAMELESS = /^Invalid signal: (\d+)$/;
/** A child that is gone for so long, in milliseconds, without having told how, does not tell it. */
const UNTOLD_MS = 100;

/** Bun tells of the same death as of exit code 0; the process beneath its ChildProcess knows better. */
const BENEATH = Object.getOwnPropertySymbols(ChildProcess.prototype)
  .find(({ description }) => description === "kHandle");

/** Children that have not told of their end. */
const untold = new Map<ChildProcess, (exit: Exit) => void>();
let listening = false;

/** To be called as soon as the child was started. Never rejects. */
export function exitOf(child: ChildProcess): Promise<Exit> {
  listen();
  return new Promise((resolve) => {
    untold.set(child, resolve);
    child.once("exit", (code, signal) => {
      untold.delete(child);
      const nameless = code === 0 ? namelessOf(child) : undefined;
      resolve(nameless === undefined ? { code, signal } : { code: null, signal: nameless });
    });
    child.once("error", () => untold.delete(child));
  });
}

function namelessOf(child: ChildProcess): string | undefined {
  const beneath: unknown = BENEATH && Reflect.get(child, BENEATH);
  const { signalCode } = Object(beneath) as { signalCode?: unknown };
  return typeof signalCode === "number" ? nameOf(signalCode) : undefined;
}

function nameOf(signal: number | string): string {
  return `signal ${signal}`;
}

function listen(): void {
  if (listening || process.versions.bun !== undefined) return;
  listening = true;
  globalThis.addEventListener("unhandledrejection", (event) => {
    const { reason } = event;
    const [, signal] = NAMELESS.exec(reason instanceof Error ? reason.message : "") ?? [];
    if (signal === undefined) return;
    event.preventDefault();
    setTimeout(() => settleGone({ code: null, signal: nameOf(signal) }), UNTOLD_MS);
  });
}

function settleGone(exit: Exit): void {
  for (const [child, resolve] of untold) {
    if (child.pid === undefined || sendSignal(child.pid, 0)) continue;
    untold.delete(child);
    resolve(exit);
  }
}
