/** Bytes of a program in, lines of text out. */
import { LINE_BYTES_MAX } from "../formats/format.ts";

/** One line, without its end. */
export interface SplitLine {
  readonly text: string;
  /** Whether it was longer than the limit: `text` is its beginning, the rest is lost. */
  readonly cut: boolean;
  /** Whether it is the state of a progress bar: it ended with CR alone. */
  readonly bar?: boolean;
}

/** Room for a line at first, in bytes. */
const LINE_BYTES = 4 * 1024;
const LF = 0x0a;
const CR = 0x0d;

/**
 * Splits one output of a program into lines.
 *
 * LF, CR LF and CR end a line. A line that ends with CR alone is to be written over (a progress
 * bar): of a chunk only its last one is given, and not if words that end with LF follow. Bytes that
 * are not UTF-8 become U+FFFD; UTF-16 is read where it begins with a byte order mark. Holds at most
 * one line of `bytesMax`.
 */
export class LineSplitter {
  readonly #bytesMax: number;
  readonly #utf8: Utf8 | undefined;
  /** The line whose end has not come: the first `#bytes` of this. */
  #line = new Uint8Array(LINE_BYTES);
  #bytes = 0;
  /** Whether the rest of a line that was cut is still coming. */
  #skipping = false;
  /** Whether the last byte was CR: a LF that follows belongs to it. */
  #afterCr = false;
  /** Whether there were lines that end with CR LF: then a CR may be half of that. */
  #crLf = false;

  /** @param utf16 whether UTF-16 is read; a file that is written on has to be UTF-8 */
  constructor(bytesMax = LINE_BYTES_MAX, { utf16 = true } = {}) {
    this.#bytesMax = bytesMax;
    if (utf16) this.#utf8 = new Utf8();
  }

  /** The lines that this chunk completes. The chunk may be used again afterwards. */
  push(chunk: Uint8Array): readonly SplitLine[] {
    return this.#split(this.#utf8?.of(chunk) ?? chunk);
  }

  /** The lines after the last line end, if any. */
  end(): readonly SplitLine[] {
    const lines = this.#utf8 ? this.#split(this.#utf8.rest()) : [];
    const line = this.#bytes > 0 ? this.#take() : undefined;
    return line ? [...lines, line] : lines;
  }

  #split(chunk: Uint8Array): readonly SplitLine[] {
    const lines: SplitLine[] = [];
    let overwritable: SplitLine | undefined;
    let start = this.#afterCr && chunk[0] === LF ? 1 : 0;
    this.#crLf ||= start > 0;
    if (chunk.length > 0) this.#afterCr = false;
    let nextLf = chunk.indexOf(LF, start);
    let nextCr = chunk.indexOf(CR, start);
    while (nextLf >= 0 || nextCr >= 0) {
      const cr = nextCr >= 0 && (nextLf < 0 || nextCr < nextLf);
      const at = cr ? nextCr : nextLf;
      const overflow = this.#add(chunk.subarray(start, at));
      if (overflow) lines.push(overflow);
      const line = this.#take();
      start = at + 1;
      if (cr && chunk[start] !== LF) {
        // An empty line only moves the terminal's cursor back.
        if (line && line.text !== "") overwritable = line;
        this.#afterCr = start === chunk.length;
      } else {
        if (cr) {
          start++;
          this.#crLf = true;
        }
        // An empty line writes nothing over: a terminal makes CR CR LF of a program's CR LF.
        const last = line?.text === "" ? overwritable ?? line : line;
        if (last) lines.push(last);
        overwritable = undefined;
      }
      if (nextLf >= 0 && nextLf < start) nextLf = chunk.indexOf(LF, start);
      if (nextCr >= 0 && nextCr < start) nextCr = chunk.indexOf(CR, start);
    }
    const half = this.#afterCr && this.#crLf;
    if (overwritable) lines.push({ ...overwritable, bar: !half });
    const overflow = this.#add(chunk.subarray(start));
    if (overflow) lines.push(overflow);
    return lines;
  }

  /** Adds to the line under way. @returns the line, cut, when it grows too long */
  #add(bytes: Uint8Array): SplitLine | undefined {
    if (this.#skipping || bytes.length === 0) return undefined;
    const room = this.#bytesMax - this.#bytes;
    this.#append(bytes.length > room ? bytes.subarray(0, room) : bytes);
    if (bytes.length <= room) return undefined;
    const line = { text: textOf(wholeCharacters(this.#line.subarray(0, this.#bytes))), cut: true };
    this.#skipping = true;
    return line;
  }

  /** Copies them: a program may write each byte by itself, and a chunk takes much more than one. */
  #append(bytes: Uint8Array): void {
    const length = this.#bytes + bytes.length;
    if (length > this.#line.length) {
      const line = new Uint8Array(
        Math.max(length, Math.min(2 * this.#line.length, this.#bytesMax)),
      );
      line.set(this.#line.subarray(0, this.#bytes));
      this.#line = line;
    }
    this.#line.set(bytes, this.#bytes);
    this.#bytes = length;
  }

  /** The line under way; undefined for the rest of one that was cut. */
  #take(): SplitLine | undefined {
    const line = this.#skipping
      ? undefined
      : { text: textOf(this.#line.subarray(0, this.#bytes)), cut: false };
    this.#bytes = 0;
    this.#skipping = false;
    return line;
  }
}

/** The byte order marks of UTF-16, which programs of Windows write. */
const ORDERS: ReadonlyMap<string, string> = new Map([
  ["255,254", "utf-16le"],
  ["254,255", "utf-16be"],
]);

/** Makes UTF-16 into UTF-8, where a mark says that it is that. */
class Utf8 {
  /** A first byte that may be half of a mark, or nothing. */
  #half: Uint8Array = new Uint8Array();
  /** Undefined until the first two bytes tell; null for bytes that stay as they are. */
  #utf16: TextDecoder | null | undefined;

  of(chunk: Uint8Array): Uint8Array {
    if (this.#utf16 === null || chunk.length === 0) return chunk;
    let bytes = chunk;
    if (this.#utf16 === undefined) {
      bytes = new Uint8Array(this.#half.length + chunk.length);
      bytes.set(this.#half);
      bytes.set(chunk, this.#half.length);
      this.#half = new Uint8Array();
      if (bytes.length === 1 && bytes[0] >= 0xfe) {
        this.#half = bytes;
        return new Uint8Array();
      }
      const order = ORDERS.get(`${bytes[0]},${bytes[1]}`);
      this.#utf16 = order === undefined ? null : new TextDecoder(order);
    }
    return this.#utf16 ? encoder.encode(this.#utf16.decode(bytes, { stream: true })) : bytes;
  }

  /** What is left at the end: half a mark or a character. */
  rest(): Uint8Array {
    return this.#utf16 ? encoder.encode(this.#utf16.decode()) : this.#half;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function textOf(bytes: Uint8Array): string {
  return bytes.length === 0 ? "" : decoder.decode(bytes);
}

/** The bytes without the beginning of a character whose rest was cut off. */
function wholeCharacters(bytes: Uint8Array): Uint8Array {
  let lead = bytes.length - 1;
  while (lead > 0 && lead > bytes.length - 4 && (bytes[lead] & 0xc0) === 0x80) lead--;
  const first = bytes[lead] ?? 0;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
  return lead + length > bytes.length ? bytes.subarray(0, lead) : bytes;
}
