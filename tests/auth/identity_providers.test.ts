import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { exportSPKI, generateKeyPair, SignJWT } from "jose";
import { IdentityProviders, ProviderUnreachableError } from "../../src/auth/identity_providers.ts";
import { JWKS_BYTES_MAX } from "../../src/auth/jwks_fetch.ts";
import type { TenantId } from "../../src/sync/ids.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { issuer } from "../support/issuer.ts";
import { serverLog } from "../support/server_log.ts";

/** The moment at which a FakeClock starts. */
const nowMs = 1_000_000;

for (const algorithm of ["RS256", "PS256", "ES256", "ES384", "EdDSA"]) {
  test(`verify() tells whom a token of ${algorithm} stands for, and until when`, async (t) => {
    const { provider, sign } = await issuer(t, { algorithm, nowMs });
    const providers = new IdentityProviders([provider], new FakeClock());

    const principal = await providers.verify(
      await sign({ tenant: "acme", scope: "openid read run mail" }),
    );

    assert.deepEqual(principal, {
      tenant: "acme",
      scopes: new Set(["read", "run"]),
      keyId: null,
      expiresAtMs: 4_605_000,
    });
  });
}

for (
  const [what, claims, header] of [
    ["of another issuer", { iss: "https://elsewhere.example" }, {}],
    ["without an issuer", { iss: undefined }, {}],
    ["of another audience", { aud: "https://other.example" }, {}],
    ["without an audience", { aud: undefined }, {}],
    ["without an end", { exp: undefined }, {}],
    ["whose end is a text", { exp: "2099" }, {}],
    ["that has expired", { exp: 990 }, {}],
    ["that is not good yet", { nbf: 1_100 }, {}],
    ["for signing out", {}, { typ: "logout+jwt" }],
    ["for another purpose", {}, { typ: "secevent+jwt" }],
    ["of a type that is a number", {}, { typ: 1 as unknown as string }],
    ["of a type that is null", {}, { typ: null as unknown as string }],
    ["without a tenant", { tenant: undefined }, {}],
    ["with several tenants", { tenant: ["acme", "other"] }, {}],
    ["with one tenant in a list", { tenant: ["acme"] }, {}],
    ["with an empty tenant", { tenant: "" }, {}],
    ["with a tenant of other characters", { tenant: "acme/other" }, {}],
    ["with a tenant that is an object", { tenant: { name: "acme" } }, {}],
  ] as const
) {
  test(`verify() refuses a token ${what}`, async (t) => {
    const { provider, sign } = await issuer(t, { nowMs });
    const providers = new IdentityProviders([provider], new FakeClock());
    const [good, bad] = [await sign(), await sign(claims, header)];

    assert.notEqual(await providers.verify(good), undefined);
    assert.equal(await providers.verify(bad), undefined);
  });
}

test("verify() takes a token until its right ends, a little after its `exp` as clocks differ", async (t) => {
  const { provider, sign } = await issuer(t, { nowMs });
  const clock = new FakeClock();
  const providers = new IdentityProviders([provider], clock);
  const token = await sign({ exp: 998 });

  assert.equal((await providers.verify(token))?.expiresAtMs, 1_003_000);
  clock.advance(2_999);
  assert.notEqual(await providers.verify(token), undefined);
  clock.advance(1);
  assert.equal(await providers.verify(token), undefined);
});

test("verify() takes the types of access tokens", async (t) => {
  const { provider, sign } = await issuer(t, { nowMs });
  const providers = new IdentityProviders([provider], new FakeClock());

  for (const typ of ["JWT", "at+jwt", "application/at+jwt"]) {
    assert.notEqual(await providers.verify(await sign({}, { typ })), undefined, typ);
  }
});

