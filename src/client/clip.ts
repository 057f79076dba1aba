/** What a worker says, cut to what the server takes: whatever was given, and without ever throwing. */
import { cut } from "../sync/cut.ts";
import { DEPTH_MAX, MEMBER_MAX, MESSAGE_MAX, SYNC_NAME_MAX } from "../sync/event_limits.ts";

/** Characters of `fields` or `meta` as JSON. */
const OBJECT_MAX = 64 * 1024;

/** Text of anything, whatever its own `toString` does. */
export function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return `<${typeof value}>`; // an object without a prototype, or one whose toString throws
  }
}

/** Text of at most so many characters, with an ellipsis where it was cut. */
export function clip(value: unknown, max: number): string {
  const text = textOf(value);
  if (text.length <= max) return text;
  return `${cut(text, max - 1)}…`;
}

/** The name of a sync; two that differ only in what the server cannot keep apart are one. */
export function clipSyncName(value: unknown): string {
  return clip(textOf(value).replace(/[\0\p{Surrogate}]/gu, "?"), SYNC_NAME_MAX);
}

/** A name in an object; the one that the server refuses is written otherwise. */
export function clipMember(value: unknown, max: number): string {
  const name = clip(value, max);
  return name === "__proto__" ? "(__proto__)" : name;
}

/** A JSON object out of anything like one; where it is too long, or cannot be read, it says that. */
export function clipObject(value: object): Readonly<Record<string, unknown>> {
  try {
    const plain = new Copy().object(value, DEPTH_MAX);
    const { length } = JSON.stringify(plain);
    return length > OBJECT_MAX ? LONG : plain;
  } catch (cause) {
    if (cause instanceof TooLong) return LONG;
    const name = cause instanceof Error ? cause.name : typeof cause;
    return { left_out: `it cannot be read: ${clip(name, MEMBER_MAX)}` };
  }
}

const LONG = { left_out: `more than ${OBJECT_MAX} characters of JSON` };

class TooLong extends Error {}

/** One copy of an object. Its length has a limit, as a circle or one thing at many places has none. */
class Copy {
  #left = OBJECT_MAX;

  object(value: object, levels: number): Record<string, unknown> {
    const members = Object.entries(value).map(([name, member]) => {
      this.#spend(name.length);
      return [clipMember(name, MEMBER_MAX), this.#value(member, levels - 1)] as const;
    });
    return Object.fromEntries(members);
  }

  #value(value: unknown, levels: number): unknown {
    this.#spend(1);
    if (typeof value === "string") return this.#text(value);
    if (typeof value === "bigint" || value instanceof Error) return this.#text(value);
    if (typeof value !== "object" || value === null) return value;
    if (levels <= 0) return this.#text(value);
    if ("toJSON" in value && typeof value.toJSON === "function") {
      return this.#value(value.toJSON(), levels - 1);
    }
    if (!Array.isArray(value)) return this.object(value, levels);
    const items: unknown[] = [];
    for (const item of value) items.push(this.#value(item, levels - 1));
    return items;
  }

  #text(value: unknown): string {
    const text = clip(value, MESSAGE_MAX);
    this.#spend(text.length);
    return text;
  }

  #spend(characters: number): void {
    this.#left -= characters;
    if (this.#left < 0) throw new TooLong();
  }
}
