/** The program: runs a command and reports its failure. */
import { KeyFileError } from "../auth/key_file.ts";
import { DataDirectoryTakenError } from "../log/data_directory.ts";
import { BackupError } from "../log/log_errors.ts";
import { StoreForeignError, StoreVersionError } from "../log/migrate.ts";
import { reasonOf } from "../reason.ts";
import { PortTakenError } from "../runtime/serve.ts";
import { ownProcess } from "../system/own_process.ts";
import { ConfigError } from "./config_error.ts";
import { ExitCode, RefusedError, UsageError } from "./exit.ts";
import { hearHangup } from "./hangup.ts";
import { printed, printError, surviveClosedOutput } from "./output.ts";
import { serveFlags } from "./serve_flags.ts";

/**
 * Runs the command line.
 *
 * @returns the exit code: 0 completed, 1 failed, 2 wrong usage or configuration, 3 cancelled
 */
export async function program(given: readonly string[]): Promise<number> {
  // What starts programs (`deno task`) may pass it on; Bun has taken it out.
  const args = given[0] === "--" ? given.slice(1) : given;
  removeNodeShim();
  try {
    const flags = serveFlags(args);
    if (flags) hearHangup(); // before all that serve needs is loaded
    if (flags) return await (await import("./serve.ts")).serve(flags);
    surviveClosedOutput();
    const code = await (await import("./commands.ts")).commandLine(args);
    // After Ctrl-C nobody waits for a slow reader.
    if (code !== ExitCode.interrupted) await printed();
    return code;
  } catch (cause) {
    return told(cause);
  }
}

/**
 * Takes back what Deno adds to its own environment where Node is not installed: a directory in
 * which `node` is Deno. The programs that we start would find it.
 */
function removeNodeShim(): void {
  const { DENO_NODE_SHIM_ACTIVE, PATH } = ownProcess.env();
  if (DENO_NODE_SHIM_ACTIVE === undefined) return;
  ownProcess.setEnv("DENO_NODE_SHIM_ACTIVE", undefined);
  const path = PATH?.replace(/^[^:]*\/node_compat_bin(?::|$)/, "");
  ownProcess.setEnv("PATH", path || undefined); // there may have been none
}

/** Reports a failure. @returns the exit code */
function told(cause: unknown): number {
  const known = [
    UsageError,
    ConfigError,
    RefusedError,
    PortTakenError,
    DataDirectoryTakenError,
    StoreVersionError,
    StoreForeignError,
    BackupError,
    KeyFileError,
  ].some((type) => cause instanceof type);
  const words = reasonOf(cause);
  printError(`synctail: ${words}\n`);
  if (!known && cause instanceof Error && ownProcess.env().SYNCTAIL_LOG_LEVEL === "debug") {
    printError(`${cause.stack}\n`);
  }
  return known ? ExitCode.usage : ExitCode.failed;
}
