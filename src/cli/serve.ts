/** `serve`: the server, until it is told to stop. */
import { formatApiKey, newApiKey } from "../auth/api_key.ts";
import { LINK_SCOPES } from "../auth/scopes.ts";
import { LINK_MS } from "../auth/sign_in_store.ts";
import { systemClock } from "../clock.ts";
import type { DataDirectory, ServerNote } from "../log/data_directory.ts";
import { loggerOf, logToStderr } from "../logger.ts";
import { reasonOf } from "../reason.ts";
import { DEFAULT_TENANT } from "../sync/ids.ts";
import { nodeTty } from "../system/node.ts";
import { ExitCode, UsageError } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { atHangup } from "./hangup.ts";
import { readKeysFile } from "./open_auth.ts";
import { announce, printError } from "./output.ts";
import { pagesOf } from "./pages.ts";
import { openSecretFiles } from "./secret_files.ts";
import { type RunningServer, startServer } from "./server.ts";
import { settingsFrom } from "./settings.ts";
import { untilStopped } from "./signals.ts";

/** How often it is tried to write the server's note where the disk is full, in milliseconds. */
const ANNOUNCE_MS = 1_000;

const LOOPBACK = /^(localhost|127(\.\d+){3}|::1)$/i;

/**
 * Serves until a signal.
 *
 * @throws as startServer; {UsageError} when others could reach it without a key
 */
export async function serve(flags: Flags): Promise<number> {
  const { settings, syncs, auth, notify, file } = await settingsFrom(flags);
  logToStderr(settings.logLevel);
  for (const words of openSecretFiles(settings)) loggerOf("config").warning("{words}", { words });
  const { stopped } = untilStopped();
  let first = false;
  const server = await startServer({
    ...settings,
    syncs,
    auth,
    resident: true,
    notify,
    clock: systemClock,
    beforeListening: ({ keys }) => {
      first = keys.countActive() === 0;
      if (!first || LOOPBACK.test(settings.hostname)) return;
      throw new UsageError(
        `Cannot listen on ${settings.hostname}: there is no key yet, and others could reach ` +
          `it. Make one first: synctail keys create --data "${settings.data}"`,
      );
    },
  });
  if (first) tellFirstKey(server, settings.json);
  const { url, directory, note } = server;
  const callOff = announceNote(directory, note);
  const line = settings.json
    ? JSON.stringify({ type: "listening", url })
    : listeningWords(note, settings.hostname);
  // The reader of the line may send a signal the next moment.
  reloadOnHangup(server, file, settings.keysFile);
  announce(`${line}\n`);
  if (first && !settings.json && atTerminal()) {
    const { signInUrl } = await import("./link.ts");
    const open = signInUrl(pagesOf(note), server, DEFAULT_TENANT, LINK_SCOPES);
    announce(
      `Open ${open}\n(once, within ${LINK_MS / 60_000} minutes; synctail link prints another)\n`,
    );
  }
  await stopped;
  callOff();
  loggerOf("server").info("stopping: a second signal ends it at once");
  await server.stop();
  return ExitCode.ok;
}

/**
 * Tells the commands beside it where the server is. A full disk may take that later: whoever watches
 * and ends jobs is served without it.
 *
 * @returns what calls further tries off
 */
function announceNote(directory: DataDirectory, note: ServerNote): () => void {
  let callOff = () => {};
  let told = false;
  const announceNow = () => {
    try {
      directory.announce(note);
    } catch (cause) {
      if (!told) {
        const words =
          "Cannot tell commands beside it where the server is, and tries again: {reason}";
        loggerOf("server").error(words, { reason: reasonOf(cause) });
      }
      told = true;
      callOff = systemClock.after(ANNOUNCE_MS, announceNow);
    }
  };
  announceNow();
  return () => callOff();
}

/** Whether stdout is a terminal. Deno's `process.stdout` throws when the terminal has closed. */
function atTerminal(): boolean {
  return nodeTty().isatty(1);
}

/**
 * Prints and makes the first key: only now, as a start that fails would lose it. It is made once it
 * is printed: where nobody has seen it, the next start is the one that shows it.
 */
function tellFirstKey({ keys }: RunningServer, json: boolean): void {
  const fresh = newApiKey();
  const words = `This is the first start: here is an API key, shown only now:\n${
    formatApiKey(fresh)
  }\n`;
  if (json) printError(words);
  else if (!announce(words)) return;
  keys.create({ tenant: DEFAULT_TENANT, scopes: ["read", "run", "write"], name: "first" }, fresh);
}

/** The address that it listens on, and where people reach it if that is another. */
function listeningWords(note: ServerNote, hostname: string): string {
  const every = hostname.includes(":") ? `[${hostname}]` : hostname;
  const on = note.everywhere ? note.url.replace("127.0.0.1", every) : note.url;
  const reached = pagesOf(note);
  return `Listening on ${on}${reached === on ? "" : `, reached at ${reached}`}`;
}

/** At SIGHUP reads syncs, targets and keys again. A faulty file is reported and changes nothing. */
function reloadOnHangup(
  server: RunningServer,
  file: string | undefined,
  keysFile: string | undefined,
): void {
  const logger = loggerOf("config");
  const again = async (
    path: string | undefined,
    take: (path: string) => void | Promise<void>,
  ) => {
    if (path === undefined) return;
    try {
      await take(path);
    } catch (cause) {
      // No fault of a file must end the server.
      logger.error("{file} is not taken, so nothing has changed:\n{issues}", {
        file: path,
        issues: reasonOf(cause),
      });
    }
  };
  atHangup(async () => {
    if (file === undefined && keysFile === undefined) {
      logger.info("SIGHUP: there is no file to read again");
    }
    await again(file, async (path) => {
      const { readConfig } = await import("./config_file.ts");
      const { ownFileIssues } = await import("../jobs/sync_config.ts");
      const data = server.directory.path;
      const { syncs, notify } = readConfig(path, (syncs) => ownFileIssues(syncs, data));
      await server.reload(syncs, notify());
      const count = syncs.length;
      const noun = count === 1 ? "sync" : "syncs";
      logger.info(`{file} was read again: {count} ${noun}`, { file: path, count });
    });
    await again(keysFile, (path) => {
      const keys = readKeysFile(path);
      server.keys.useFixed(keys);
      const count = keys.size;
      const noun = count === 1 ? "key" : "keys";
      logger.info(`{file} was read again: {count} ${noun}`, { file: path, count });
    });
  });
}
