/** `link`: a URL that signs a browser in, once. */
import { join } from "node:path";
import { KeyStore } from "../auth/key_store.ts";
import type { Scope } from "../auth/scopes.ts";
import { LINK_MS, SignInStore } from "../auth/sign_in_store.ts";
import { systemClock } from "../clock.ts";
import { KEYS_FILE, makeDataDirectory, serverOf, SIGN_IN_FILE } from "../log/data_directory.ts";
import type { TenantId } from "../sync/ids.ts";
import { ExitCode, UsageError } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { faultOf } from "./health.ts";
import { scopesFrom, tenantFrom } from "./keys.ts";
import { requireOpen } from "./open_data.ts";
import { print, printed, printError, printJson } from "./output.ts";
import { pagesOf, pageUrl } from "./pages.ts";
import { settingsFrom } from "./settings.ts";

/**
 * Prints a link.
 *
 * @throws {UsageError} when no URL of the server is known, or the server at it does not answer
 */
export async function link(flags: Flags): Promise<number> {
  const { data: given } = flags;
  const { settings } = await settingsFrom(typeof given === "string" ? { data: given } : {});
  const { data } = settings;
  requireOpen("print a link", data);
  const note = serverOf(data);
  const base = settings.publicUrl ?? (note && pagesOf(note));
  if (base === undefined) {
    throw new UsageError(`Cannot print a link: no server runs on "${data}"`);
  }
  const tenant = tenantFrom(flags.tenant);
  const scopes = scopesFrom(String(flags.scopes));
  // A public URL is not checked: it may lead to the server from elsewhere only.
  const own = settings.publicUrl === undefined && note?.publicUrl === undefined;
  const fault = own && note && await faultOf(note);
  if (fault) throw new UsageError(`Cannot print a link: ${fault}`);
  const directory = makeDataDirectory(data);
  const keys = new KeyStore(join(directory, KEYS_FILE), systemClock);
  const signIns = new SignInStore(join(directory, SIGN_IN_FILE), systemClock);
  try {
    const url = signInUrl(base, { keys, signIns }, tenant, scopes);
    if (flags.json) {
      printJson({ url, expires_in_s: LINK_MS / 1000 });
    } else print(`${url}\n`);
    await printed();
    printError(`It signs one browser in, once, within ${LINK_MS / 60_000} minutes.\n`);
    return ExitCode.ok;
  } finally {
    signIns.close();
    keys.close();
  }
}

/**
 * A URL that signs in once. The secret is its fragment, so it is in no server's log and in no
 * Referer.
 *
 * @param path of the page that is opened, such as `job/…`; the first page when left out
 */
export function signInUrl(
  base: string,
  { keys, signIns }: { readonly keys: KeyStore; readonly signIns: SignInStore },
  tenant: TenantId,
  scopes: readonly Scope[],
  path = "",
): string {
  const secret = signIns.createLink(keys.linkKey(tenant, scopes));
  return `${pageUrl(base, path)}#link=${secret}`;
}
