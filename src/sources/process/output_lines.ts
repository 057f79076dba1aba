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
  readonly #streams: readonly Readable[];
  /** Chunks that nobody has taken, each with what lets its output be read on. */
  readonly #waiting: { readonly chunk: OutputChunk; readonly taken: () => void }[] = [];
  #over = false;
  #closed = false;
  #bytes = 0;
  #wake: (() => void) | undefined;

  constructor({ stdout, stderr }: Pick<Program, "stdout" | "stderr">) {
    const outputs = [["stdout", stdout], ["stderr", stderr]] as const;
    const pumps: Promise<void>[] = [];
    const streams: Readable[] = [];
    for (const [from, stream] of outputs) {
      if (!stream) continue;
      streams.push(stream);
      pumps.push(this.#pump(stream, from));
    }
    this.#streams = streams;
    this.ended = Promise.all(pumps).then(() => {
      this.#over = true;
      this.#wake?.();
    });
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
    for (const stream of this.#streams) stream.destroy();
    for (const { taken } of this.#waiting) taken();
  }

  async #pump(stream: Readable, from: Output): Promise<void> {
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
    if (rest.length > 0) await this.#offer({ from, lines: rest });
  }

  #offer(chunk: OutputChunk): Promise<void> {
    return new Promise((taken) => {
      this.#waiting.push({ chunk, taken });
      this.#wake?.();
    });
  }
}
