/** Why something failed, in the words of whoever failed. */

/** The message of an error; of anything else that was thrown, its text. */
export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
