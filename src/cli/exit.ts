/** How commands end. */

/** The exit codes that scripts rely on. */
export const ExitCode = { ok: 0, failed: 1, usage: 2, cancelled: 3, interrupted: 130 } as const;

/** The command was used wrongly; the message says what and why. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The server has refused a request, or could not be reached. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  /** HTTP status of a synctail server's own answer; undefined without one. */
  readonly status: number | undefined;

  constructor(message: string, { status, ...options }: ErrorOptions & { status?: number } = {}) {
    super(message, options);
    this.status = status;
  }
}

/** The exit code for the status with which a job ended. */
export function exitCodeOf(status: unknown): number {
  if (status === "completed") return ExitCode.ok;
  return status === "cancelled" ? ExitCode.cancelled : ExitCode.failed;
}
