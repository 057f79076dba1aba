/** The text of one Server-Sent Event. Knows no job. */

const CARRIAGE_RETURN = /\r/;

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
 * What a client would not read back as given is refused. `data` is checked once for all frames, as
 * a page of a replay has hundreds.
 *
 * @throws {TypeError} when `data` or `id` holds a carriage return or a lone surrogate, or `id` a line
 *   feed or NUL: each would be read back as something else
 * @throws {RangeError} when `retryMs` is no whole number from 0 on
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export function encodeFrames(frames: readonly SseFrame[]): string {
  let text = "";
  for (const frame of frames) text += unchecked(frame);
  if (CARRIAGE_RETURN.test(text) || !text.isWellFormed()) {
    for (const { data } of frames) {
      const reason = "a carriage return, which a client reads as a line feed";
      refuse("data", data, CARRIAGE_RETURN, reason);
    }
  }
  return text;
}

/** The event's text; its data are not checked. */
function unchecked(frame: SseFrame): string {
  let text = "";
  if (frame.retryMs !== undefined) {
    if (!Number.isSafeInteger(frame.retryMs) || frame.retryMs < 0) {
      throw new RangeError(
        `Cannot encode retry ${frame.retryMs}: it must be a whole number of milliseconds from 0 on`,
      );
    }
    text += `retry: ${frame.retryMs}\n`;
  }
  text += `data: ${
    frame.data.includes("\n") ? frame.data.replaceAll("\n", "\ndata: ") : frame.data
  }\n`;
  if (frame.id !== undefined) {
    refuse("id", frame.id, /\0/, "NUL, which makes a client ignore the id");
    refuse("id", frame.id, /[\r\n]/, "a line break, which could forge another field");
    text += `id: ${frame.id}\n`;
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
