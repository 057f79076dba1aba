/** One run of a program, from its start to the end of its job. */
import { join } from "node:path";
import { isatty } from "node:tty";
import { systemClock } from "../../clock.ts";
import { SqliteRecords } from "../../destinations/sqlite_records.ts";
import { makeDataDirectory } from "../../log/data_directory.ts";
import type { Exit, Outcome, Output, ProgramFormat } from "../../sources/formats/format.ts";
import { detectFormat, formatOf } from "../../sources/formats/formats.ts";
import { SourceError, type SourceEvent } from "../../sources/source.ts";
import type { JobError } from "../../sync/entry.ts";
import { DEFAULT_TENANT, deriveSyncId } from "../../sync/ids.ts";
import type { TerminalStatus } from "../../sync/status.ts";
import { ExitCode } from "../exit.ts";
import { presentDirectory } from "../present_directory.ts";
import { type Child, startChild } from "./child.ts";
import { ExecJob } from "./exec_job.ts";
import type { ExecOptions } from "./exec_options.ts";
import { endBySignal, type OwnSignals } from "./own_signals.ts";
import { Reading } from "./reading.ts";
import type { Say } from "./say.ts";
import { Stopper } from "./stopper.ts";
import type { Target } from "./target.ts";

/** Exit codes of shells. */
const NOT_FOUND = 127;
const NOT_STARTED = 126;

export interface ExecRunOptions {
  readonly sync: string;
  readonly command: readonly string[];
  readonly options: ExecOptions;
  readonly target: Target;
  readonly signals: OwnSignals;
  readonly say: Say;
  /** Says what must be heard even with `--quiet`, such as that there is no such program. */
  readonly sayAnyway: Say;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs the program.
 *
 * @returns its exit code; when a signal has ended it, the same signal ends this process
 */
export async function execRun(given: ExecRunOptions): Promise<number> {
  const { signals, env, options } = given;
  const format = chosen(given);
  const { command, added } = options.addFlags
    ? format.prepare(given.command, env)
    : { command: given.command, added: [] };
  const jobOf = (pid: number | undefined, onCancel: () => void) =>
    new ExecJob({ ...given, command, added, format: format.name, pid, onCancel });
  let child: Child;
  try {
    const reads = readOf(given, format);
    const { ignored } = signals;
    const leaves = (exit: Exit) => signals.ended(exit);
    child = await startChild({ command, env, reads, ignored, leaves, clock: systemClock });
  } catch (cause) {
    if (!(cause instanceof SourceError)) throw cause;
    const { code, message } = cause;
    given.sayAnyway(message, { type: "fault", code, message });
    await jobOf(undefined, () => {}).end("failed", { code, message }, hurry(signals));
    return code === "program_not_found" ? NOT_FOUND : NOT_STARTED;
  }
  const { pid } = child;
  const { stopSignal } = format;
  const stopper = new Stopper({ pid, stopSignal, graceMs: options.graceMs, clock: systemClock });
  signals.passTo(pid);
  const over = child.exit.then(() => {
    signals.passTo(undefined);
    return stopper.ended();
  });
  const job = jobOf(pid, () => stopper.stop());
  const cwd = presentDirectory();
  const records = () => new SqliteRecords(recordsFile(given)).open(given.sync);
  const emit = (event: SourceEvent) => job.event(event);
  const reading = new Reading({ format, command, cwd, env, records, emit, clock: systemClock });
  const unwritten = await child.passOn((from, bytes) => reading.chunk(from, bytes));
  await over;
  const exit = await child.exit;
  const asked = stopper.asked ? undefined : await signals.settled(exit, systemClock);
  const hurried = hurry(signals);
  const outcome = await reading.end(exit, hurried);
  const lost = unwritten === undefined ? undefined : outputLost(unwritten, outcome.error);
  const { status, error } = endOf(lost ? { error: lost } : outcome, stopper, asked);
  await job.end(status, error, hurried);
  // Last: the reader that rests may be that of stderr, too.
  if (lost) given.sayAnyway(lost.message, { type: "fault", ...lost });
  const code = await codeOf(exit);
  return lost && code === ExitCode.ok ? ExitCode.failed : code;
}

/** The error for lost output: without us a write of the program itself would have failed. */
function outputLost(reason: string, failed: JobError | undefined): JobError {
  const message = `Cannot write all of its output to stdout: ${reason}`;
  return {
    code: "output_lost",
    message: failed ? `${message}. ${failed.message}` : message,
  };
}

/** The records' file of the sync, with a name that is safe on any disk. @throws {Error} */
function recordsFile({ sync, options }: ExecRunOptions): string {
  if (options.data !== undefined) makeDataDirectory(options.data);
  return join(options.records, `${deriveSyncId(DEFAULT_TENANT, sync)}.db`);
}

function chosen({ command, options }: ExecRunOptions): ProgramFormat {
  const { percent } = options;
  if (percent) return formatOf("lines", { percent });
  return formatOf(options.format ?? detectFormat(command) ?? "lines");
}

/**
 * The outputs to read. A program of no known format keeps its terminal: without one it may behave
 * otherwise.
 */
function readOf({ command, options }: ExecRunOptions, { reads }: ProgramFormat): readonly Output[] {
  if (options.percent || (options.format ?? detectFormat(command)) !== undefined) return reads;
  return reads.filter((output) => !isatty(output === "stdout" ? 1 : 2));
}

/** Fires when somebody asks again to end: then waits are cut short. */
function hurry(signals: OwnSignals): AbortSignal {
  const controller = new AbortController();
  signals.mean(() => controller.abort());
  return controller.signal;
}

function endOf(
  { error: failed, cancelled }: Outcome,
  stopper: Stopper,
  asked: string | undefined,
): { readonly status: TerminalStatus; readonly error?: JobError } {
  if (stopper.asked) return { status: "cancelled" };
  if (!failed) return { status: "completed" };
  if (cancelled) return { status: "cancelled", error: failed };
  if (asked === undefined) return { status: "failed", error: failed };
  const message = `It was stopped by ${asked}. ${failed.message}`;
  return { status: "cancelled", error: { code: "interrupted", message } };
}

async function codeOf({ code, signal }: Exit): Promise<number> {
  return signal === null ? code ?? ExitCode.failed : await endBySignal(signal);
}
