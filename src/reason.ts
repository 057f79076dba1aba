/** Why something failed, as the error itself says it. */

/** The message of an error; of anything else that was thrown, its text. */
export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** Why a file could not be read, without its path. */
export function whyUnreadable(cause: unknown): string {
  const code = codeOf(cause);
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a directory, not a file";
  return `it cannot be read (${code ?? reasonOf(cause)})`;
}

/** The system's code of an error, such as ENOENT; undefined for one that has none. */
export function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
}
