import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { formatApiKey, newApiKey } from "../../src/auth/api_key.ts";
import { parseKeyFile } from "../../src/auth/key_file.ts";
import { CLI_KEY_NAME, KeyStore } from "../../src/auth/key_store.ts";
import type { Clock } from "../../src/clock.ts";
import { parseTenantId, type TenantId } from "../../src/sync/ids.ts";
import { tempDirectory } from "../support/temp.ts";

/** A clock that stands still but for `ms`. */
class StillClock implements Clock {
  ms = 0;
  now() {
    return 1_700_000_000_000 + this.ms;
  }
  monotonic() {
    return this.ms;
  }
  after() {
    return () => {};
  }
}

function tenant(text: string): TenantId {
  const parsed = parseTenantId(text);
  assert.ok(parsed);
  return parsed;
}

/** A store, and how another process would open the same one. */
function arrange(t: { after(fn: () => void): void }) {
  const directory = tempDirectory();
  t.after(directory.remove);
  const clock = new StillClock();
  const path = join(directory.path, "keys.db");
  const open = () => {
    const store = new KeyStore(path, clock);
    t.after(() => store.close());
    return store;
  };
  return { clock, path, open, keys: open() };
}

test("verify() tells whom a key stands for", (t) => {
  const { keys } = arrange(t);
  const { id, key } = keys.create({ tenant: tenant("acme"), scopes: ["read", "run"] });

  const principal = keys.verify(key);

  assert.deepEqual(principal, {
    expiresAtMs: null,
    keyId: id,
    tenant: "acme",
    scopes: new Set(["read", "run"]),
  });
  assert.ok(key.startsWith(`st_${id}_`));
});

test("verify() refuses another secret, an unknown id and nonsense", (t) => {
  const { keys } = arrange(t);
  const one = keys.create({ tenant: tenant("acme"), scopes: ["read"] }).key;
  const other = keys.create({ tenant: tenant("acme"), scopes: ["read"] }).key;

  assert.equal(keys.verify(one.slice(0, 14) + other.slice(14)), undefined);
  assert.equal(keys.verify(`st_0000000000_${one.slice(14)}`), undefined);
  assert.equal(keys.verify("Bearer"), undefined);
  assert.equal(keys.verify(""), undefined);
});

test("verify() finds at once what another process has made, also after a miss", (t) => {
  const { keys, open } = arrange(t);
  const cli = open();
  assert.equal(keys.verify(`st_0000000000_${"a".repeat(43)}`), undefined);

  const { key } = cli.create({ tenant: tenant("acme"), scopes: ["read"] });

  assert.equal(keys.verify(key)?.tenant, "acme");
});

test("verify() and stillGrants() see within 1 s what another process has revoked", (t) => {
  const { keys, open, clock } = arrange(t);
  const cli = open();
  const { id, key } = keys.create({ tenant: tenant("acme"), scopes: ["read"] });
  assert.ok(keys.verify(key));

  cli.revoke(id);

  clock.ms = 999;
  assert.equal(keys.stillGrants(id, tenant("acme"), "read"), true);
  clock.ms = 1_000;
  assert.equal(keys.stillGrants(id, tenant("acme"), "read"), false);
  assert.equal(keys.verify(key), undefined);
});

test("revoke() of this process holds at once, keeps its first date and tells an unknown id", (t) => {
  const { keys, clock } = arrange(t);
  const { id, key } = keys.create({ tenant: tenant("acme"), scopes: ["read"] });
  assert.ok(keys.verify(key));

  clock.ms = 10;
  const first = keys.revoke(id);
  clock.ms = 20;
  const again = keys.revoke(id);

  assert.equal(first?.revokedAtMs, 1_700_000_000_010);
  assert.deepEqual(again, first);
  assert.equal(keys.verify(key), undefined);
  assert.equal(keys.stillGrants(id, tenant("acme"), "read"), false);
  assert.equal(keys.revoke("nosuchkey0"), undefined);
});

