/** The lines of a program's outputs, in order, read no faster than they are taken. */
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
 * Reads both outputs of a program. At most one chunk of each waits to be taken; until it is, no
 * more of that output is read, so a program that writes too fast has to wait.
 */
export class OutputLines {
  /** Resolves when both outputs have ended or were let go of. */
  readonly ended: Promise<void>;
  readonly #program: Pick<Program, "letGo">;
  /** Chunks to be taken, each with the call that lets its output be read on. */
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

  /** Bytes read so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a chunk waits to be taken. */
  get waiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Stops reading: other processes may keep the outputs open after the program's end. */
  close(): void {
    this.#closed = true;
    this.#program.letGo();
    for (const { taken } of this.#waiting) taken();
    this.#end(); // A destroyed stream may never report its end.
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
      // An output that was let go of or broke has ended; the exit tells how the program fared.
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
