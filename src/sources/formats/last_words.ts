/** Why a program failed, by what it said last. */
import type { Output } from "./format.ts";

/** The program as people call it where nothing is known but its lines. */
export const THE_PROGRAM = "The program";

/** Remembers what a program has said last, to tell why it failed. */
export class LastWords {
  #error: string | undefined;
  #stderr: string | undefined;
  #any: string | undefined;

  hear(message: string, from: Output, isError: boolean): void {
    this.#any = message;
    if (isError) this.#error = message;
    if (from === "stderr") this.#stderr = message;
  }

  /** The last line on stderr, else the last that calls itself an error, else the last one. */
  get reason(): string | undefined {
    return this.#stderr ?? this.#error ?? this.#any;
  }
}
