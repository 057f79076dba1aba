/** `exec`: runs a program as it would run without us, and shows it as a job. */
import { existsSync } from "node:fs";
import process from "node:process";
import { atMost, systemClock } from "../../clock.ts";
import { whyPlantedData } from "../../log/data_directory.ts";
import { clean } from "../../sync/clean.ts";
import { givenKey, serverUrl } from "../connect.ts";
import { UsageError } from "../exit.ts";
import type { Flags } from "../flags.ts";
import { type ExecOptions, execOptions, syncName } from "./exec_options.ts";
import { execRun } from "./exec_run.ts";
import { flush } from "./flush.ts";
import { endBySignal, OwnSignals } from "./own_signals.ts";
import { type Say, sayer } from "./say.ts";
import { LocalTarget, namedTarget, type Target } from "./target.ts";

/** How long a program waits for a server of our own to start, in milliseconds. */
const START_MS = 2_000;

/**
 * Ends as the program ends: with its exit code, or by the signal that killed it. 127 when there is
 * no such program, 126 when it cannot be started.
 *
 * `--flush` runs no program and sends what earlier runs have left: 0 when all of it was sent, else
 * 1.
 *
 * @param command what stands after `--`
 * @throws {UsageError | ConfigError} before anything is started
 */
export async function exec(
  name: string | undefined,
  command: readonly string[],
  flags: Flags,
): Promise<number> {
  const options = execOptions(flags);
  const json = flags.json === true;
  const say = sayer({ json, quiet: flags.quiet === true });
  const from = typeof flags.from === "string" ? serverUrl("--from", flags.from) : undefined;
  if (from !== undefined && flags.flush !== true) {
    throw new UsageError("--from: expected only with --flush");
  }
  if (flags.flush === true) {
    if (name !== undefined || command.length > 0) {
      throw new UsageError("--flush: expected no name and no program beside it");
    }
    requireData(options);
    const target = targetOf(options, flags, say);
    try {
      return await flush(options.spools, { target, from }, say);
    } finally {
      await target.close();
    }
  }
  const sync = syncName(name);
  if (command.length === 0) {
    throw new UsageError(`Cannot exec as "${sync}" without a program; expected it after --`);
  }
  const signals = new OwnSignals();
  const target = targetOf(options, flags, say);
  if (options.server === undefined) {
    await atMost(systemClock, START_MS, target.endpoint(false));
  }
  if (signals.asked !== undefined) {
    // Somebody has stopped us while our server was starting.
    await target.close();
    return await endBySignal(signals.asked);
  }
  const { env } = process;
  const sayAnyway = sayer({ json, quiet: false });
  return await execRun({ sync, command, options, target, signals, say, sayAnyway, env });
}

/**
 * Another directory was probably meant when the data directory is missing.
 *
 * @throws {UsageError} also with `whyPlantedData`
 */
function requireData({ data }: ExecOptions): void {
  if (data === undefined) return;
  const reason = existsSync(data) ? whyPlantedData(data) : `there is no directory "${clean(data)}"`;
  if (reason === undefined) return;
  throw new UsageError(`Cannot tell of jobs that were left behind: ${reason}`);
}

function targetOf({ server, settings }: ExecOptions, flags: Flags, say: Say): Target {
  const told = new Set<string>();
  const onFault = (message: string) => {
    if (!told.has(message)) say(message, { type: "fault", message });
    told.add(message);
  };
  if (server === undefined) return new LocalTarget(settings, { clock: systemClock, onFault });
  return namedTarget(server, keyOrWords(flags, onFault));
}

/** The given key. Without one the fault is told and the program runs all the same. */
function keyOrWords(flags: Flags, onFault: (words: string) => void): string | undefined {
  try {
    const key = givenKey(flags);
    if (key === undefined) onFault("no key was given (--key, --key-file or SYNCTAIL_KEY)");
    return key;
  } catch (cause) {
    if (!(cause instanceof UsageError)) throw cause;
    onFault(cause.message);
    return undefined;
  }
}
