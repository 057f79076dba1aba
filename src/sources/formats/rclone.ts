/**
 * rclone: its JSON log on stderr, a line a file, and statistics twice a second.
 *
 * @see https://rclone.org/docs/#use-json-log
 */
import { beforeDashes, hasLong, programAt, shortCount, withFlags } from "./flags.ts";
import type { Prepared, ProgramFormat } from "./format.ts";
import { RcloneReader } from "./rclone_reader.ts";

/** Commands that copy; others are left as they are. */
const COPYING = ["sync", "copy", "move", "copyto", "moveto"];
const MOVING = ["move", "moveto"];
/** Enough of rclone's other commands that a remote called "sync" is not taken for the command. */
const OTHERS = [
  ...["about", "backend", "bisync", "cat", "check", "checksum", "cleanup", "config", "copyurl"],
  ...["cryptcheck", "cryptdecode", "dedupe", "delete", "deletefile", "hashsum", "help", "link"],
  ...["listremotes", "ls", "lsd", "lsf", "lsjson", "lsl", "md5sum", "mkdir", "mount", "ncdu"],
  ...["nfsmount", "obscure", "purge", "rc", "rcat", "rcd", "rmdir", "rmdirs", "selfupdate"],
  ...["serve", "settier", "sha1sum", "size", "test", "touch", "tree", "version"],
];
export const rcloneFormat: ProgramFormat = {
  name: "rclone",
  reads: ["stderr"],
  stopSignal: "SIGTERM",
  carriesRecords: false,
  prepare,
  reader({ command }) {
    const args = argsOf(command);
    return new RcloneReader({
      moves: MOVING.includes(subcommand(args) ?? ""),
      dryRun: hasLong(args, "--dry-run") || shortCount(args, "n") > 0,
    });
  },
};

function prepare(command: readonly string[]): Prepared {
  const args = argsOf(command);
  if (!COPYING.includes(subcommand(args) ?? "")) return { command, added: [] };
  const quiet = hasLong(args, "--quiet") || shortCount(args, "q") > 0;
  const levelled = quiet || hasLong(args, "--verbose", "--log-level") ||
    shortCount(args, "v") > 0;
  const added: string[] = [];
  if (!hasLong(args, "--use-json-log")) added.push("--use-json-log");
  if (!hasLong(args, "--stats")) added.push("--stats", "500ms");
  // Whoever wants errors only still gets to see the counts: they are told at that level.
  if (!hasLong(args, "--stats-log-level")) {
    added.push("--stats-log-level", levelled && !talks(args) ? "ERROR" : "NOTICE");
  }
  // rclone refuses -v beside -q or --log-level.
  if (!levelled) added.push("-v");
  return withFlags(command, programAt(command, "rclone"), added);
}

/** Whether the level that was asked for shows notices. */
function talks(args: readonly string[]): boolean {
  if (hasLong(args, "--verbose") || shortCount(args, "v") > 0) return true;
  const at = args.indexOf("--log-level");
  const level = at >= 0 ? args[at + 1] : args.find((arg) => arg.startsWith("--log-level="));
  return /(NOTICE|INFO|DEBUG)$/i.test(level ?? "");
}

function argsOf(command: readonly string[]): readonly string[] {
  const at = programAt(command, "rclone");
  return at < 0 ? [] : beforeDashes(command.slice(at + 1));
}

function subcommand(args: readonly string[]): string | undefined {
  return args.find((arg) => COPYING.includes(arg) || OTHERS.includes(arg));
}
