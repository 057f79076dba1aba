/**
 * rsync: a line a file on stdout, as of `-ii --out-format='%i %l %n'`.
 *
 * @see https://download.samba.org/pub/rsync/rsync.1#opt--itemize-changes
 */
import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { beforeDashes, hasLong, programAt, shortCount, withFlags } from "./flags.ts";
import type { Prepared, ProgramFormat } from "./format.ts";
import { RsyncReader, type RsyncRun } from "./rsync_reader.ts";

/** What happened, the size, the name. */
const OUT_FORMAT = "%i %l %n";
/** Flags of one letter that take a value. */
const VALUED = "efBTM@";
/** With these rsync transfers nothing, or is the other end of another rsync. */
const NO_TRANSFER = ["--server", "--daemon", "--list-only", "--help", "--version"];

/** `host:path`, `host::module`, `rsync://host/module`. */
const REMOTE = /^[^/]*:/;

export const rsyncFormat: ProgramFormat = {
  name: "rsync",
  ofProgram: true,
  reads: ["stdout", "stderr"],
  stopSignal: "SIGTERM",
  carriesRecords: false,
  prepare,
  reader({ command, cwd, clock }) {
    const args = argsOf(command);
    return new RsyncReader({
      sizes: sizesOf(args),
      root: rootOf(command, cwd),
      clock,
      delays: hasLong(args, "--delay-updates"),
      allOnStderr: allOnStderr(args),
      dryRun: hasLong(args, "--dry-run", "--only-write-batch") || shortCount(args, "n", VALUED) > 0,
    });
  },
};

function prepare(command: readonly string[]): Prepared {
  const at = programAt(command, "rsync");
  const args = argsOf(command);
  if (at < 0 || hasLong(args, ...NO_TRANSFER) || shortCount(args, "V", VALUED) > 0) {
    return { command, added: [] };
  }
  const own = ownFormat(args);
  // Lines of another shape cannot be read, and unchanged files would flood them.
  if (own !== undefined && !own.startsWith("%i ")) return { command, added: [] };
  const itemized = shortCount(args, "i", VALUED) +
    args.filter((arg) => arg === "--itemize-changes").length;
  const added = itemized < 2 ? ["-ii"] : [];
  if (own === undefined) added.push(`--out-format=${OUT_FORMAT}`);
  return withFlags(command, at, added);
}

function sizesOf(args: readonly string[]): RsyncRun["sizes"] {
  if ((ownFormat(args) ?? OUT_FORMAT) !== OUT_FORMAT) return "none";
  const rounded = hasLong(args, "--human-readable") || shortCount(args, "h", VALUED) > 0;
  return rounded ? "rounded" : "exact";
}

/** `--stderr=all`, of which `a` is enough, or `--msgs2stderr`, its older name; the last one counts. */
function allOnStderr(args: readonly string[]): boolean {
  const given = args.flatMap((arg, at) => {
    if (/^--(?:no-)?msgs2stderr$/.test(arg)) return [arg === "--msgs2stderr"];
    if (arg === "--stderr") return [args[at + 1]?.startsWith("a")];
    return arg.startsWith("--stderr=") ? [arg.startsWith("--stderr=a")] : [];
  });
  return given.at(-1) ?? false;
}

/** The destination as rsync's complaints name it: the argument, made absolute by the real cwd. */
function rootOf(command: readonly string[], cwd: string): string | undefined {
  const at = programAt(command, "rsync");
  const last = at < 0 ? undefined : command.slice(at + 1).findLast((arg) => !arg.startsWith("-"));
  if (last === undefined || REMOTE.test(last)) return undefined;
  try {
    return resolve(realpathSync(cwd), last);
  } catch {
    return undefined; // nothing can be started there
  }
}

function argsOf(command: readonly string[]): readonly string[] {
  const at = programAt(command, "rsync");
  return at < 0 ? [] : beforeDashes(command.slice(at + 1));
}

/** The `--out-format` (older: `--log-format`) that is given; the last one counts. */
function ownFormat(args: readonly string[]): string | undefined {
  let format: string | undefined;
  args.forEach((arg, at) => {
    const [, joined] = /^--(?:out|log)-format=(.*)$/s.exec(arg) ?? [];
    if (joined !== undefined) format = joined;
    else if (arg === "--out-format" || arg === "--log-format") format = args[at + 1];
  });
  return format;
}
