/** A process and all that it has started, as far as /proc tells. */
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";

/** A process; numbers are used again, the moment of its start tells it from a later one. */
interface Known {
  readonly pid: number;
  readonly startedAt: string;
}

/**
 * The program must stay in our process group to keep the terminal, so a signal to a group of its
 * own cannot reach what a script has started; this does. Without /proc it is the program alone.
 */
export class ProcessTree {
  readonly #root: number;
  readonly #known = new Map<number, Known>();

  constructor(root: number) {
    this.#root = root;
  }

  /** To the process and all that it has started by now; whoever was met before is still known. */
  signal(name: NodeJS.Signals): void {
    this.#look();
    for (const { pid } of this.#alive()) send(pid, name);
  }

  /** Whether anybody of those who were met is left. */
  get alive(): boolean {
    return this.#alive().length > 0;
  }

  #alive(): readonly Known[] {
    return [...this.#known.values()].filter(({ pid, startedAt }) => {
      const stat = statOf(pid);
      return stat !== undefined && stat.startedAt === startedAt && stat.state !== "Z";
    });
  }

  #look(): void {
    const children = new Map<number, number[]>();
    for (const pid of numbers()) {
      const parent = statOf(pid)?.parent;
      if (parent !== undefined) children.set(parent, [...children.get(parent) ?? [], pid]);
    }
    const found = [this.#root, ...this.#known.keys()];
    for (const pid of found) {
      const startedAt = statOf(pid)?.startedAt;
      if (startedAt !== undefined && !this.#known.has(pid)) {
        this.#known.set(pid, { pid, startedAt });
      }
      for (const child of children.get(pid) ?? []) if (!found.includes(child)) found.push(child);
    }
  }
}

interface Stat {
  readonly parent: number;
  readonly state: string;
  readonly startedAt: string;
}

function statOf(pid: number): Stat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0], parent: Number(fields[1]), startedAt: fields[19] };
  } catch {
    return lives(pid) ? { state: "?", parent: 0, startedAt: "" } : undefined;
  }
}

function numbers(): number[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number);
  } catch {
    return []; // Not Linux.
  }
}

function lives(pid: number): boolean {
  return send(pid, 0);
}

/** @returns whether there was anybody whom we may send it to */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
