/** Opens all parts of a server's authentication. */
import { Authenticator } from "../auth/authenticator.ts";
import { IdentityProviders } from "../auth/identity_providers.ts";
import { parseKeyFile } from "../auth/key_file.ts";
import type { KeyRow } from "../auth/key_row.ts";
import { KeyStore } from "../auth/key_store.ts";
import { Sessions } from "../auth/sessions.ts";
import { SignInStore } from "../auth/sign_in_store.ts";
import { Tickets } from "../auth/tickets.ts";
import type { Clock } from "../clock.ts";
import { type DataDirectory, KEYS_FILE } from "../log/data_directory.ts";
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

/** The file of sign-in links, beside the keys. */
export const SIGN_IN_FILE = "sign_in.db";

export interface AuthOptions {
  readonly clock: Clock;
  readonly keysFile?: string;
  readonly ticketSecretFile?: string;
  readonly auth?: AuthConfig;
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
): Promise<Authenticator> {
  const keys = new KeyStore(directory.file(KEYS_FILE), clock);
  opened.push(() => keys.close());
  if (keysFile !== undefined) keys.useFixed(readKeysFile(keysFile));
  const signIns = new SignInStore(directory.file(SIGN_IN_FILE), clock);
  opened.push(() => signIns.close());
  const secret = ticketSecretFile === undefined ? signIns.secret() : readSecret(ticketSecretFile);
  return new Authenticator({
    keys,
    signIns,
    sessions: new Sessions(secret, signIns, clock),
    tickets: new Tickets(secret, clock, await readTicketKeys(auth.ticketKeys)),
    providers: new IdentityProviders(auth.providers, clock),
    clock,
  });
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
