/** A program started as a child: its outputs, its end, and signals to all that it starts. */
import process from "node:process";
import type { Readable } from "node:stream";
import { codeOf } from "../../reason.ts";
import type { Exit } from "../formats/format.ts";
import { SourceError } from "../source.ts";
import { begin, type Begun } from "./begin.ts";
import { closeEnds, namedPipes, PIPES_ARE_SOCKETS, relay } from "./named_pipe.ts";
import { findProgram, type ProgramPlace } from "./find_program.ts";
import { isZombies, sendSignal, type Signal } from "./send_signal.ts";

export interface ProgramOptions extends ProgramPlace {
  /** The program and its arguments; no shell sees them. */
  readonly command: readonly string[];
}

/** A program that has been started. Its input is empty: a read finds its end. */
export interface Program {
  /** Also the number of the session and group that it leads. */
  readonly pid: number;
  /**
   * Reading must begin in the turn of the start: unread output is thrown away at the program's end.
   * Null where the system gave none.
   */
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  /** Reads no more of its outputs. */
  letGo(): void;
  /** The end of the program itself; children of it may live on. Never rejects. */
  readonly exit: Promise<Exit>;
  /** Sends a signal to the whole group, also when its leader has ended. */
  signal(name: Signal): void;
  /** Whether a process of the group is left, also one that has ended a moment ago. */
  readonly alive: boolean;
}

/**
 * Starts a program.
 *
 * @throws {SourceError} the codes of findProgram; program_unstartable for all else
 */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const { command: [name, ...args], cwd, env } = options;
  const path = findProgram(name, options);
  const pipes = PIPES_ARE_SOCKETS ? await namedPipes(2) ?? [] : [];
  const [out, err] = pipes;
  const stdio = ["ignore" as const, out?.inner ?? "pipe", err?.inner ?? "pipe"];
  let begun: Begun;
  try {
    begun = await begin(path, args, { cwd, env, detached: true, stdio });
  } catch (cause) {
    closeEnds(pipes);
    throw new SourceError("program_unstartable", unstartable(name, cause), { cause });
  }
  const { child, exit } = begun;
  const relays = pipes.map(({ outer }) => relay(outer));
  const [stdout, stderr] = relays.length > 0
    ? relays.map(({ stream }) => stream)
    : [child.stdout, child.stderr];
  closeEnds(pipes);
  const pid = child.pid ?? 0;
  return {
    pid,
    stdout,
    stderr,
    letGo() {
      for (const stream of [stdout, stderr]) stream?.destroy();
      for (const each of relays) each.stop();
    },
    exit,
    signal: (name) => void sendSignal(-pid, name),
    get alive() {
      // Process 1 of a container inherits what the program leaves, and no runtime waits for it.
      return sendSignal(-pid, 0) && !(process.pid === 1 && isZombies(pid));
    },
  };
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "the interpreter that its first line names is not there",
  EACCES: "this server's user may not execute it",
  E2BIG: "its arguments and environment are too long",
  EAGAIN: "there are too many processes",
  ENOMEM: "there is no memory left",
  EMFILE: "this server has too many files open",
};

function unstartable(name: string, cause: unknown): string {
  const code = codeOf(cause);
  const reason = (code && (REASONS[code] ?? code)) ?? String(cause);
  return `Cannot run ${JSON.stringify(name)}: ${reason}`;
}
