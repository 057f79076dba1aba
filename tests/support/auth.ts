/** All the ways of saying who one is, put together on a clock of the test's. */
import { join } from "node:path";
import { Authenticator } from "../../src/auth/authenticator.ts";
import { IdentityProviders } from "../../src/auth/identity_providers.ts";
import { KeyStore } from "../../src/auth/key_store.ts";
import type { Scope } from "../../src/auth/scopes.ts";
import { Sessions } from "../../src/auth/sessions.ts";
import { SignInStore } from "../../src/auth/sign_in_store.ts";
import { type TicketKey, Tickets } from "../../src/auth/tickets.ts";
import type { TenantId } from "../../src/sync/ids.ts";
import { FakeClock } from "./fake_clock.ts";
import { TENANT } from "./log_contract.ts";
import type { Cleanup } from "./program.ts";
import { tempDirectory } from "./temp.ts";

/** The secret of tickets and sessions here. */
export const SECRET: Uint8Array<ArrayBuffer> = new Uint8Array(32).fill(7);

export function authBench(t: Cleanup, registered: readonly TicketKey[] = []) {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const clock = new FakeClock();
  const keys = new KeyStore(join(path, "keys.db"), clock);
  t.after(() => keys.close());
  const signInFile = join(path, "sign_in.db");
  const openSignIns = () => {
    const store = new SignInStore(signInFile, clock);
    t.after(() => store.close());
    return store;
  };
  const signIns = openSignIns();
  const sessions = new Sessions(SECRET, signIns, clock);
  const tickets = new Tickets(SECRET, clock, registered);
  const providers = new IdentityProviders([], clock);
  const parts = { keys, signIns, sessions, tickets, providers, clock };
  return {
    ...parts,
    authenticator: new Authenticator(parts),
    signInFile,
    /** The file of sign-ins as another process opens it. */
    openSignIns,
    key: (scopes: Scope[] = ["read"], tenant: TenantId = TENANT) => keys.create({ tenant, scopes }),
  };
}
