/** A process and all that it has started, as far as the system tells. */
import process from "node:process";
import { type ProcessStat, processStats } from "./proc.ts";

/**
 * The program must stay in our process group to keep the terminal, so a signal to a group of its
 * own cannot reach what a script has started; this does. Without /proc it is the program alone.
 */
export class ProcessTree {
  readonly #root: number;
  /** When each process that was met has started, by its number. */
  readonly #met = new Map<number, string>();

  constructor(root: number) {
    this.#root = root;
  }

  /** To the process and all that it has started by now, and to whoever was met before. */
  signal(name: NodeJS.Signals): void {
    const all = processStats();
    this.#meet(all);
    const pids = all.length === 0 ? [this.#root] : this.#left(all).map(({ pid }) => pid);
    for (const pid of pids) send(pid, name);
  }

  /** Whether anybody of those who were met is left. */
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
    // Children of children: until a round finds nobody new.
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
    // It has just ended, or is another user's: whoever is left after the grace is looked for again.
  }
}
