import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { exportSPKI, generateKeyPair, SignJWT } from "jose";
import { formatApiKey, newApiKey } from "../../src/auth/api_key.ts";
import { parseKeyFile } from "../../src/auth/key_file.ts";
import { maySee } from "../../src/auth/principal.ts";
import type { TicketKey } from "../../src/auth/tickets.ts";
import { deriveSyncId, newJobId, type TenantId } from "../../src/sync/ids.ts";
import { authBench, SECRET } from "../support/auth.ts";
import { newJob } from "../support/log_contract.ts";

const ACME = "acme" as TenantId;
const JOB = newJobId();
const SYNC = deriveSyncId(ACME, "docs");
const BACKEND: Uint8Array<ArrayBuffer> = new Uint8Array(32).fill(9);
const backend: TicketKey = { kid: "backend", tenant: ACME, algorithm: "HS256", key: BACKEND };

/** A ticket as a backend signs it, good for an hour. */
function signed(
  claims: Record<string, unknown> = {},
  { kid = "backend", key = BACKEND as Uint8Array | CryptoKey, alg = "HS256" } = {},
): Promise<string> {
  const whole = { aud: "synctail:ticket", exp: 4_600, ...claims };
  return new SignJWT(whole).setProtectedHeader({ alg, kid }).sign(key);
}

test("sign() makes a ticket that opens streams and reads only, until it ends", async (t) => {
  const { tickets, authenticator, key, clock } = authBench(t);
  const { id, tenant } = key(["read", "run", "write", "tenants"]);
  const expiresAtMs = clock.now() + 60_000;
  const ticket = await tickets.sign({ tenant, keyId: id, binding: { jobId: JOB }, expiresAtMs });

  const first = await authenticator.ticket(ticket);
  const again = await authenticator.ticket(ticket);
  clock.advance(60_000);

  assert.deepEqual(first, {
    tenant: "default",
    scopes: new Set(["read"]),
    keyId: id,
    expiresAtMs: 1_060_000,
    only: { jobId: JOB, syncId: undefined, tag: undefined },
  });
  assert.deepEqual(again, first);
  assert.equal(await authenticator.ticket(ticket), undefined);
  assert.equal(first && authenticator.lapse(first, "read"), "expired");
});

test("sign() makes no ticket that is good for longer than it is made for", async (t) => {
  const { tickets, authenticator, key, clock } = authBench(t);
  const { id, tenant } = key();
  const expiresAtMs = clock.now() + 60_999;
  const ticket = await tickets.sign({ tenant, keyId: id, binding: {}, expiresAtMs });

  assert.equal((await authenticator.ticket(ticket))?.expiresAtMs, 1_060_000);
});

test("verify() takes a backend's ticket for a day, also where its clock is a minute ahead", async (t) => {
  const { authenticator } = authBench(t, [backend]);

  const found = await authenticator.ticket(
    await signed({ exp: 1_060 + 86_400, nbf: 1_060, iat: 1_060 }),
  );

  assert.equal(found?.expiresAtMs, 87_460_000);
});

test("a ticket ends with the key that made it", async (t) => {
  const { tickets, authenticator, keys, key, clock } = authBench(t);
  const { id, tenant } = key();
  const expiresAtMs = clock.now() + 60_000;
  const ticket = await tickets.sign({ tenant, keyId: id, binding: {}, expiresAtMs });
  const principal = await authenticator.ticket(ticket);
  assert.ok(principal);

  keys.revoke(id);

  assert.equal(await authenticator.ticket(ticket), undefined);
  assert.equal(authenticator.lapse(principal, "read"), "revoked");
});

test("a ticket and a stream end when the key file gives their key fewer rights", async (t) => {
  const { tickets, authenticator, keys, clock } = authBench(t);
  const key = formatApiKey(newApiKey());
  const use = (rights: string) => keys.useFixed(parseKeyFile(`${key} ${rights}`, "keys"));
  use("acme read,run,tenants");
  const opened = await authenticator.bearer(key);
  assert.ok(opened?.keyId);
  const made = { keyId: opened.keyId, binding: {}, expiresAtMs: clock.now() + 60_000 };
  const ticket = await tickets.sign({ ...made, tenant: ACME });
  const elsewhere = { ...opened, tenant: "other" as TenantId };
  const told = async () => [
    authenticator.lapse(opened, "read"),
    authenticator.lapse(elsewhere, "read"),
    (await authenticator.ticket(ticket))?.tenant,
  ];

  assert.deepEqual(await told(), [undefined, undefined, "acme"]);
  use("acme read");
  assert.deepEqual(await told(), [undefined, "narrowed", "acme"]);
  use("acme run");
  assert.deepEqual(await told(), ["narrowed", "narrowed", undefined]);
  use("other read");
  assert.deepEqual(await told(), ["narrowed", undefined, undefined]);
  use("other read,tenants");
  assert.deepEqual(await told(), [undefined, undefined, "acme"]);
});

