/** The program: started with our terminal, environment and directory; its output is passed on. */
import type { Readable } from "node:stream";
import { atMost, type Clock } from "../../clock.ts";
import { codeOf, reasonOf } from "../../reason.ts";
import type { Exit, Output } from "../../sources/formats/format.ts";
import { begin } from "../../sources/process/begin.ts";
import { findProgram } from "../../sources/process/find_program.ts";
import {
  closeEnds,
  namedPipes,
  PIPES_ARE_SOCKETS,
  relay,
} from "../../sources/process/named_pipe.ts";
import { SourceError } from "../../sources/source.ts";
import { writeAll } from "./fd_writer.ts";

/**
 * Children of the program may outlive it and hold its output. It is passed on as long as some of it
 * comes within so many milliseconds.
 */
const QUIET_MS = 1_000;
/** How often QUIET_MS is waited at most where somebody has asked us to end. */
const LEAVING_ROUNDS = 5;

export interface ChildOptions {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Outputs that are read; the program gets any other one of ours directly, a terminal too. */
  readonly reads: readonly Output[];
  /** Signals that the program is to ignore, as we do. */
  readonly ignored: readonly string[];
  /** Whether somebody has asked us to end, told how the program has ended. */
  readonly leaves: (exit: Exit) => boolean;
  readonly clock: Clock;
}

/** Called with output that was passed on; the bytes are valid until it returns. Never throws. */
export type OnChunk = (from: Output, bytes: Uint8Array) => void;

export interface Child {
  readonly pid: number;
  /** How the program itself ended. */
  readonly exit: Promise<Exit>;
  /**
   * Passes on the outputs that are read; to be called once. Resolves after the program's end, when
   * all is written; with the reason when stdout could not be written, unless its reader had left.
   */
  readonly passOn: (onChunk: OnChunk) => Promise<string | undefined>;
}

/**
 * Starts the program.
 *
 * @throws {SourceError} program_not_found, program_not_executable, program_unstartable
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { command, env, reads } = options;
  const [name] = command;
  const pipes = PIPES_ARE_SOCKETS && reads.length > 0 ? await namedPipes(reads.length) ?? [] : [];
  const channel = (output: Output): "inherit" | "pipe" | number =>
    reads.includes(output) ? pipes[reads.indexOf(output)]?.inner ?? "pipe" : "inherit";
  const stdio = ["inherit" as const, channel("stdout"), channel("stderr")];
  try {
    const find = () => findProgram(name, placeOf(env));
    const { child, exit } = await begin(...ignoring(options), { stdio }, find);
    const streams = { stdout: child.stdout, stderr: child.stderr };
    const outputs = reads.map((from, at) => {
      const pipe = pipes[at];
      if (pipe) return { from, ...relay(pipe.outer) };
      const stream = streams[from];
      return { from, stream, stop: () => void stream?.destroy() };
    });
    const passOn = (onChunk: OnChunk) => passedOn(outputs, exit, { ...options, onChunk });
    return { pid: child.pid ?? 0, exit, passOn };
  } catch (cause) {
    throw unstarted(name, cause, env);
  } finally {
    closeEnds(pipes);
  }
}

/**
 * The name and arguments to start. Signals are ignored by way of a shell that becomes the program:
 * a runtime may not pass ignored signals on.
 */
function ignoring(
  { command, env, ignored }: ChildOptions,
): readonly [name: string, args: readonly string[]] {
  const [name, ...args] = command;
  if (ignored.length === 0) return [name, args];
  const names = ignored.map((each) => each.replace("SIG", "")).join(" ");
  const path = findProgram(name, placeOf(env));
  return ["/bin/sh", ["-c", `trap '' ${names}; exec "$@"`, "sh", path, ...args]];
}

interface Passed {
  readonly from: Output;
  readonly stream: Readable | null;
  /** Reads no more. */
  readonly stop: () => void;
}

async function passedOn(
  outputs: readonly Passed[],
  exit: Promise<Exit>,
  { leaves, clock, onChunk }: ChildOptions & { readonly onChunk: OnChunk },
): Promise<string | undefined> {
  /** Outputs of which a chunk is being written, and the number of all chunks so far. */
  const busy = new Set<Output>();
  let chunks = 0;
  /** Whether the caller goes on without the rest. */
  let left = false;
  let unwritten: string | undefined;
  const pass = async ({ from, stream, stop }: Passed) => {
    let taken = true;
    try {
      for await (const chunk of stream ?? []) {
        const bytes = chunk as Uint8Array; // no encoding was set
        chunks++;
        busy.add(from);
        try {
          if (taken) await writeAll(from === "stdout" ? 1 : 2, bytes);
        } catch (cause) {
          const gone = codeOf(cause) === "EPIPE";
          if (!gone && from === "stdout") unwritten = wordsOf(cause);
          if (gone || from === "stdout") throw cause;
          // The disk is full. Most programs do without their stderr.
          taken = false;
        } finally {
          busy.delete(from);
          if (!left) onChunk(from, bytes);
        }
      }
    } catch {
      // The program's next write fails, as it would without us. What it wrote before is lost, and
      // only we can say so.
      stop();
    }
  };
  let ended = false;
  const all = Promise.all(outputs.map(pass)).then(() => {
    ended = true;
  });
  const how = await exit;
  let rounds = 0;
  for (let seen = -1; !ended && (busy.size > 0 || seen !== chunks);) {
    if (leaves(how) && rounds++ === LEAVING_ROUNDS) {
      if (busy.has("stdout")) unwritten ??= "its reader did not read, and a signal came";
      break;
    }
    seen = chunks;
    const startMs = clock.monotonic();
    await atMost(clock, QUIET_MS, all);
    // Ctrl-Z has halted us and perhaps them: what they have written is not read yet.
    if (clock.monotonic() - startMs >= 2 * QUIET_MS) seen = -1;
  }
  left = true;
  return unwritten;
}

function placeOf(env: Readonly<Record<string, string | undefined>>) {
  return { env: { PATH: env.PATH ?? "" } };
}

/** The reason alone: runtimes put a code before it and the system call after it. */
function wordsOf(cause: unknown): string {
  return codeOf(cause) === "ENOSPC" ? "no space left on device" : reasonOf(cause);
}

function unstarted(
  name: string,
  cause: unknown,
  env: Readonly<Record<string, string | undefined>>,
): SourceError {
  if (cause instanceof SourceError) return cause;
  try {
    findProgram(name, placeOf(env));
  } catch (better) {
    if (better instanceof SourceError) return better;
  }
  const code = codeOf(cause);
  const reason = code === "ENOENT"
    ? "the interpreter that its first line names is not there"
    : code ?? String(cause);
  return new SourceError(
    code === "ENOENT" ? "program_not_found" : "program_unstartable",
    `Cannot run ${JSON.stringify(name)}: ${reason}`,
    { cause },
  );
}