test("list() shows the keys of all tenants, oldest first, without secrets", (t) => {
  const { keys, clock } = arrange(t);
  const one = keys.create({ tenant: tenant("acme"), scopes: ["read"], name: "dashboard" });
  clock.ms = 5;
  const two = keys.create({ tenant: tenant("zeta"), scopes: ["tenants"] });

  const all = keys.list();

  assert.deepEqual(all, [
    {
      id: one.id,
      tenant: "acme",
      scopes: ["read"],
      name: "dashboard",
      createdAtMs: 1_700_000_000_000,
      revokedAtMs: null,
    },
    {
      id: two.id,
      tenant: "zeta",
      scopes: ["tenants"],
      name: null,
      createdAtMs: 1_700_000_000_005,
      revokedAtMs: null,
    },
  ]);
});

test("linkKey() is one for each tenant and its scopes, and another once it was revoked", (t) => {
  const { keys } = arrange(t);
  const scopes = ["read", "run"] as const;
  keys.create({ tenant: tenant("acme"), scopes });
  const first = keys.linkKey(tenant("acme"), scopes);

  const again = keys.linkKey(tenant("acme"), scopes);
  const other = keys.linkKey(tenant("other"), scopes);
  const less = keys.linkKey(tenant("acme"), ["read"]);
  keys.revoke(first);
  const later = keys.linkKey(tenant("acme"), scopes);

  assert.equal(again, first);
  assert.equal(new Set([first, other, less, later]).size, 4);
  const tenants = [other, less, later].map((id) => keys.principalOf(id)?.tenant);
  assert.deepEqual(tenants, ["other", "acme", "acme"]);
  assert.deepEqual([...keys.principalOf(less)?.scopes ?? []], ["read"]);
});

test("countActive() leaves out revoked keys and the CLI's own, and counts those of a file", (t) => {
  const { keys } = arrange(t);
  assert.equal(keys.countActive(), 0);

  keys.create({ tenant: tenant("default"), scopes: ["read"], name: CLI_KEY_NAME });
  keys.create({ tenant: tenant("default"), scopes: ["read"] });
  const { id } = keys.create({ tenant: tenant("default"), scopes: ["read"], name: "old" });
  keys.revoke(id);

  assert.equal(keys.countActive(), 1);
  const key = formatApiKey(newApiKey());
  keys.useFixed(parseKeyFile(`${key} default read`, "keys.txt"));
  assert.equal(keys.countActive(), 2);
});

test("create() refuses a key that could do nothing", (t) => {
  const { keys } = arrange(t);

  assert.throws(() => keys.create({ tenant: tenant("default"), scopes: [] }), {
    name: "RangeError",
    message: "Cannot create a key: it has no scopes",
  });
});

test("KeyStore keeps digests, no secrets, in a file for its owner alone", (t) => {
  const { keys, path } = arrange(t);
  const { key } = keys.create({ tenant: tenant("default"), scopes: ["read"] });

  const secret = key.slice(14);
  for (const file of [path, `${path}-wal`]) {
    assert.equal(readFileSync(file).includes(secret), false);
    assert.equal(statSync(file).mode & 0o777, 0o600);
  }
});

test("KeyStore grants nothing for a scope that it does not know", (t) => {
  const { keys, path } = arrange(t);
  const { key } = keys.create({ tenant: tenant("default"), scopes: ["read"] });
  const db = new DatabaseSync(path);
  db.exec("UPDATE keys SET scopes = 'read,fly'");
  db.close();

  assert.deepEqual(keys.verify(key)?.scopes, new Set(["read"]));
});

test("KeyStore forgets keys when it holds a thousand, and still knows them all", (t) => {
  const { keys } = arrange(t);
  const texts = Array.from(
    { length: 1_010 },
    () => keys.create({ tenant: tenant("default"), scopes: ["read"] }).key,
  );

  const known = [...texts, ...texts].filter((key) => keys.verify(key) !== undefined);

  assert.equal(known.length, 2_020);
});
