/** A reader of event streams to the letter of the standard, and no more lenient than that. */

/** What a client is handed. */
export interface SseEvent {
  readonly type: string;
  readonly data: string;
  readonly lastEventId: string;
}

/** @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream */
export class SseParser {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #text = "";
  #data: string[] = [];
  #type = "";
  #id = "";
  /** As of the last event that was whole. */
  lastEventId = "";
  /** The last `retry`, in milliseconds. */
  retryMs: number | undefined;

  /** @throws {TypeError} when the bytes are no UTF-8 */
  push(bytes: Uint8Array): SseEvent[] {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    const events: SseEvent[] = [];
    let start = 0;
    for (;;) {
      const end = this.#lineEnd(start);
      if (!end) break;
      const event = this.#line(this.#text.slice(start, end.at));
      if (event) events.push(event);
      start = end.next;
    }
    this.#text = this.#text.slice(start);
    return events;
  }

  /** Undefined where the line may go on. */
  #lineEnd(from: number): { at: number; next: number } | undefined {
    for (let at = from; at < this.#text.length; at++) {
      if (this.#text[at] === "\n") return { at, next: at + 1 };
      if (this.#text[at] !== "\r") continue;
      if (at + 1 === this.#text.length) return undefined; // LF may follow
      return { at, next: this.#text[at + 1] === "\n" ? at + 2 : at + 1 };
    }
    return undefined;
  }

  #line(line: string): SseEvent | undefined {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
    else if (field === "id") { if (!value.includes("\0")) this.#id = value; }
    else if (field === "retry") { if (/^\d+$/.test(value)) this.retryMs = Number(value); }
    else throw new Error(`A field that is never sent: ${JSON.stringify(line)}`);
    return undefined;
  }

  #dispatch(): SseEvent | undefined {
    this.lastEventId = this.#id;
    const [data, type] = [this.#data, this.#type || "message"];
    this.#data = [];
    this.#type = "";
    if (data.length === 0) throw new Error("A frame without data");
    return { type, data: data.join("\n"), lastEventId: this.lastEventId };
  }
}
