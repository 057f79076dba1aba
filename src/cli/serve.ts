/** `serve`: the server, until it is told to stop. */
import process from "node:process";
import { LINK_MS } from "../auth/sign_in_store.ts";
import { systemClock } from "../clock.ts";
import { loggerOf, logToStderr } from "../logger.ts";
import type { TenantId } from "../sync/ids.ts";
import { ConfigError } from "./config_error.ts";
import { readConfig } from "./config_file.ts";
import { ExitCode, UsageError } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { LINK_SCOPES, signInUrl } from "./link.ts";
import { type RunningServer, startServer } from "./server.ts";
import { settingsFrom } from "./settings.ts";
import { untilStopped } from "./signals.ts";

const TENANT = "default" as TenantId; // the name that every first start uses
const LOOPBACK = /^(localhost|127(\.\d+){3}|::1)$/;

/** @throws what startServer throws; {UsageError} when it would be open to others without a key */
export async function serve(flags: Flags): Promise<number> {
  const { settings, syncs, auth, file } = settingsFrom(flags);
  await logToStderr(settings.logLevel);
  const { stopped } = untilStopped();
  let first = false;
  const server = await startServer({
    ...settings,
    syncs,
    auth,
    clock: systemClock,
    beforeListening: ({ keys }) => {
      if (keys.countActive() > 0) return;
      if (!LOOPBACK.test(settings.hostname)) {
        throw new UsageError(
          `Cannot listen on ${settings.hostname}: there is no key yet, and others could reach ` +
            `it. Make one first: synctail keys create --data ${settings.data}`,
        );
      }
      first = true;
      const { key } = keys.create({
        tenant: TENANT,
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
  if (first && !settings.json && process.stdout.isTTY) {
    const open = signInUrl(settings.publicUrl ?? url, server, TENANT, LINK_SCOPES);
    process.stdout.write(
      `Open ${open}\n(once, within ${LINK_MS / 60_000} minutes; synctail link prints another)\n`,
    );
  }
  await stopped;
  await server.stop();
  return ExitCode.ok;
}

/** SIGHUP takes the file's syncs anew; a file that is wrong changes nothing and is told. */
function reloadOnHangup(server: RunningServer, file: string): void {
  const logger = loggerOf("config");
  process.on("SIGHUP", () => {
    try {
      const { syncs } = readConfig(file);
      server.reload(syncs);
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