test("verify() refuses what somebody else has signed, and signatures that prove nothing", async (t) => {
  const { provider, sign } = await issuer(t, { nowMs });
  const providers = new IdentityProviders([provider], new FakeClock());
  const good = await sign();
  const [header, payload, signature] = good.split(".");
  const withHeader = (given: object, sign = "") =>
    `${Buffer.from(JSON.stringify(given)).toString("base64url")}.${payload}.${sign}`;
  const stranger = await generateKeyPair("RS256", { extractable: true });
  const forged = new SignJWT(JSON.parse(atob(payload))).setProtectedHeader({
    alg: "RS256",
    kid: "key-0",
  });
  // The public key of RS256 taken for the secret of HS256.
  const confused = new SignJWT(JSON.parse(atob(payload)))
    .setProtectedHeader({ alg: "HS256", kid: "key-0" })
    .sign(new TextEncoder().encode(await exportSPKI(stranger.publicKey)));
  const changed = Buffer.from(atob(payload).replace('"default"', '"other"')).toString("base64url");

  for (
    const token of [
      withHeader({ alg: "none" }),
      withHeader({ alg: "None", kid: "key-0" }),
      withHeader({ alg: "RS512", kid: "key-0" }, signature),
      await forged.sign(stranger.privateKey),
      await confused,
      `${header}.${changed}.${signature}`,
      `${header}.${payload}.`,
      `${header}.${payload}`,
      "..",
      "",
    ]
  ) {
    assert.equal(await providers.verify(token), undefined, token);
  }
  assert.notEqual(await providers.verify(good), undefined);
});

test("verify() finds tenant and scopes in claims of other names, and scopes by their prefix", async (t) => {
  const { provider, sign } = await issuer(t, {
    nowMs,
    tenantClaim: "https://acme.example/tenant",
    scopeClaim: "permissions",
    scopePrefix: "synctail:",
  });
  const providers = new IdentityProviders([provider], new FakeClock());

  const principal = await providers.verify(
    await sign({
      tenant: "wrong",
      "https://acme.example/tenant": "acme",
      // Another application's scope is none of ours, be its prefix as long.
      permissions: ["synctail:read", "run", "timetail:run", "synctail:nothing", 7],
      scope: "write",
    }),
  );

  assert.deepEqual([principal?.tenant, principal?.scopes], ["acme", new Set(["read"])]);
});

test("verify() takes a provider's one tenant for all its tokens, whatever they claim", async (t) => {
  const { provider, sign } = await issuer(t, { nowMs, tenant: "acme" as TenantId });
  const providers = new IdentityProviders([provider], new FakeClock());

  assert.equal((await providers.verify(await sign({ tenant: "other" })))?.tenant, "acme");
});

test("verify() never grants the scope tenants by a token", async (t) => {
  const { provider, sign } = await issuer(t, { nowMs, tenant: "acme" as TenantId });
  const providers = new IdentityProviders([provider], new FakeClock());

  const principal = await providers.verify(await sign({ scope: "read tenants" }));

  assert.deepEqual(principal?.scopes, new Set(["read"]));
});

test("verify() takes a token without a scope for one that may do nothing", async (t) => {
  const { provider, sign } = await issuer(t, { nowMs });
  const providers = new IdentityProviders([provider], new FakeClock());

  for (const scope of [undefined, "", null, { read: true }, 7]) {
    assert.deepEqual((await providers.verify(await sign({ scope })))?.scopes, new Set());
  }
});

test("verify() follows a rotation of keys, and asks once for one that nobody knows", async (t) => {
  const clock = new FakeClock();
  const rotating = await issuer(t, { nowMs });
  const providers = new IdentityProviders([rotating.provider], clock);
  const old = await rotating.sign();
  await providers.verify(old);
  const before = rotating.asked();

  await rotating.rotate();
  clock.advance(30_000);
  const fresh = await providers.verify(await rotating.sign());
  const after = rotating.asked();
  const gone = await providers.verify(old);

  assert.deepEqual([before, after], [1, 2]);
  assert.notEqual(fresh, undefined);
  assert.equal(gone, undefined);
});

