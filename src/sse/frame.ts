/** The text of one Server-Sent Event. Knows no job. */

const NUL_OR_RETURN = /[\0\r]/;

/** One event without a name: EventSource calls it `message`. LF may divide `data` into lines. */
export interface SseFrame {
  readonly data: string;
  /** Becomes the client's Last-Event-ID. */
  readonly id?: string;
  /** Milliseconds that the client waits before it reconnects. */
  readonly retryMs?: number;
}

/**
 * Encodes events one after another as text, each ending with a blank line: `retry`, `data`, and `id`
 * last, because some clients keep the id of a frame that was cut off behind it.
 *
 * What a client would not read back as given is refused. All frames are looked through at once, as a
 * page of a replay has hundreds; one by one only where something was found.
 *
 * @throws {TypeError} when `data` or `id` holds a carriage return or a lone surrogate, or `id` a line
 *   feed or NUL: each would be read back as something else
 * @throws {RangeError} when `retryMs` is no whole number from 0 on
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export function encodeFrames(frames: readonly SseFrame[]): string {
  let text = "";
  for (const { data, id, retryMs } of frames) {
    if (retryMs !== undefined) text += retryLine(retryMs);
    text += id === undefined ? `data: ${data}\n\n` : `data: ${data}\nid: ${id}\n\n`;
  }
  return isPlain(text, frames) ? text : frames.map(checked).join("");
}

/** Whether data and ids have nothing in them that needs care: no line feed ends a line early. */
function isPlain(text: string, frames: readonly SseFrame[]): boolean {
  let at = 0;
  for (const { data, id, retryMs } of frames) {
    if (retryMs !== undefined) at += retryLine(retryMs).length;
    at += "data: ".length;
    if (text.indexOf("\n", at) !== at + data.length) return false;
    at += data.length + 1;
    if (id !== undefined) {
      at += "id: ".length;
      if (text.indexOf("\n", at) !== at + id.length) return false;
      at += id.length + 1;
    }
    at++;
  }
  return !NUL_OR_RETURN.test(text) && text.isWellFormed();
}

function retryLine(retryMs: number): string {
  if (Number.isSafeInteger(retryMs) && retryMs >= 0) return `retry: ${retryMs}\n`;
  throw new RangeError(
    `Cannot encode retry ${retryMs}: it must be a whole number of milliseconds from 0 on`,
  );
}

function checked({ data, id, retryMs }: SseFrame): string {
  refuse("data", data, /\r/, "a carriage return, which a client reads as a line feed");
  let text = retryMs === undefined ? "" : retryLine(retryMs);
  text += `data: ${data.replaceAll("\n", "\ndata: ")}\n`;
  if (id !== undefined) {
    refuse("id", id, /\0/, "NUL, which makes a client ignore the id");
    refuse("id", id, /[\r\n]/, "a line break, which could forge another field");
    text += `id: ${id}\n`;
  }
  return text + "\n";
}

function refuse(field: string, value: string, what: RegExp, reason: string): void {
  if (what.test(value)) {
    throw new TypeError(`Cannot encode ${field} ${JSON.stringify(value)}: it holds ${reason}`);
  }
  if (!value.isWellFormed()) {
    throw new TypeError(
      `Cannot encode ${field} ${
        JSON.stringify(value)
      }: it holds a lone surrogate, which UTF-8 has no form for`,
    );
  }
}
