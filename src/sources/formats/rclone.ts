/**
 * rclone: its JSON log on stderr, a line a file, and statistics twice a second.
 *
 * @see https://rclone.org/docs/#use-json-log
 */
import { beforeDashes, hasLong, isOn, programAt, withFlags } from "./flags.ts";
import type { Environment, Prepared, ProgramFormat } from "./format.ts";
import { RcloneReader } from "./rclone_reader.ts";

/** Commands that copy; no flags are added to others. */
const COPYING = ["sync", "copy", "move", "copyto", "moveto"];
const MOVING = ["move", "moveto"];
/** rclone's other commands: a remote called "sync" behind one of them is not the command. */
const OTHERS = [
  ...["about", "backend", "bisync", "cat", "check", "checksum", "cleanup", "config", "copyurl"],
  ...["cryptcheck", "cryptdecode", "dedupe", "delete", "deletefile", "hashsum", "help", "link"],
  ...["listremotes", "ls", "lsd", "lsf", "lsjson", "lsl", "md5sum", "mkdir", "mount", "ncdu"],
  ...["nfsmount", "obscure", "purge", "rc", "rcat", "rcd", "rmdir", "rmdirs", "selfupdate"],
  ...["serve", "settier", "sha1sum", "size", "test", "touch", "tree", "version"],
];
/** A variable that stands for a flag. */
const VARIABLE = /^RCLONE_(\w+)=(.*)$/s;

export const rcloneFormat: ProgramFormat = {
  name: "rclone",
  ofProgram: true,
  reads: ["stderr"],
  stopSignal: "SIGTERM",
  carriesRecords: false,
  prepare,
  reader({ command, env }) {
    const args = argsOf(command, env);
    const known = args.length > 0;
    const asked = subcommand(args);
    return new RcloneReader({
      copies: asked === undefined || asked === "bisync" || COPYING.includes(asked),
      moves: MOVING.includes(asked ?? ""),
      backsUp: hasLong(args, "--backup-dir", "--suffix"),
      looks: !hasLong(args, "--no-check-dest"),
      dryRun: isOn(args, "--dry-run", "n"),
      hidden: known && !/(INFO|DEBUG)$/i.test(levelOf(args)),
      logFile: hasLong(args, "--log-file"),
    });
  },
};

function prepare(command: readonly string[], env: Environment): Prepared {
  const args = argsOf(command, env);
  if (!COPYING.includes(subcommand(args) ?? "")) return { command, added: [] };
  const levelled = hasLong(args, "--log-level") || isOn(args, "--quiet", "q") ||
    isOn(args, "--verbose", "v");
  const added: string[] = [];
  if (!hasLong(args, "--use-json-log")) added.push("--use-json-log");
  if (!hasLong(args, "--stats")) added.push("--stats", "500ms");
  // Statistics are logged at a level that is shown, so that there are counts with errors only too.
  if (!hasLong(args, "--stats-log-level")) {
    added.push(
      "--stats-log-level",
      /(NOTICE|INFO|DEBUG)$/i.test(levelOf(args)) ? "NOTICE" : "ERROR",
    );
  }
  // rclone refuses -v beside -q or --log-level.
  if (!levelled) added.push("-v");
  return withFlags(command, programAt(command, "rclone"), added);
}

/** The log level that is asked for, perhaps as `--log-level=LEVEL`. */
function levelOf(args: readonly string[]): string {
  if (isOn(args, "--verbose", "v")) return "INFO";
  if (isOn(args, "--quiet", "q")) return "ERROR";
  const at = args.indexOf("--log-level");
  const level = at >= 0 ? args[at + 1] : args.findLast((arg) => arg.startsWith("--log-level="));
  return level ?? "NOTICE";
}

/** rclone's arguments, after the flags that variables give: a flag of the command wins. */
function argsOf(command: readonly string[], env: Environment): readonly string[] {
  const at = programAt(command, "rclone");
  if (at < 0) return [];
  const ours = Object.entries(env).flatMap(([name, value]) => value ? [`${name}=${value}`] : []);
  // `env RCLONE_DRY_RUN=true rclone`
  const flags = [...ours, ...command.slice(0, at)].flatMap((variable) => {
    const [, name, value] = VARIABLE.exec(variable) ?? [];
    return name === undefined ? [] : [`--${name.toLowerCase().replaceAll("_", "-")}=${value}`];
  });
  return [...flags, ...beforeDashes(command.slice(at + 1))];
}

function subcommand(args: readonly string[]): string | undefined {
  return args.find((arg) => COPYING.includes(arg) || OTHERS.includes(arg));
}
