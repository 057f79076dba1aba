import assert from "node:assert/strict";
import { test } from "node:test";
import { parseScopes } from "../../src/auth/scopes.ts";

test("parseScopes() reads a list in any order, each once, spaces aside", () => {
  assert.deepEqual(parseScopes("write, read,read"), ["read", "write"]);
  assert.deepEqual(parseScopes("read,run,write,tenants"), ["read", "run", "write", "tenants"]);
});

test("parseScopes() names the scope that is none", () => {
  assert.throws(() => parseScopes("read,wirte"), {
    name: "RangeError",
    message: 'Cannot grant scope "wirte": the scopes are read, run, write, metrics, tenants',
  });
});

test("parseScopes() refuses a list without a scope", () => {
  assert.throws(() => parseScopes(" ,"), {
    name: "RangeError",
    message:
      'Cannot grant scopes " ,": name one; the scopes are read, run, write, metrics, tenants',
  });
});
