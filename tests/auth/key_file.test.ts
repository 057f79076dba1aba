import assert from "node:assert/strict";
import { test } from "node:test";
import { formatApiKey, newApiKey } from "../../src/auth/api_key.ts";
import { KeyFileError, parseKeyFile } from "../../src/auth/key_file.ts";

for (
  const [what, before] of [
    ["scopes", "acme read,run"],
    ["a name", "acme read the laptop"],
    ["a tenant", "acme"],
  ] as const
) {
  test(`parseKeyFile() refuses a key that was added to a line of ${what} without an end, and quotes none`, () => {
    const [key, added] = [newApiKey(), newApiKey()];
    const text = `# keys\n${formatApiKey(key)} ${before}${formatApiKey(added)} acme read worker\n`;

    assert.throws(() => parseKeyFile(text, "keys"), (error) => {
      assert.ok(error instanceof KeyFileError);
      assert.equal(error.message, "keys: line 2: a second key stands there: expected one a line");
      return true;
    });
  });
}
