import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KeyStore } from "../../src/auth/key_store.ts";
import { cliKey } from "../../src/cli/cli_key.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { TENANT } from "../support/log_contract.ts";
import type { Cleanup } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

function bench(t: Cleanup) {
  const { path, remove } = tempDirectory();
  const keys = new KeyStore(join(path, "keys.db"), new FakeClock());
  t.after(() => {
    keys.close();
    remove();
  });
  return { path, keys, file: join(path, `cli-${TENANT}.key`) };
}

test("cliKey() takes the place of a file that it may not write", (t) => {
  const { path, keys, file } = bench(t);
  symlinkSync("/proc/version", file); // not even root may write it

  const key = cliKey(keys, path, TENANT);
  const again = cliKey(keys, path, TENANT);

  assert.equal(readFileSync(file, "utf8"), `${key}\n`);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual([again, keys.list().length], [key, 1]);
});

test("cliKey() leaves no key in force that it cannot keep", (t) => {
  const { path, keys, file } = bench(t);
  mkdirSync(join(file, "in-the-way"), { recursive: true });
  const before = readdirSync(path);

  assert.throws(() => cliKey(keys, path, TENANT), { code: /^(EISDIR|ENOTEMPTY|EEXIST)$/ });

  assert.deepEqual(keys.list().map(({ revokedAtMs }) => revokedAtMs !== null), [true]);
  assert.deepEqual(readdirSync(path), before);
});
