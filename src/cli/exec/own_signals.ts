/** Signals that come to exec and are meant for its program. */
import { constants } from "node:os";
import process from "node:process";
import type { Clock } from "../../clock.ts";
import type { Exit } from "../../sources/formats/format.ts";
import { ignoredSignals, processStats } from "./proc.ts";

/** Passed on to the program. */
const PASSED = ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
/** The passed signals that ask to end. */
const ENDING: readonly NodeJS.Signals[] = ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"];
/** A terminal sends these to its whole foreground group, so the program has them already. */
const OF_TERMINAL: readonly string[] = ["SIGINT", "SIGQUIT"];
/** Signals that end a process without a core dump: when one ends the program, it ends us too. */
const PLAIN: readonly string[] = [
  "SIGHUP",
  "SIGINT",
  "SIGTERM",
  "SIGKILL",
  "SIGALRM",
  "SIGUSR1",
  "SIGUSR2",
];
/** The exit code of an rsync that a signal has ended. */
const RSYNC_STOPPED = 20;
/** How long after the program's end a signal to both of us may arrive here, in milliseconds. */
const LATE_MS = 100;
/** How long a signal to ourselves may take, in milliseconds. */
const OWN_MS = 1_000;

/**
 * Passes signals on from now on. Signals that are ignored here (nohup, a script's background job)
 * stay ignored, and the program is to ignore them too.
 */
export class OwnSignals {
  readonly ignored = ignoredSignals();
  #pid: number | undefined;
  #asked: NodeJS.Signals | undefined;
  #over = false;
  /** Whether one that asks to end came when the program was over. */
  #late = false;
  #onEnding: (() => void) | undefined;
  #onAsked: (() => void) | undefined;

  constructor() {
    for (const name of PASSED) {
      // With its first listener Deno takes over all signals, and would die of one that was ignored.
      const handler = this.ignored.includes(name) ? () => {} : () => this.#received(name);
      process.on(name, handler);
    }
  }

  /** The last signal that asked to end, if one came. */
  get asked(): NodeJS.Signals | undefined {
    return this.#asked;
  }

  /**
   * As `asked`, once the program is over.
   *
   * A terminal sends Ctrl-C to both of us, and we may learn of the program's end first. If it ended
   * as by such a signal, ours is waited for, up to LATE_MS.
   */
  async settled(exit: Exit, clock: Clock): Promise<NodeJS.Signals | undefined> {
    if (this.#asked === undefined && stopped(exit)) {
      await new Promise<void>((resolve) => {
        const callOff = clock.after(LATE_MS, resolve);
        this.#onAsked = () => {
          callOff();
          resolve();
        };
      });
      this.#onAsked = undefined;
    }
    return this.#asked;
  }

  /** Whether a signal that asks to end has ended the program, or has come since it is over. */
  ended(exit: Exit): boolean {
    return this.#late || (this.#asked !== undefined && stopped(exit));
  }

  /** Passes signals to this process, the last one so far too; to none when undefined: it is over. */
  passTo(pid: number | undefined): void {
    this.#pid = pid;
    this.#over = pid === undefined;
    if (this.#asked) this.#pass(this.#asked);
  }

  /**
   * From now on, to the end of this process, signals that ask to end are for us, and call
   * `onEnding`.
   */
  mean(onEnding: () => void): void {
    this.#pid = undefined;
    this.#onEnding = onEnding;
  }

  #received(name: NodeJS.Signals): void {
    if (ENDING.includes(name)) {
      if (this.#onEnding) return this.#onEnding();
      this.#asked = name;
      this.#late ||= this.#over;
      this.#onAsked?.();
    }
    this.#pass(name);
  }

  #pass(name: NodeJS.Signals): void {
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
 * Ends this process by the signal that ended the program, so that our caller sees what it would
 * have seen without us: a shell stops its loop after Ctrl-C, systemd calls a SIGTERM clean.
 *
 * @returns 128 plus the signal's number, as in shells, when this process outlives the signal
 */
export async function endBySignal(name: string): Promise<number> {
  const number = Object.entries(constants.signals).find(([each]) => each === name)?.[1] ??
    Number(/\d+$/.exec(name)?.[0] ?? 0); // "signal 34"
  if (PLAIN.includes(name)) {
    process.removeAllListeners(name);
    process.kill(process.pid, number);
    await new Promise((resolve) => setTimeout(resolve, OWN_MS));
  }
  return 128 + number;
}

/** Whether a program has ended as one that a signal has asked to end. */
function stopped({ code, signal }: Exit): boolean {
  if (signal !== null) return ENDING.some((name) => name === signal);
  return code === RSYNC_STOPPED ||
    ENDING.some((name) => code === 128 + constants.signals[name]);
}

/** Whether our process group gets the signals of the terminal's keys. */
function inForeground(): boolean {
  const [own] = processStats([process.pid]);
  return own ? own.group === own.foreground : process.stdin.isTTY === true;
}
