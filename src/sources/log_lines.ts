/** Log lines of a run that are still to be told. */
import type { LogLevel } from "../sync/entry.ts";
import type { SourceLog } from "./source.ts";

/** Holds at most the lines of one entity: the run tells them before it goes on. */
export class LogLines {
  #lines: SourceLog[] = [];
  #warnings = 0;

  /** How many warnings there have been in all. */
  get warnings(): number {
    return this.#warnings;
  }

  get waiting(): boolean {
    return this.#lines.length > 0;
  }

  add(level: LogLevel, message: string): void {
    this.#lines.push({ type: "log", level, message });
  }

  warn(message: string): void {
    this.#warnings++;
    this.add("warning", message);
  }

  /** Returns the lines and forgets them. */
  take(): readonly SourceLog[] {
    const lines = this.#lines;
    if (lines.length > 0) this.#lines = [];
    return lines;
  }
}
