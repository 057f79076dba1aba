/** Bodies as lines, as a whole and as JSON, with a limit on their length. */
import { type BodyOptions, chunksOf, Deadline, Gathered } from "./body_chunks.ts";
import { keptDigits } from "../sync/kept_digits.ts";
import { Problem } from "./problem.ts";

/** Most bytes of a JSON body, and of one line of NDJSON. */
export const BODY_BYTES_MAX = 1024 * 1024;
/** Most bytes of the body of a sign-in, the only one that strangers may send. */
export const SIGN_IN_BYTES_MAX = 4 * 1024;

const LF = 10;
/** A member's name that is refused: zod and object copies would drop the member. */
const PROTO = "__proto__";
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * The lines of a body, in pieces of as many as have arrived. A piece has no line feed at its end.
 *
 * @throws {Problem} body-timeout; stopping; body-too-large for a line over BODY_BYTES_MAX;
 *   invalid-request when the sender goes away
 */
export async function* linesOf(
  body: ReadableStream<Uint8Array>,
  options: BodyOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const rest = new Gathered(); // without a line end
  const deadline = new Deadline(options);
  for await (const chunk of chunksOf(body, deadline, options.clock)) {
    const end = chunk.lastIndexOf(LF);
    let piece: Uint8Array | undefined;
    if (end >= 0) {
      piece = chunk.subarray(0, end);
      if (rest.length > 0) {
        rest.add(piece);
        piece = rest.take();
      }
    }
    rest.add(chunk.subarray(end + 1));
    if (rest.length > BODY_BYTES_MAX || (piece && hasLongLine(piece))) {
      throw new Problem("body-too-large", `A line may have at most ${BODY_BYTES_MAX} bytes`);
    }
    if (!piece) continue;
    deadline.putOff();
    yield piece;
    deadline.putOff();
  }
  if (rest.length > 0) yield rest.take();
}

/** The lines of one piece, without their ends. */
export function splitLines(piece: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = piece.indexOf(LF); end >= 0; end = piece.indexOf(LF, start)) {
    lines.push(piece.subarray(start, end));
    start = end + 1;
  }
  lines.push(piece.subarray(start));
  return lines;
}

function hasLongLine(piece: Uint8Array): boolean {
  return piece.length > BODY_BYTES_MAX &&
    splitLines(piece).some(({ length }) => length > BODY_BYTES_MAX);
}

/**
 * The whole body.
 *
 * @param instead words behind the refusal of a larger body, such as how else to send it
 * @throws {Problem} body-timeout; stopping; body-too-large; invalid-request when the sender leaves
 */
export async function wholeBody(
  body: ReadableStream<Uint8Array>,
  options: BodyOptions,
  instead = "",
): Promise<Uint8Array> {
  const whole = new Gathered();
  const { most = BODY_BYTES_MAX } = options;
  for await (const chunk of chunksOf(body, new Deadline(options))) {
    if (whole.length + chunk.length > most) {
      throw new Problem("body-too-large", `A body may have at most ${most} bytes${instead}`);
    }
    whole.add(chunk);
  }
  return whole.take();
}

/**
 * The value of a JSON text. Numbers in `fields` and `meta` are as `keptDigits` has them.
 *
 * @throws {RangeError} with the reason: not UTF-8, not JSON (RFC 8259), or a member `__proto__`
 */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw new RangeError("it is not UTF-8", { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(keptDigits(text));
  } catch (cause) {
    throw new RangeError("it is not JSON", { cause });
  }
  if (mayNameProto(text) && namesProto(value)) {
    throw new RangeError(`it has a member named ${PROTO}, which would be lost`);
  }
  return value;
}

/** Whether a member of the JSON may be named `__proto__`: plainly, or with escaped letters. */
export function mayNameProto(text: string): boolean {
  return text.includes(PROTO) || text.includes("\\u00");
}

/** Whether a member at any depth is named `__proto__`. Without recursion: JSON may nest deeply. */
function namesProto(value: unknown): boolean {
  const left = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (typeof next !== "object" || next === null) continue;
    if (Object.hasOwn(next, PROTO)) return true;
    for (const member of Object.values(next)) left.push(member);
  }
  return false;
}
