/** Pipes that a program can open again by name, where a runtime gives it sockets instead. */
import { execFile, spawn } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Readable } from "node:stream";

/**
 * Whether a child is given a socket where a pipe is asked for, as by Bun. A socket cannot be opened
 * again by name, so `echo x > /dev/stderr` in a script would fail.
 */
export const PIPES_ARE_SOCKETS = process.versions.bun !== undefined;

/** Both ends of a pipe, as file descriptors of this process. */
export interface NamedPipe {
  /** The end that the program writes to. */
  readonly inner: number;
  /** The end that is read. */
  readonly outer: number;
}

/** Makes `count` pipes; undefined where the system cannot (no mkfifo, no room). */
export async function namedPipes(count: number): Promise<readonly NamedPipe[] | undefined> {
  let directory: string | undefined;
  const pipes: NamedPipe[] = [];
  try {
    const made = directory = mkdtempSync(join(tmpdir(), "synctail-"));
    const paths = Array.from({ length: count }, (_, at) => join(made, `${at}`));
    await new Promise<void>((resolve, reject) => {
      execFile("mkfifo", ["-m", "600", ...paths], (fault) => fault ? reject(fault) : resolve());
    });
    for (const path of paths) pipes.push(opened(path));
    return pipes;
  } catch {
    closeEnds(pipes);
    return undefined; // The runtime's own pipes will do for nearly all programs.
  } finally {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  }
}

/** The output of a pipe. */
export interface Relay {
  readonly stream: Readable | null;
  /** Stops reading: another process may keep the pipe open. */
  stop(): void;
}

/**
 * Reads the pipe by a `cat` of its own: a read in this process would block one of the runtime's few
 * file threads until the program writes something.
 */
export function relay(outer: number): Relay {
  const env = { PATH: process.env.PATH ?? "" };
  const cat = spawn("cat", [], { stdio: [outer, "pipe", "ignore"], env, detached: true });
  cat.on("error", (cause) => cat.stdout?.destroy(cause));
  return { stream: cat.stdout, stop: () => void cat.kill("SIGKILL") };
}

/** Closes this process's ends of the pipes. */
export function closeEnds(pipes: readonly NamedPipe[]): void {
  for (const { inner, outer } of pipes) {
    closeSync(inner);
    closeSync(outer);
  }
}

function opened(path: string): NamedPipe {
  // Opened for both first: opening either end alone would wait for the other.
  const both = openSync(path, constants.O_RDWR);
  let outer: number | undefined;
  try {
    outer = openSync(path, constants.O_RDONLY);
    return { outer, inner: openSync(path, constants.O_WRONLY) };
  } catch (cause) {
    if (outer !== undefined) closeSync(outer);
    throw cause;
  } finally {
    closeSync(both);
  }
}
