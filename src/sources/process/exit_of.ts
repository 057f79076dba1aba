/** The end of a child, also by a signal that the runtime has no name for. */
import { ChildProcess } from "node:child_process";
import process from "node:process";
import type { Exit } from "../formats/format.ts";
import { sendSignal } from "./send_signal.ts";

/**
 * Where a real-time signal (SIGRTMIN on) has ended a child, Deno emits no event. It only rejects a
 * promise that nobody can catch, which would end this process.
 */
const NAMELESS = /^Invalid signal: (\d+)$/;
/** How long to wait for the event of a child that is gone, in milliseconds. */
const UNTOLD_MS = 100;

/** Bun reports such a death as exit code 0; the process beneath its ChildProcess has the signal. */
const BENEATH = Object.getOwnPropertySymbols(ChildProcess.prototype)
  .find(({ description }) => description === "kHandle");

/** Children whose end has not been reported. */
const untold = new Map<ChildProcess, (exit: Exit) => void>();
let listening = false;

/** How the child ends. To be called as soon as it was started. Never rejects. */
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
