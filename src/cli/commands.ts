/** The command line: its commands, their arguments and flags. */
import { Command, CommanderError } from "commander";
import { LINK_SCOPES } from "../auth/scopes.ts";
import { DEFAULT_TENANT } from "../sync/ids.ts";
import {
  JSON_HELP,
  withClient,
  withData,
  withFilter,
  withServer,
  withSettings,
} from "./command_flags.ts";
import { ExitCode } from "./exit.ts";
import { refuseLate, refuseUnknown } from "./first_word.ts";
import type { Flags } from "./flags.ts";
import { print, printError } from "./output.ts";
import { VERSION } from "./version.ts";

/** Runs a command. Its module is loaded only then. @returns the exit code */
export async function commandLine(args: readonly string[]): Promise<number> {
  let code: number = ExitCode.ok;
  const does = (act: (...given: never[]) => Promise<number> | number) =>
  async (
    ...given: unknown[]
  ) => {
    code = await act(...given as never[]); // commander passes what the command declares
  };
  const root = new Command("synctail")
    .description("tail -f for sync jobs: see live what a running sync is doing.")
    .version(VERSION)
    .exitOverride()
    .configureOutput({ writeOut: (text) => void print(text), writeErr: printError })
    .addHelpText(
      "after",
      "\nStart with `demo`: it runs a real sync and shows where to watch it.\n" +
        "Every server flag can be set as a variable too: --data is SYNCTAIL_DATA.",
    );

  withSettings(root.command("serve", { isDefault: true }))
    .description("Start the server (this is what no command means)")
    .action(does(async (flags: Flags) => (await import("./serve.ts")).serve(flags)));
  withSettings(root.command("demo"))
    .description("Start the server, run a real sync of a directory, and show its progress")
    .argument("[folder]", "the directory to index; /usr/share when left out")
    .option("--full-speed", "do not slow a short run down for watching")
    .action(
      does(async (folder: string | undefined, flags: Flags) =>
        (await import("./demo.ts")).demo(folder, flags)
      ),
    );
  withSettings(root.command("run"))
    .description("Run a configured sync and show its progress; needs no server, uses one that runs")
    .argument("<sync>", "its name or id")
    .option("--tenant <name>", "whose sync it is", DEFAULT_TENANT)
    .action(
      does(async (sync: string, flags: Flags) => (await import("./run.ts")).run(sync, flags)),
    );
  withClient(root.command("watch"))
    .description("Follow a job's progress")
    .argument("<job>", "its id")
    .option("--logs <level>", "show log lines too: debug, info, warning or error")
    .option("--tail <lines>", "so many of those that there are already (default: 10)")
    .action(
      does(async (job: string, flags: Flags) => (await import("./watch.ts")).watch(job, flags)),
    );
  const { own, command } = splitAtProgram(args);
  withClient(root.command("exec"), "our own words as JSON, one object a line, on stderr")
    .description("Run a program as it would run without this, and show it as a job")
    .usage("[options] <name> -- <program> [arguments...]")
    .argument("[name]", "the name of the sync that this is a run of")
    .option("--format <name>", "how the program's output is understood; by its name when left out")
    .option("--percent <pattern>", "finds in its lines how far it is: one group, or done and total")
    .option("--no-flags", "do not add the flags that make a known program tell more")
    .option("--tag <tag>", "a word for the job; may be given again", collected)
    .option("--lease <duration>", "silence after which the job counts as lost (default: 15m)")
    .option("--stop-grace <duration>", "from a cancel to SIGKILL; 0 for never (default: 10s)")
    .option("--quiet", "say nothing of our own")
    .option("--flush", "run nothing; tell the server what earlier runs could not")
    .option("--from <url>", "with --flush: tell it also what was for the server of that URL")
    .action(
      does(async (name: string | undefined, flags: Flags) =>
        (await import("./exec/exec.ts")).exec(name, command, flags)
      ),
    );

  withServer(root.command("health"))
    .description("Ask whether a server lives: ends with 0 or 1, for health checks; needs no key")
    .action(does(async (flags: Flags) => (await import("./health.ts")).health(flags)));

  const keys = root.command("keys").description("Create, list and revoke API keys");
  withData(keys.command("create"))
    .description("Create a key and print it; it is never shown again")
    .option("--tenant <name>", "whose jobs the key is for", DEFAULT_TENANT)
    .option(
      "--scopes <list>",
      "of read, run, write, metrics, tenants; separated by commas",
      "read,run,write",
    )
    .option("--name <words>", "what the key is for")
    .option("--unsaved", "print it as a line for --keys-file, and keep it nowhere")
    .action(does(async (flags: Flags) => (await import("./keys.ts")).createKey(flags)));
  withData(keys.command("list"))
    .description("List keys, without their secrets")
    .action(does(async (flags: Flags) => (await import("./keys.ts")).listKeys(flags)));
  withData(keys.command("revoke"))
    .description("End a key")
    .argument("<id>", "the key's id, the part between st_ and the next _; the whole key does too")
    .action(
      does(async (id: string, flags: Flags) => (await import("./keys.ts")).revokeKey(id, flags)),
    );

  withData(root.command("link"))
    .description("Print a URL that signs a browser in, once")
    .option("--tenant <name>", "whose jobs it shows", DEFAULT_TENANT)
    .option("--scopes <list>", "what the browser may do", LINK_SCOPES.join(","))
    .action(does(async (flags: Flags) => (await import("./link.ts")).link(flags)));
  const notify = root.command("notify").description("Test and list notifications");
  withData(notify.command("test"))
    .description("Send a test message as the configuration says, and print what comes back")
    .argument("[target]", "its name; all targets when left out")
    .option("--config <file>", "the configuration (default: synctail.json) [SYNCTAIL_CONFIG]")
    .action(
      does(async (target: string | undefined, flags: Flags) =>
        (await import("./notify.ts")).testTargets(target, flags)
      ),
    );
  withData(notify.command("list"))
    .description("List the last deliveries, also beside a running server")
    .option("--limit <count>", "how many at most", "50")
    .action(does(async (flags: Flags) => (await import("./notify.ts")).listDeliveries(flags)));

  withFilter(root.command("prune"))
    .description("Remove jobs that are over; the server does so by itself, by --retention-...")
    .requiredOption(
      "--older-than <age>",
      "for how long they are over: 30d, 12h, 90s; 0 for all",
    )
    .option("--dry-run", "only say how many there are")
    .action(does(async (flags: Flags) => (await import("./archive.ts")).prune(flags)));
  withFilter(root.command("export"))
    .description("Print jobs and their whole logs as NDJSON")
    .argument("[job]", "its id; all jobs when left out")
    .action(
      does(async (job: string | undefined, flags: Flags) =>
        (await import("./archive.ts")).exportJobs(job, flags)
      ),
    );
  withData(root.command("backup"))
    .description("Copy the log to a file, also while a server runs; keys are not in it")
    .argument("<file>", "a new file")
    .action(
      does(async (file: string, flags: Flags) => (await import("./backup.ts")).backup(file, flags)),
    );
  withData(root.command("restore"))
    .description("Put a backup in the log's place, while no server runs")
    .argument("<file>", "a file that `backup` has written")
    .action(
      does(async (file: string, flags: Flags) =>
        (await import("./backup.ts")).restore(file, flags)
      ),
    );

  root.command("check")
    .description("Say whether a configuration file is right, and what is wrong with it")
    .argument("[file]", "synctail.json when left out, stdin for - [SYNCTAIL_CONFIG]")
    .option("--json", JSON_HELP)
    .action(
      does(async (file: string | undefined, flags: Flags) =>
        (await import("./check.ts")).checkConfig(file, flags)
      ),
    );

  nameHelp(root);
  try {
    const known = [...root.commands.map((command) => command.name()), "help"];
    refuseUnknown(own[0], known);
    refuseLate(own, root.commands);
    if (own[0] === "help") refuseUnknown(own[1], known);
    await root.parseAsync(own, { from: "user" });
    return code;
  } catch (cause) {
    if (!(cause instanceof CommanderError)) throw cause;
    // Commander has printed its own words. Help and version are not failures.
    return cause.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  }
}

/** Adds to commander's errors where help is. */
function nameHelp(command: Command, name = "synctail"): void {
  const help = `${name} --help shows what there is`;
  const exec = command.name() === "exec";
  command.showHelpAfterError(`(${exec ? `the program stands after --; ${help}` : help})`);
  for (const inner of command.commands) nameHelp(inner, `${name} ${inner.name()}`);
}

/** Splits off the program of `exec`: what stands after `--`, whatever it looks like. */
function splitAtProgram(args: readonly string[]) {
  const at = args[0] === "exec" ? args.indexOf("--") : -1;
  if (at < 0) return { own: args, command: [] };
  return { own: args.slice(0, at), command: args.slice(at + 1) };
}

function collected(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
