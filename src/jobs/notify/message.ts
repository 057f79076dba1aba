/** A message to a target: one occurrence, as it was when it happened. */
import { cut } from "../../sync/cut.ts";
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
  /** Null for a run that did not come. */
  readonly job: ShownJob | null;
  /** More words for people; empty for none. */
  readonly detail: string;
}

/** A message of more characters goes without what the worker attached to its job. */
const MESSAGE_MAX = 64 * 1024;
/** How many characters of the error's text are kept then. */
const ERROR_MAX = 4 * 1024;

/**
 * The message as text. A very long one goes without `meta` and `entities_encountered`, and with a
 * shortened error.
 */
export function packed(message: Message): string {
  const text = JSON.stringify(message);
  if (text.length <= MESSAGE_MAX || !message.job) return text;
  const { error } = message.job as { error?: { code: string; message: string } | null };
  const short = error && { code: error.code, message: cut(error.message, ERROR_MAX) };
  const job = { ...message.job, meta: {}, entities_encountered: {}, error: short ?? null };
  return JSON.stringify({ ...message, job });
}

/** The message of a text that `packed` has made. */
export function unpacked(text: string): Message {
  return JSON.parse(text) as Message; // only `packed` writes it
}
