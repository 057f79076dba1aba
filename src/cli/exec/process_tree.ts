/** A process and its descendants, as far as the system tells. */
import process from "node:process";
import { type ProcessStat, processStats } from "./proc.ts";

/**
 * Signals a program and its descendants one by one. A group of its own would reach them at once,
 * but the program must stay in ours to keep the terminal. Without /proc it is the program alone.
 */
export class ProcessTree {
  readonly #root: number;
  /** The start of each process met so far, by its pid. */
  readonly #met = new Map<number, string>();

  constructor(root: number) {
    this.#root = root;
  }

  /** Sends the signals to the process, its present descendants and all met before. */
  signal(...names: readonly NodeJS.Signals[]): void {
    const all = processStats();
    this.#meet(all);
    const pids = all.length === 0 ? [this.#root] : this.#left(all).map(({ pid }) => pid);
    for (const pid of pids) for (const name of names) send(pid, name);
  }

  /** Whether any process met so far is alive. */
  get alive(): boolean {
    return this.#met.size > 0 && this.#left(processStats([...this.#met.keys()])).length > 0;
  }

  #left(all: readonly ProcessStat[]): readonly ProcessStat[] {
    return all.filter(({ pid, startedAt, state }) =>
      this.#met.get(pid) === startedAt && state !== "Z"
    );
  }

  #meet(all: readonly ProcessStat[]): void {
    const left = new Set(this.#left(all).map(({ pid }) => pid)).add(this.#root);
    // Descendants of any depth: repeats until a round finds no new one.
    for (let before = 0; before !== left.size;) {
      before = left.size;
      for (const { pid, parent } of all) if (left.has(parent)) left.add(pid);
    }
    for (const { pid, startedAt } of all) if (left.has(pid)) this.#met.set(pid, startedAt);
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has just ended, or is another user's. What is left after the grace is signalled again.
  }
}
