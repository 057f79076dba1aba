/** Which server a command talks to, and with which key. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { KeyStore } from "../auth/key_store.ts";
import { isKey, namesUser } from "../client/delivery.ts";
import { systemClock } from "../clock.ts";
import {
  DataDirectoryTakenError,
  KEYS_FILE,
  type ServerNote,
  serverOf,
} from "../log/data_directory.ts";
import { whyUnreadable } from "../reason.ts";
import { clean } from "../sync/clean.ts";
import { DEFAULT_TENANT, type TenantId } from "../sync/ids.ts";
import { cliKey } from "./cli_key.ts";
import type { Client } from "./client.ts";
import { UsageError } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { openData } from "./open_data.ts";
import { pagesOf } from "./pages.ts";
import type { ServerOptions } from "./server_options.ts";
import type { Resolved } from "./settings.ts";
import { isStdin } from "./stdin.ts";

/** What is wrong with what cannot be a key; it is not shown, as it may hold one. */
const KEY_ALONE = "expected the key alone, which is one line of ASCII";

/** A client, and how to stop a server that was started for it. */
export interface Connection {
  readonly client: Client;
  /** Whether the server was started for it. */
  readonly own: boolean;
  readonly close: () => Promise<void>;
}

/**
 * Finds a running server: the named one, else that of the data directory.
 *
 * @param what the command's action, for the error: "watch"
 * @throws {UsageError} when there is no server, or no key for it
 */
export async function runningServer(what: string, flags: Flags): Promise<Client> {
  const env = variablesFor(flags);
  const named = namedServer(flags, env);
  const given = givenKey(flags, env);
  if (named !== undefined && given !== undefined) return { server: named, key: given };
  if (named !== undefined) {
    throw new UsageError(
      `Cannot ${what} at ${clean(named)}: a key is needed, by --key, --key-file or SYNCTAIL_KEY`,
    );
  }
  const data = await openData(what, flags);
  const note = serverOf(data);
  if (note === undefined) {
    throw new UsageError(
      `Cannot ${what}: no server runs on "${data}"; name one with --server and --key`,
    );
  }
  if (given === undefined) return withCliKey(data, note, DEFAULT_TENANT);
  return { server: note.url, key: given, fingerprint: note.fingerprint };
}

/** Where a server of a command's own listens: only this machine asks it. */
export const ON_THIS_MACHINE = { hostname: "127.0.0.1", tlsCert: undefined, tlsKey: undefined };

/** What a server of our own is started with. */
export type LocalSettings =
  & Pick<Resolved, "settings" | "syncs" | "auth">
  & Partial<Pick<Resolved, "notify">>
  & Pick<ServerOptions, "onUnended">;

/**
 * Connects to the server of the data directory, or starts one until `close`.
 *
 * @throws {DataDirectoryTakenError} when the server there ends with its own command, or has not
 *   announced itself
 */
export async function localServer(
  { settings, syncs, auth, notify, onUnended }: LocalSettings,
  tenant: TenantId,
): Promise<Connection> {
  try {
    const options = {
      ...settings,
      ...ON_THIS_MACHINE,
      port: 0,
      syncs,
      auth,
      notify,
      onUnended,
      clock: systemClock,
      stopGraceMs: 0,
    };
    const { startServer } = await import("./server.ts");
    const server = await startServer(options);
    const key = cliKey(server.keys, server.directory.path, tenant);
    return { client: { server: server.url, key }, own: true, close: () => server.stop() };
  } catch (cause) {
    if (!(cause instanceof DataDirectoryTakenError) || !cause.server) throw cause;
    // It ends with its own command, and would end our job too.
    if (cause.server.passing) throw cause;
    const client = withCliKey(settings.data, cause.server, tenant);
    return { client, own: false, close: () => Promise.resolve() };
  }
}

type Variables = Readonly<Record<string, string | undefined>>;

/** The variables to read: none for --data without --server, as they could name another server. */
export function variablesFor(flags: Flags): Variables {
  const ofDirectory = textOf(flags.data) !== undefined && textOf(flags.server) === undefined;
  return ofDirectory ? {} : process.env;
}

/**
 * The URL of --server or SYNCTAIL_SERVER, without a slash at its end. An empty flag is a mistake: a
 * variable of a script that is not set must not lead to another server.
 *
 * @throws {UsageError}
 */
export function namedServer(flags: Flags, env: Variables = process.env): string | undefined {
  const flag = textOf(flags.server);
  const named = flag ?? (env.SYNCTAIL_SERVER || undefined);
  if (named === undefined) return undefined;
  const origin = flag === undefined ? "SYNCTAIL_SERVER" : "--server";
  const server = serverUrl(origin, named);
  if (namesUser(server)) {
    throw new UsageError(`${origin}: expected a server's URL without a user and a password`);
  }
  const [address] = server.split(/[?#]/, 1);
  if (address === server) return server;
  // Paths would become part of the query. The fragment of a link is a secret, so it is not shown.
  throw new UsageError(
    `${origin}: got "${clean(address)}${server[address.length]}...": expected a server's URL, ` +
      "which has no query and no fragment",
  );
}

/** Checks a server's URL, and removes slashes at its end. @throws {UsageError} */
export function serverUrl(flag: string, given: string): string {
  if (/^https?:$/.test(URL.parse(given)?.protocol ?? "")) return given.trim().replace(/\/+$/, "");
  throw new UsageError(
    `${flag}: got "${clean(given)}": expected an http or https URL, such as http://127.0.0.1:8017`,
  );
}

/**
 * The key of --key or SYNCTAIL_KEY, else of the file of --key-file or SYNCTAIL_KEY_FILE.
 *
 * @throws {UsageError} when it cannot be a key, or the file cannot be read; the key is not shown
 */
export function givenKey(flags: Flags, env: Variables = process.env): string | undefined {
  const flag = textOf(flags.key);
  const given = flag ??
    (textOf(flags.keyFile) === undefined ? env.SYNCTAIL_KEY || undefined : undefined);
  if (given !== undefined) {
    const key = given.trim();
    if (isKey(key)) return key;
    const name = flag === undefined ? "SYNCTAIL_KEY" : "--key";
    throw new UsageError(`${name}: ${KEY_ALONE}`);
  }
  const file = textOf(flags.keyFile) ?? (env.SYNCTAIL_KEY_FILE || undefined);
  if (file === undefined) return undefined;
  const cannot = (reason: string, options?: ErrorOptions) =>
    new UsageError(`Cannot read the key from "${clean(file)}": ${reason}`, options);
  let key: string;
  try {
    key = readFileSync(isStdin(file) ? 0 : file, "utf8").trim();
  } catch (cause) {
    throw cannot(whyUnreadable(cause), { cause });
  }
  if (key === "") throw cannot("it is empty");
  if (!isKey(key)) throw cannot(KEY_ALONE);
  return key;
}

/** A client of the directory's server, with the key that commands on this machine use. */
export function withCliKey(
  data: string,
  note: ServerNote,
  tenant: TenantId,
): Client {
  const keys = new KeyStore(join(data, KEYS_FILE), systemClock);
  try {
    const { url, fingerprint } = note;
    return { server: url, key: cliKey(keys, data, tenant), fingerprint, pages: pagesOf(note) };
  } finally {
    keys.close();
  }
}

function textOf(flag: unknown): string | undefined {
  return typeof flag === "string" ? flag : undefined;
}
