/** The lines of a program's outputs in the order in which they came, read no faster than taken. */
import type { Readable } from "node:stream";
import type { Output } from "../formats/format.ts";
import { LineSplitter, type SplitLine } from "./line_splitter.ts";
import type { Program } from "./program.ts";

/** What one read of one output gave: perhaps no whole line yet. */
export interface OutputChunk {
  readonly from: Output;
  readonly lines: readonly SplitLine[];
}

/**
 * Reads both outputs of a program. Of each at most one chunk waits here to be taken; until then
 * nothing more of it is read, so a program that writes too fast waits at its pipe.
 */
export class OutputLines {
  /** Resolves when both outputs have ended or were let go of. */
  readonly ended: Promise<void>;
  readonly #program: Pick<Program, "letGo">;
  /** Chunks that nobody has taken, each with what lets its output be read on. */
  readonly #waiting: { readonly chunk: OutputChunk; readonly taken: () => void }[] = [];
  #over = false;
  #closed = false;
  #bytes = 0;
  #end = () => {};
  #wake: (() => void) | undefined;

  constructor(program: Pick<Program, "stdout" | "stderr" | "letGo">) {
    this.#program = program;
    const { stdout, stderr } = program;
    this.ended = new Promise((resolve) => {
      this.#end = () => {
        this.#over = true;
        this.#wake?.();
        resolve();
      };
    });
    const pumps = [this.#pump(stdout, "stdout"), this.#pump(stderr, "stderr")];
    Promise.all(pumps).then(this.#end);
  }

  /** The next chunk; undefined after the last one. One caller at a time. */
  async next(): Promise<OutputChunk | undefined> {
    while (this.#waiting.length === 0 && !this.#over) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const next = this.#waiting.shift();
    next?.taken();
    return next?.chunk;
  }

  /** Whether `ended` has resolved. */
  get over(): boolean {
    return this.#over;
  }

  /** Read so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether there is something to be taken. */
  get waiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Reads no more: for outputs that somebody keeps open after the program's end. */
  close(): void {
    this.#closed = true;
    this.#program.letGo();
    for (const { taken } of this.#waiting) taken();
    this.#end(); // A stream that was let go of may never say that it has ended.
  }

  async #pump(stream: Readable | null, from: Output): Promise<void> {
    if (!stream) return;
    const splitter = new LineSplitter();
    try {
      for await (const chunk of stream) {
        const bytes = chunk as Uint8Array; // no encoding was set
        this.#bytes += bytes.length;
        await this.#offer({ from, lines: splitter.push(bytes) });
        if (this.#closed) return;
      }
    } catch {
      // An output that was let go of or broke has ended; how the program fared, its exit says.
    }
    const rest = splitter.end();
    if (rest.length > 0 && !this.#closed) await this.#offer({ from, lines: rest });
  }

  #offer(chunk: OutputChunk): Promise<void> {
    return new Promise((taken) => {
      this.#waiting.push({ chunk, taken });
      this.#wake?.();
    });
  }
}