test("verify() keeps keys for ten minutes, however the clock is set meanwhile", async (t) => {
  const clock = new FakeClock();
  const { provider, sign, asked, rotate } = await issuer(t, { nowMs });
  const providers = new IdentityProviders([provider], clock);
  const old = await sign();
  await providers.verify(old);

  await rotate();
  clock.set(nowMs - 86_400_000);
  clock.advance(599_999);
  const kept = await providers.verify(old);
  const before = asked();
  clock.advance(1);
  const gone = await providers.verify(old);

  assert.notEqual(kept, undefined);
  assert.equal(gone, undefined);
  assert.deepEqual([before, asked()], [1, 2]);
});

test("verify() asks no provider again and again for keys that it does not have", async (t) => {
  const clock = new FakeClock();
  const { provider, sign, asked } = await issuer(t, { nowMs });
  const providers = new IdentityProviders([provider], clock);
  await providers.verify(await sign());
  clock.advance(29_999);

  for (let n = 0; n < 20; n++) {
    assert.equal(await providers.verify(await sign({}, { kid: `guess-${n}` })), undefined);
  }

  assert.equal(asked(), 1);
});

test("verify() says that a provider cannot be reached, asks again only after five seconds, and knows tokens then", async (t) => {
  const clock = new FakeClock();
  const { provider, sign, asked, answerWith } = await issuer(t, { nowMs });
  const providers = new IdentityProviders([provider], clock);
  const token = await sign();
  answerWith((response) => response.writeHead(500).end());

  for (let n = 0; n < 10; n++) {
    await assert.rejects(providers.verify(token), ProviderUnreachableError);
  }
  const during = asked();
  answerWith(undefined);
  clock.advance(5_000);
  const principal = await providers.verify(token);

  assert.equal(during, 1);
  assert.equal(principal?.tenant, "default");
});

for (
  const [what, answer] of [
    ["redirects", (r) => r.writeHead(302, { Location: "/elsewhere" }).end()],
    ["sends too much", (r) => r.end(`{"keys": [], "x": "${"x".repeat(JWKS_BYTES_MAX)}"}`)],
    ["sends too much without an end", (r) => {
      const more = () => void (!r.destroyed && r.write("x".repeat(65_536), more));
      more();
    }],
    ["sends no JSON", (r) => r.end("<html>")],
    ["sends null", (r) => r.end("null")],
    ["sends something else", (r) => r.end('{"keys": {}}')],
    ["sends a list of something else", (r) => r.end('{"keys": [null]}')],
    ["breaks off", (r) => void r.socket?.destroy()],
    ["never answers", () => {}],
    ["never ends its answer", (r) => void r.write('{"keys": [')],
  ] as [string, NonNullable<Parameters<Awaited<ReturnType<typeof issuer>>["answerWith"]>[0]>][]
) {
  test(`verify() says that a provider cannot be reached when it ${what}, and asks it no more than once`, async (t) => {
    const { provider, sign, asked, answerWith } = await issuer(t, { nowMs });
    const providers = new IdentityProviders([provider], new FakeClock(), { fetchMs: 500 });
    const token = await sign();
    answerWith(answer);

    await assert.rejects(providers.verify(token), ProviderUnreachableError);
    await assert.rejects(providers.verify(token), ProviderUnreachableError);
    // A request that the machine was too slow to bring there in time was not counted.
    assert.ok(asked() <= 1, `${asked()} requests`);
  });
}

test("verify() says that a provider cannot be reached when nobody listens, and tells nobody a password", async (t) => {
  const log = await serverLog(t, "auth");
  const { provider, sign, stop } = await issuer(t, { nowMs });
  const { jwksUrl } = provider;
  const guarded = { ...provider, jwksUrl: jwksUrl.replace("//", "//user:secret@") };
  const providers = new IdentityProviders([guarded], new FakeClock());
  const token = await sign();
  await stop();

  await assert.rejects(providers.verify(token), (error) => {
    assert.ok(error instanceof ProviderUnreachableError && error.cause instanceof Error);
    assert.equal(error.cause.message, `Cannot fetch "${jwksUrl}": connection refused`);
    return true;
  });
  assert.deepEqual(log, [`error: The key set ${jwksUrl} cannot be had: connection refused`]);
});
