/** What a target is told: one occurrence, as it was when it happened. */
import type { OccurrenceKind } from "../occurrence.ts";

/** A job as the API shows it, under the wire's names. */
export type ShownJob = Readonly<Record<string, unknown>>;

/** `test` is what `synctail notify test` sends. */
export type MessageKind = OccurrenceKind | "test";

export interface Message {
  readonly kind: MessageKind;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly tenant: string;
  /** The sync's id and name; null for a job without one. */
  readonly sync: { readonly id: string; readonly name: string } | null;
  /** Null where there is none: a run that did not come. */
  readonly job: ShownJob | null;
  /** More for people; empty for nothing. */
  readonly detail: string;
}

/** Characters of a message above which what the job's worker attached to it is left out. */
const MESSAGE_MAX = 64 * 1024;
/** Characters of an error's text that are kept then. */
const ERROR_MAX = 4 * 1024;

/** The message as text. One that would be very long goes without `meta` and with a shortened error. */
export function packed(message: Message): string {
  const text = JSON.stringify(message);
  if (text.length <= MESSAGE_MAX || !message.job) return text;
  const { error } = message.job as { error?: { code: string; message: string } | null };
  const short = error && { code: error.code, message: error.message.slice(0, ERROR_MAX) };
  const job = { ...message.job, meta: {}, entities_encountered: {}, error: short ?? null };
  return JSON.stringify({ ...message, job });
}

/** What `packed` has made. */
export function unpacked(text: string): Message {
  return JSON.parse(text) as Message; // only `packed` writes it
}
