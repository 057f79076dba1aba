/** Signals that come to exec and are meant for its program. */
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import process from "node:process";

/** Passed on to the program. */
const PASSED = ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
/** Of those, the ones that ask to end. */
const ENDING: readonly string[] = ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"];
/** A terminal sends these to its whole foreground group, so the program has them already. */
const OF_TERMINAL: readonly string[] = ["SIGINT", "SIGQUIT"];
/** A program that is killed by one of these is no fault that a core dump would tell more of. */
const PLAIN: readonly string[] = [
  "SIGHUP",
  "SIGINT",
  "SIGTERM",
  "SIGKILL",
  "SIGALRM",
  "SIGUSR1",
  "SIGUSR2",
];
/** How long a signal to ourselves may take, in milliseconds. */
const OWN_MS = 1_000;

/**
 * Passes signals on from now on. What is ignored here (nohup, a script's background job) stays
 * ignored, in the program too: a handler would put an end to that.
 */
export class OwnSignals {
  readonly #handlers = new Map<NodeJS.Signals, () => void>();
  #pid: number | undefined;
  #asked: NodeJS.Signals | undefined;
  #onEnding: (() => void) | undefined;

  constructor() {
    const ignored = ignoredSignals();
    for (const name of PASSED) {
      if (ignored.has(name)) continue;
      const handler = () => this.#received(name);
      this.#handlers.set(name, handler);
      process.on(name, handler);
    }
  }

  /** The last signal that asked to end, if one came. */
  get asked(): NodeJS.Signals | undefined {
    return this.#asked;
  }

  /** Passes them to this process; undefined once it is over. */
  passTo(pid: number | undefined): void {
    this.#pid = pid;
  }

  /** From now on one that asks to end means us. */
  mean(onEnding: () => void): void {
    this.#pid = undefined;
    this.#onEnding = onEnding;
  }

  close(): void {
    for (const [name, handler] of this.#handlers) process.off(name, handler);
    this.#handlers.clear();
  }

  #received(name: NodeJS.Signals): void {
    if (ENDING.includes(name)) {
      if (this.#onEnding) return this.#onEnding();
      this.#asked = name;
    }
    if (this.#pid === undefined) return;
    if (OF_TERMINAL.includes(name) && inForeground()) return;
    try {
      process.kill(this.#pid, name);
    } catch {
      // It has just ended.
    }
  }
}

/**
 * Ends this process by the signal that ended the program, so that whoever started us sees what he
 * would have seen (a shell stops its loop after Ctrl-C, systemd calls a SIGTERM clean).
 *
 * @returns 128 and the signal's number, as shells say it, where we outlive that
 */
export async function endBySignal(name: string): Promise<number> {
  const number = Object.entries(constants.signals).find(([each]) => each === name)?.[1] ?? 0;
  if (PLAIN.includes(name)) {
    process.removeAllListeners(name);
    process.kill(process.pid, number);
    await new Promise((resolve) => setTimeout(resolve, OWN_MS));
  }
  return 128 + number;
}

/** Whether the terminal's keys reach our group: tpgid is pgrp. False where /proc is not Linux's. */
function inForeground(): boolean {
  try {
    const stat = readFileSync("/proc/self/stat", "utf8");
    // pid (comm) state ppid pgrp session tty_nr tpgid; a comm may hold blanks and brackets.
    const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return group === foreground;
  } catch {
    return process.stdin.isTTY === true;
  }
}

function ignoredSignals(): ReadonlySet<string> {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    const bits = BigInt(`0x${mask ?? "0"}`);
    const entries = Object.entries(constants.signals);
    return new Set(
      entries.filter(([, number]) => (bits >> BigInt(number - 1)) & 1n).map(([name]) => name),
    );
  } catch {
    return new Set(); // Only Linux tells.
  }
}
