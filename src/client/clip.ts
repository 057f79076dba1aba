/** Cuts a worker's values to the server's limits. Takes any value, and never throws. */
import { shortened } from "../sync/cut.ts";
import { DEPTH_MAX, MEMBER_MAX, MESSAGE_MAX, SYNC_NAME_MAX } from "../sync/event_limits.ts";

/** Limit of `fields` and of `meta`, in characters of JSON. */
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
  return shortened(textOf(value), max);
}

/** A sync's name; NUL and lone surrogates, which the server cannot tell apart, become `?`. */
export function clipSyncName(value: unknown): string {
  return clip(textOf(value).replace(/[\0\p{Surrogate}]/gu, "?"), SYNC_NAME_MAX);
}

/** The name of a member; `__proto__`, which the server refuses, becomes `(__proto__)`. */
export function clipMember(value: unknown, max: number): string {
  const name = clip(value, max);
  return name === "__proto__" ? "(__proto__)" : name;
}

/** A plain copy for JSON; `{"left_out": reason}` when it is too long or cannot be read. */
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

/** Copies one object. The copy has a limit: circles and shared members could make it huge. */
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
