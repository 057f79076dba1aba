/** Lines that were cut. */
import type { SourceEvent } from "../source.ts";
import { LINE_BYTES_MAX } from "./format.ts";

/** Tells of the first one of a run, which is one of its warnings. */
export class LongLines {
  #met = false;

  /** What a line, or the end, came to, and what is to be told beside it. */
  told(events: readonly SourceEvent[], cut = false): readonly SourceEvent[] {
    const first = cut && !this.#met;
    this.#met ||= cut;
    if (!this.#met) return events;
    const counted = events.map((event) =>
      event.type === "log" ? event : { ...event, warnings: (event.warnings ?? 0) + 1 }
    );
    if (!first) return counted;
    const mib = LINE_BYTES_MAX / 1024 ** 2;
    const message = `A line of more than ${mib} MiB was cut, and so are others like it`;
    return [...counted, { type: "log", level: "warning", source: "synctail", message }];
  }
}
