/** Opens what a server's authentication keeps in files. */
import { parseKeyFile } from "../auth/key_file.ts";
import type { KeyRow } from "../auth/key_row.ts";
import { KeyStore } from "../auth/key_store.ts";
import { SignInStore } from "../auth/sign_in_store.ts";
import type { TicketKey } from "../auth/tickets.ts";
import type { Clock } from "../clock.ts";
import { type DataDirectory, KEYS_FILE, SIGN_IN_FILE } from "../log/data_directory.ts";
import {
  type AuthConfig,
  NO_AUTH,
  readSecret,
  readText,
  readTicketKeys,
  readTls,
} from "./auth_config.ts";
import { ConfigError } from "./config_error.ts";
import type { Opened } from "./opened.ts";

export interface AuthOptions {
  readonly clock: Clock;
  readonly keysFile?: string;
  readonly ticketSecretFile?: string;
  readonly auth?: AuthConfig;
}

/** What is there before any credential is checked. */
export interface OpenedAuth {
  readonly keys: KeyStore;
  readonly signIns: SignInStore;
  /** Signs our own tickets and sessions. */
  readonly secret: Uint8Array;
  readonly ticketKeys: readonly TicketKey[];
}

/**
 * Opens the keys and the sign-in store, and reads the files of secrets.
 *
 * @param opened takes what has to be closed later
 * @throws {ConfigError} for a file that cannot be used
 * @throws {KeyFileError}
 */
export async function openAuth(
  { clock, keysFile, ticketSecretFile, auth = NO_AUTH }: AuthOptions,
  directory: DataDirectory,
  opened: Pick<Opened, "push">,
): Promise<OpenedAuth> {
  const keys = new KeyStore(directory.file(KEYS_FILE), clock);
  opened.push(() => keys.close());
  if (keysFile !== undefined) keys.useFixed(readKeysFile(keysFile));
  const signIns = new SignInStore(directory.file(SIGN_IN_FILE), clock);
  opened.push(() => signIns.close());
  const secret = ticketSecretFile === undefined ? signIns.secret() : readSecret(ticketSecretFile);
  return { keys, signIns, secret, ticketKeys: await readTicketKeys(auth.ticketKeys) };
}

/** The keys of a file. @throws {ConfigError} when it cannot be read @throws {KeyFileError} */
export function readKeysFile(path: string): Map<string, KeyRow> {
  return parseKeyFile(readText(path), path);
}

/**
 * The certificate and key of the settings; undefined without TLS.
 *
 * @throws {ConfigError} when one of the two is missing, or they do not fit
 */
export function tlsOf(
  { tlsCert, tlsKey }: { readonly tlsCert?: string; readonly tlsKey?: string },
): { readonly cert: string; readonly key: string } | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert !== undefined && tlsKey !== undefined) return readTls(tlsCert, tlsKey);
  const missing = tlsCert === undefined ? "--tls-cert" : "--tls-key";
  throw new ConfigError([`${missing}: got nothing: expected a file beside the other of the two`]);
}
