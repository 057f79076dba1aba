/**
 * restic backup: JSON on stdout, a line a file with `-v -v`, and a summary.
 *
 * @see https://restic.readthedocs.io/en/stable/075_scripting.html
 */
import { beforeDashes, hasLong, isOn, programAt, shortCount, withFlags } from "./flags.ts";
import type { Prepared, ProgramFormat } from "./format.ts";
import { ResticReader } from "./restic_reader.ts";

/** Flags of one letter, and long ones before the command, that take a value. */
const VALUED = "roepHT";
const VALUED_LONG = [
  ...["--repo", "--repository-file", "--password-file", "--password-command", "--key-hint"],
  ...["--option", "--cache-dir", "--cacert", "--tls-client-cert", "--limit-upload"],
  ...["--limit-download", "--compression", "--pack-size", "--retry-lock", "--http-user-agent"],
  "--stuck-request-timeout",
];

export const resticFormat: ProgramFormat = {
  name: "restic",
  ofProgram: true,
  reads: ["stdout", "stderr"],
  // SIGTERM would leave a lock behind.
  stopSignal: "SIGINT",
  carriesRecords: false,
  prepare,
  reader({ command }) {
    const args = argsOf(command);
    return new ResticReader({
      command: subcommand(args),
      scans: !hasLong(args, "--no-scan"),
      dryRun: isOn(args, "--dry-run", "n", VALUED),
    });
  },
};

function prepare(command: readonly string[]): Prepared {
  const args = argsOf(command);
  if (subcommand(args) !== "backup") return { command, added: [] };
  const added = hasLong(args, "--json") ? [] : ["--json"];
  const quiet = isOn(args, "--quiet", "q", VALUED);
  const level = args.some((arg) => /^(--verbose|-v)=/.test(arg))
    ? 2
    : shortCount(args, "v", VALUED) + args.filter((arg) => arg === "--verbose").length;
  // With `-v -v` there is a line a file, so counts while it runs. restic refuses -v beside -q.
  for (let have = level; have < 2 && !quiet; have++) added.push("-v");
  return withFlags(command, programAt(command, "restic"), added);
}

function argsOf(command: readonly string[]): readonly string[] {
  const at = programAt(command, "restic");
  return at < 0 ? [] : beforeDashes(command.slice(at + 1));
}

function subcommand(args: readonly string[]): string | undefined {
  return args.find((arg, at) => {
    if (arg.startsWith("-")) return false;
    const before = args[at - 1] ?? "";
    const valued = VALUED_LONG.includes(before) || /^-[a-zA-Z]*[rpo]$/.test(before);
    return !valued;
  });
}
