import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { exportPKCS8, exportSPKI, generateKeyPair } from "jose";
import { readSecret, readTicketKeys, readTls } from "../../src/cli/auth_config.ts";
import { ConfigError } from "../../src/cli/config_error.ts";
import { parseConfig } from "../../src/cli/config_file.ts";
import type { TenantId } from "../../src/sync/ids.ts";
import { certificate } from "../support/certificate.ts";
import { tempDirectory } from "../support/temp.ts";

const PROVIDER = {
  issuer: "https://id.example",
  audience: "synctail",
  jwks_url: "https://id.example/jwks.json",
};
const TICKET_KEY = { kid: "shop", tenant: "acme", algorithm: "HS256", key_file: "shop.secret" };
const ACME = "acme" as TenantId;

function parsed(auth: object) {
  return parseConfig(JSON.stringify({ auth, syncs: [] }), "/etc/synctail/synctail.json").auth;
}

function issuesOf(auth: object): readonly string[] {
  try {
    parsed(auth);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.issues;
  }
  return [];
}

test("parseConfig() reads identity providers and ticket keys, paths from the file's directory", () => {
  const auth = parsed({ identity_providers: [PROVIDER], ticket_keys: [TICKET_KEY] });

  assert.deepEqual(auth, {
    providers: [{
      issuer: "https://id.example",
      audience: "synctail",
      jwksUrl: "https://id.example/jwks.json",
      algorithms: ["RS256", "ES256"],
      tenant: undefined,
      tenantClaim: "tenant",
      scopeClaim: "scope",
      scopePrefix: "",
    }],
    ticketKeys: [{
      kid: "shop",
      tenant: "acme",
      algorithm: "HS256",
      path: "/etc/synctail/shop.secret",
    }],
  });
});

for (
  const [what, auth, place] of [
    ["a shared secret for a provider", {
      identity_providers: [{ ...PROVIDER, algorithms: ["HS256"] }],
    }, "auth.identity_providers[0].algorithms[0]"],
    ["no algorithm", {
      identity_providers: [{ ...PROVIDER, algorithms: [] }],
    }, "auth.identity_providers[0].algorithms"],
    ["the algorithm none", {
      ticket_keys: [{ ...TICKET_KEY, algorithm: "none" }],
    }, "auth.ticket_keys[0].algorithm"],
    ["a key set that is no URL", {
      identity_providers: [{ ...PROVIDER, jwks_url: "file:///etc/passwd" }],
    }, "auth.identity_providers[0].jwks_url"],
    ["an issuer twice", { identity_providers: [PROVIDER, PROVIDER] }, "auth.identity_providers"],
    ["a key id twice", {
      ticket_keys: [TICKET_KEY, { ...TICKET_KEY, tenant: "other" }],
    }, "auth.ticket_keys"],
    ["the server's own key id", {
      ticket_keys: [{ ...TICKET_KEY, kid: "synctail" }],
    }, "auth.ticket_keys[0].kid"],
    ["a tenant that is none", {
      ticket_keys: [{ ...TICKET_KEY, tenant: "a/b" }],
    }, "auth.ticket_keys[0].tenant"],
    ["a name that is none", {
      identity_providers: [{ ...PROVIDER, secret: "x" }],
    }, "auth.identity_providers[0].secret"],
  ] as const
) {
  test(`parseConfig() refuses ${what}`, () => {
    const issues = issuesOf(auth);

    assert.equal(issues.length, 1);
    assert.ok(issues[0].includes(`${place}: `), issues[0]);
  });
}

test("readSecret() takes any bytes, without the line end behind them, and at least 32", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "secret");
  const bytes = Uint8Array.from({ length: 32 }, (_, n) => 255 - n);

  writeFileSync(file, new Uint8Array([...bytes, 13, 10]));
  assert.deepEqual(readSecret(file), bytes);
  writeFileSync(file, bytes.subarray(1));
  assert.throws(() => readSecret(file), {
    name: "ConfigError",
    message: `${file}: expected a secret of at least 32 bytes`,
  });
  assert.throws(() => readSecret(join(path, "none")), {
    message: `${join(path, "none")}: there is no such file`,
  });
});

test("readTicketKeys() takes a public key of its algorithm only", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "key.pem");
  const pair = await generateKeyPair("ES256", { extractable: true });
  const read = (algorithm: string) =>
    readTicketKeys([{ kid: "shop", tenant: ACME, algorithm, path: file }]);

  writeFileSync(file, await exportSPKI(pair.publicKey));
  const [{ kid, tenant, algorithm }] = await read("ES256");
  await assert.rejects(read("RS256"), {
    message: `${file}: expected a public key in PEM, for RS256`,
  });
  writeFileSync(file, await exportPKCS8(pair.privateKey));
  await assert.rejects(read("ES256"), ConfigError);

  assert.deepEqual([kid, tenant, algorithm], ["shop", "acme", "ES256"]);
});

test("readTls() takes a certificate with its own key, and no other", (t) => {
  const [one, other] = [certificate(t), certificate(t)];
  const { path, remove } = tempDirectory();
  t.after(remove);
  const cut = join(path, "cut.pem");
  writeFileSync(cut, readFileSync(one.cert, "utf8").slice(0, 200));
  const locked = join(path, "locked.pem");
  const cipher = { cipher: "aes-128-cbc", passphrase: "x", type: "pkcs8", format: "pem" } as const;
  writeFileSync(locked, createPrivateKey(readFileSync(one.key)).export(cipher));

  const read = readTls(one.cert, one.key);

  assert.deepEqual(read, {
    cert: readFileSync(one.cert, "utf8"),
    key: readFileSync(one.key, "utf8"),
  });
  for (
    const [cert, key, issue] of [
      [one.cert, other.key, `${other.key}: it is not the key of the certificate ${one.cert}`],
      [one.key, one.key, `${one.key}: expected a certificate in PEM`],
      [cut, one.key, `${cut}: expected a certificate in PEM`],
      [one.cert, locked, `${locked}: expected a private key without a passphrase`],
      [one.cert, one.cert, `${one.cert}: expected a private key in PEM`],
    ]
  ) {
    assert.throws(
      () => readTls(cert, key),
      (error) => error instanceof ConfigError && error.message === issue,
    );
  }
});
