/** The warning about lines that were cut. */
import type { SourceEvent } from "../source.ts";
import { LINE_BYTES_MAX } from "./format.ts";

/** Tells of the first cut line of a run, and adds one to the run's warnings. */
export class LongLines {
  #met = false;

  /**
   * The events of a line or of the end, with the warning counted and, the first time, told. Of a line
   * that says nothing, such as a bar that is drawn behind itself, nothing is lost.
   */
  told(events: readonly SourceEvent[], cut = false): readonly SourceEvent[] {
    const first = cut && events.length > 0 && !this.#met;
    this.#met ||= first;
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
