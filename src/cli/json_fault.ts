/** Finds where a text stops being JSON: not every runtime's error says so. */

/** A fault and its place. Lines and columns count from 1. */
export interface JsonFault {
  readonly line: number;
  readonly column: number;
  /** The text there, quoted, or "the end of the file". */
  readonly found: string;
  readonly expected: string;
}

const BLANK = /[ \t\r\n]*/y;
// deno-lint-ignore no-control-regex -- JSON allows no bare control characters in a string
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const WORD = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y;

/** Thrown and caught in this file only, to leave all nested calls at once. */
class Stop {
  constructor(readonly at: number, readonly expected: string) {}
}

/**
 * The first fault of a text: it is not JSON, or an object names a member twice (`JSON.parse` would
 * silently take the last). Undefined when there is none.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8259
 */
export function jsonFault(text: string): JsonFault | undefined {
  try {
    const end = blank(text, value(text, blank(text, 0)));
    if (end < text.length) throw new Stop(end, "nothing more");
    return undefined;
  } catch (stop) {
    if (stop instanceof Stop) return faultAt(text, stop);
    throw stop;
  }
}

function value(text: string, at: number): number {
  if (text[at] === "{") return list(text, at, "}", members());
  if (text[at] === "[") return list(text, at, "]", value);
  if (text[at] === '"') {
    return string(text, at, "a string that ends on its line, with valid escapes");
  }
  return match(WORD, text, at) ?? stop(at, "a value");
}

/** Reads the items between brackets. @returns the place behind them */
function list(text: string, open: number, close: string, item: typeof value): number {
  let at = blank(text, open + 1);
  if (text[at] === close) return at + 1;
  for (;;) {
    if (text[at] === close) stop(at, `no comma before "${close}"`);
    at = blank(text, item(text, at));
    if (text[at] === close) return at + 1;
    if (text[at] !== ",") stop(at, `"," or "${close}"`);
    at = blank(text, at + 1);
  }
}

/** Makes the reader of one object's members. */
function members(): typeof value {
  const names = new Set<string>();
  return (text, at) => {
    const end = string(text, at, "a name in double quotes");
    const name: string = JSON.parse(text.slice(at, end)); // so two spellings are one name
    if (names.has(name)) stop(at, `no second ${JSON.stringify(name)} in the object`);
    names.add(name);
    const colon = blank(text, end);
    if (text[colon] !== ":") stop(colon, '":"');
    return value(text, blank(text, colon + 1));
  };
}

function string(text: string, at: number, expected: string): number {
  return match(STRING, text, at) ?? stop(at, expected);
}

function blank(text: string, at: number): number {
  return match(BLANK, text, at) ?? at;
}

function match(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

function stop(at: number, expected: string): never {
  throw new Stop(at, expected);
}

function faultAt(text: string, { at, expected }: Stop): JsonFault {
  const before = text.slice(0, at).split("\n");
  const found = /^(?:\w+|.)/su.exec(text.slice(at, at + 20))?.[0];
  return {
    line: before.length,
    column: (before.at(-1)?.length ?? 0) + 1,
    found: found === undefined ? "the end of the file" : JSON.stringify(found),
    expected,
  };
}
