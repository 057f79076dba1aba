/** `serve`: the server, until it is told to stop. */
import process from "node:process";
import { systemClock } from "../clock.ts";
import { loggerOf, logToStderr } from "../logger.ts";
import type { TenantId } from "../sync/ids.ts";
import { ConfigError } from "./config_error.ts";
import { readConfig } from "./config_file.ts";
import { ExitCode, UsageError } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { type RunningServer, startServer } from "./server.ts";
import { settingsFrom } from "./settings.ts";
import { untilStopped } from "./signals.ts";

const LOOPBACK = /^(localhost|127(\.\d+){3}|::1)$/;

/** @throws what startServer throws; {UsageError} when it would be open to others without a key */
export async function serve(flags: Flags): Promise<number> {
  const { settings, syncs, auth, notify, file } = settingsFrom(flags);
  await logToStderr(settings.logLevel);
  const { stopped } = untilStopped();
  const server = await startServer({
    ...settings,
    syncs,
    auth,
    schedules: true,
    notify,
    clock: systemClock,
    beforeListening: ({ keys }) => {
      if (keys.countActive() > 0) return;
      if (!LOOPBACK.test(settings.hostname)) {
        throw new UsageError(
          `Cannot listen on ${settings.hostname}: there is no key yet, and others could reach ` +
            `it. Make one first: synctail keys create --data ${settings.data}`,
        );
      }
      const { key } = keys.create({
        tenant: "default" as TenantId, // the name that every first start uses
        scopes: ["read", "run", "write"],
        name: "first",
      });
      const words = `This is the first start: here is an API key, shown only now:\n${key}\n`;
      (settings.json ? process.stderr : process.stdout).write(words);
    },
  });
  const { url, directory } = server;
  directory.announce({ url, pid: process.pid });
  const line = settings.json ? JSON.stringify({ type: "listening", url }) : `Listening on ${url}`;
  // Whoever has read the line may send a signal the next moment.
  if (file !== undefined) reloadOnHangup(server, file);
  process.stdout.write(`${line}\n`);
  await stopped;
  loggerOf("server").info("stopping: a second signal ends it at once");
  await server.stop();
  return ExitCode.ok;
}

/** SIGHUP takes the file's syncs anew; a file that is wrong changes nothing and is told. */
function reloadOnHangup(server: RunningServer, file: string): void {
  const logger = loggerOf("config");
  process.on("SIGHUP", () => {
    try {
      const { syncs, notify } = readConfig(file);
      server.reload(syncs, notify());
      logger.info("{file} was read again: {count} syncs", { file, count: syncs.length });
    } catch (cause) {
      if (!(cause instanceof ConfigError)) throw cause;
      logger.error("{file} was read again and is wrong, so nothing has changed:\n{issues}", {
        file,
        issues: cause.message,
      });
    }
  });
}
