/** Understands what passes by: bytes of the program in, events of its job out. */
import type { Exit, LineReader, Output } from "../../sources/formats/format.ts";
import { LineSplitter, type SplitLine } from "../../sources/process/line_splitter.ts";
import type { SourceEvent } from "../../sources/source.ts";
import type { JobError } from "../../sync/entry.ts";

/** A reader that fails is done with: the program and its output are none the worse. */
export class Reading {
  readonly #reader: LineReader;
  readonly #emit: (event: SourceEvent) => void;
  readonly #splitters = { stdout: new LineSplitter(), stderr: new LineSplitter() };
  #fault: string | undefined;
  #cutTold = false;

  constructor(reader: LineReader, emit: (event: SourceEvent) => void) {
    this.#reader = reader;
    this.#emit = emit;
  }

  chunk(from: Output, bytes: Uint8Array): void {
    if (this.#fault === undefined) this.#lines(from, () => this.#splitters[from].push(bytes));
  }

  /** The last lines and what the run came to. @returns undefined where it completed */
  end(exit: Exit): JobError | undefined {
    for (const from of ["stdout", "stderr"] as const) {
      this.#lines(from, () => this.#splitters[from].end());
    }
    try {
      const { events, error } = this.#reader.end(exit);
      events.forEach(this.#emit);
      return error ?? (this.#fault === undefined ? undefined : this.#unread(this.#fault, exit));
    } catch (cause) {
      return this.#unread(String(cause), exit);
    }
  }

  #lines(from: Output, split: () => readonly SplitLine[]): void {
    try {
      for (const { text, cut } of split()) {
        this.#reader.line(text, from).forEach(this.#emit);
        if (cut && !this.#cutTold) this.#tellCut();
      }
    } catch (cause) {
      this.#fault ??= cause instanceof Error ? cause.message : String(cause);
    }
  }

  #tellCut(): void {
    this.#cutTold = true;
    const message = "A line is longer than 1 MiB: only its beginning was read";
    this.#emit({ type: "log", level: "warning", source: "synctail", message });
  }

  /** The program's own exit counts; that not all was understood is told. */
  #unread(fault: string, exit: Exit): JobError | undefined {
    const message = `Not all that the program wrote could be counted: ${fault}`;
    this.#emit({ type: "log", level: "error", source: "synctail", message });
    return exit.code === 0 ? undefined : { code: "program_failed", message };
  }
}
