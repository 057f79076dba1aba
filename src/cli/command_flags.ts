/** Flags that several commands share. */
import { type Command, Option } from "commander";
import { SETTING_ROWS } from "./server_settings.ts";

/** What `--json` does, but for `exec`. */
export const JSON_HELP = "one JSON object a line on stdout";

/** A flag for each of the server's settings. */
export function withSettings(command: Command): Command {
  for (const { flag, env, kind, help, fallback } of SETTING_ROWS) {
    const value = kind === "boolean" ? "" : " <value>";
    const shown = fallback === undefined || fallback === false || fallback === ""
      ? ""
      : ` (default: ${fallback})`;
    command.addOption(new Option(`--${flag}${value}`, `${help}${shown} [${env}]`));
  }
  return command;
}

/** `--data` and `--json`. @param json what `--json` does */
export function withData(command: Command, json = JSON_HELP): Command {
  return command
    .option(
      "--data <directory>",
      "directory of logs and keys (default: ./.synctail) [SYNCTAIL_DATA]",
    )
    .option("--json", json);
}

/** `--server` beside those of `withData`. */
export function withServer(command: Command, json = JSON_HELP): Command {
  return withData(command, json).option(
    "--server <url>",
    "the server (default: the one of the data directory) [SYNCTAIL_SERVER]",
  );
}

/** Those of a command that talks to a server: also the key. */
export function withClient(command: Command, json = JSON_HELP): Command {
  return withServer(command, json)
    .option("--key <key>", "an API key of that server [SYNCTAIL_KEY]")
    .option("--key-file <file>", "a file that holds the key, - for stdin [SYNCTAIL_KEY_FILE]");
}

/** Those of `withClient`, and which jobs. */
export function withFilter(command: Command): Command {
  return withClient(command)
    .option("--tenant <name>", 'whose jobs (default: those of the key, else "default")')
    .option("--sync <name>", "only those of this sync")
    .option("--status <status>", "only those of this status");
}
