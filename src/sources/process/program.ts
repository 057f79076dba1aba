/** A program started as a child: its outputs, its end, and signals to all that it starts. */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import type { Readable } from "node:stream";
import { codeOf } from "../../reason.ts";
import type { Exit } from "../formats/format.ts";
import { SourceError } from "../source.ts";
import { exitOf } from "./exit_of.ts";
import { closeEnds, namedPipes, PIPES_ARE_SOCKETS, relay } from "./named_pipe.ts";
import { findProgram, type ProgramPlace } from "./find_program.ts";

/** Where an input or output of the program leads. */
export type Channel = "pipe" | "inherit" | "ignore";

export interface ProgramOptions extends ProgramPlace {
  /** The program and its arguments; no shell sees them. */
  readonly command: readonly string[];
  /** Closed when left out: whoever reads it finds its end. */
  readonly stdin?: Channel;
  /** Pipes when left out. */
  readonly stdout?: Channel;
  readonly stderr?: Channel;
  /**
   * Whether it leads a session and process group of its own, which signals then reach as a whole.
   * True when left out. What needs the terminal must stay in the terminal's group.
   */
  readonly ownGroup?: boolean;
}

/** The signals that are sent here. */
export type Signal =
  | "SIGTERM"
  | "SIGINT"
  | "SIGKILL"
  | "SIGCONT"
  | "SIGHUP"
  | "SIGQUIT"
  | "SIGWINCH";

/** A program that has been started. */
export interface Program {
  /** Also the number of its group, where it has its own. */
  readonly pid: number;
  /**
   * Null where it is no pipe. Whoever asked for a pipe has to read it, and begins with it before
   * anything else happens: what nobody reads is thrown away at the program's end.
   */
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  /** Reads no more of its outputs. */
  letGo(): void;
  /** The end of the program itself, whoever of its children lives on. Never rejects. */
  readonly exit: Promise<Exit>;
  /** To the whole group, also when its leader has ended; to the program alone without one. */
  signal(name: Signal): void;
  /** Whether anybody of it is left, be it one that nobody has waited for yet (a zombie). */
  readonly alive: boolean;
}

/**
 * Starts a program.
 *
 * @throws {SourceError} the codes of findProgram; program_unstartable for all else
 */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const { command: [name, ...args], cwd, env, ownGroup = true } = options;
  const path = findProgram(name, options);
  const { stdin = "ignore", stdout = "pipe", stderr = "pipe" } = options;
  const piped = [stdout, stderr].filter((channel) => channel === "pipe").length;
  const pipes = PIPES_ARE_SOCKETS && piped > 0 ? await namedPipes(piped) ?? [] : [];
  const left = [...pipes];
  const [out, err] = [stdout, stderr].map((channel) =>
    channel === "pipe" ? left.shift() : undefined
  );
  const stdio = [stdin, out?.inner ?? stdout, err?.inner ?? stderr];
  const begun = (file: string, words: readonly string[]) =>
    started(spawn(file, words, { cwd, env, detached: ownGroup, stdio }));
  let begin: Begun;
  try {
    try {
      begin = await begun(path, args);
    } catch (cause) {
      // As every shell and execvp do with a script that does not say by whom it is read.
      if (codeOf(cause) !== "ENOEXEC") throw cause;
      begin = await begun("/bin/sh", [path, ...args]);
    }
  } catch (cause) {
    closeEnds(pipes);
    throw new SourceError("program_unstartable", unstartable(name, cause), { cause });
  }
  const { child, exit } = begin;
  const relays = { stdout: out && relay(out.outer), stderr: err && relay(err.outer) };
  const outputs = {
    stdout: relays.stdout ? relays.stdout.stream : child.stdout,
    stderr: relays.stderr ? relays.stderr.stream : child.stderr,
  };
  closeEnds(pipes);
  const pid = child.pid ?? 0;
  const target = ownGroup ? -pid : pid;
  let over = false;
  exit.then(() => over = true);
  return {
    pid,
    ...outputs,
    letGo() {
      for (const stream of Object.values(outputs)) stream?.destroy();
      for (const each of Object.values(relays)) each?.stop();
    },
    exit,
    signal(name) {
      // Without a group the number may be another process's by now.
      if (ownGroup || !over) send(target, name);
    },
    get alive() {
      return ownGroup ? send(target, 0) : !over;
    },
  };
}

interface Begun {
  readonly child: ChildProcess;
  readonly exit: Promise<Exit>;
}

function started(child: ChildProcess): Promise<Begun> {
  const exit = exitOf(child);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("spawn", () => {
      child.off("error", reject);
      // Only kill() and send() of the child fail later, and nobody calls these.
      child.on("error", () => {});
      resolve({ child, exit });
    });
  });
}

/** @returns whether there was anybody to send it to */
function send(target: number, signal: Signal | 0): boolean {
  try {
    process.kill(target, signal);
    return true;
  } catch (cause) {
    // Somebody of another user (sudo) is there, and cannot be reached.
    return cause instanceof Error && "code" in cause && cause.code === "EPERM";
  }
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