test("maySee() keeps a ticket to its tenant and its job, sync or tag", () => {
  const job = newJob({
    tenant: ACME,
    id: JOB,
    sync: { id: SYNC, name: "docs" },
    tags: ["nightly"],
  });
  const sees = (only: Parameters<typeof maySee>[0]["only"], tenant = ACME) =>
    maySee({ tenant, only }, job);

  for (const only of [undefined, {}, { jobId: JOB }, { syncId: SYNC }, { tag: "nightly" }]) {
    assert.equal(sees(only), true);
    assert.equal(sees(only, "other" as TenantId), false);
  }
  assert.equal(sees({ jobId: newJobId() }), false);
  assert.equal(sees({ syncId: deriveSyncId(ACME, "other") }), false);
  assert.equal(sees({ tag: "night" }), false);
  assert.equal(sees({ jobId: JOB, tag: "other" }), false);
});

for (const algorithm of ["HS256", "RS256", "ES256", "EdDSA"]) {
  test(`verify() takes a backend's tickets of ${algorithm} for the tenant of its key`, async (t) => {
    const pair = algorithm === "HS256" ? undefined : await generateKeyPair(algorithm);
    const key = pair?.publicKey ?? BACKEND;
    const { authenticator } = authBench(t, [{ ...backend, algorithm, key }]);
    const by = { alg: algorithm, key: pair?.privateKey ?? BACKEND };

    const whole = await authenticator.ticket(await signed({}, by));
    const narrow = await authenticator.ticket(
      await signed({ tenant: "acme", job: JOB, iat: 1_000, sub: "user-7", jti: "x" }, by),
    );

    assert.deepEqual(whole, {
      tenant: "acme",
      scopes: new Set(["read"]),
      keyId: null,
      expiresAtMs: 4_600_000,
      only: { jobId: undefined, syncId: undefined, tag: undefined },
    });
    assert.deepEqual(narrow?.only, { jobId: JOB, syncId: undefined, tag: undefined });
  });
}

for (
  const [what, claims] of [
    ["of another tenant", { tenant: "other" }],
    ["whose tenant is no text", { tenant: ["acme"] }],
    ["of another audience", { aud: "synctail:session" }],
    ["without an audience", { aud: undefined }],
    ["without an end", { exp: undefined }],
    ["that has ended", { exp: 1_000 }],
    ["that is good for more than a day", { exp: 1_000 + 86_400 + 61 }],
    ["that is not good yet", { nbf: 1_061 }],
    ["whose job is no UUID", { job: "x" }],
    ["whose job is null", { job: null }],
    ["whose sync is a name", { sync: "docs" }],
    ["whose tag is a list", { tag: ["nightly"] }],
    ["with a claim that is misspelt", { job_id: JOB }],
    ["with scopes", { scope: "write" }],
  ] as const
) {
  test(`verify() refuses a backend's ticket ${what}`, async (t) => {
    const { authenticator } = authBench(t, [backend]);

    assert.notEqual(await authenticator.ticket(await signed()), undefined);
    assert.equal(await authenticator.ticket(await signed(claims)), undefined);
  });
}

test("verify() refuses tickets that somebody else has signed, and signatures that prove nothing", async (t) => {
  const rsa = await generateKeyPair("RS256", { extractable: true });
  const pem = new TextEncoder().encode(await exportSPKI(rsa.publicKey));
  const { authenticator } = authBench(t, [
    backend,
    { kid: "rsa", tenant: ACME, algorithm: "RS256", key: rsa.publicKey },
  ]);
  const payload = (await signed()).split(".")[1];
  const none = (header: object) =>
    `${Buffer.from(JSON.stringify(header)).toString("base64url")}.${payload}.`;

  assert.notEqual(
    await authenticator.ticket(await signed({}, { kid: "rsa", alg: "RS256", key: rsa.privateKey })),
    undefined,
  );
  for (
    const ticket of [
      none({ alg: "none" }),
      none({ alg: "none", kid: "backend" }),
      await signed({}, { kid: "rsa", key: pem }), // HS256 with the public key for its secret
      await signed({}, { kid: "unknown" }),
      await signed({}, { kid: "" }),
      await signed({}, { key: SECRET }),
      // A backend that poses as the server.
      await signed({ tenant: "other" }, { kid: "synctail" }),
      await signed({}, { alg: "HS512" }), // its key is for another algorithm
      await signed({}, { alg: "HS512", key: new Uint8Array(64).fill(9) }),
      "",
      "a.b.c",
    ]
  ) {
    assert.equal(await authenticator.ticket(ticket), undefined, ticket);
  }
});
