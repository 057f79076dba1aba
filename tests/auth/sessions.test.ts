import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { SignJWT } from "jose";
import { authBench, SECRET } from "../support/auth.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

test("signIn() opens a session for a key, and what it may do is what the key may", async (t) => {
  const { authenticator, sessions, key } = authBench(t);
  const { key: text, id } = key(["read", "run"]);

  const session = authenticator.signIn({ key: text });
  assert.ok(session);
  const found = await authenticator.session(await sessions.cookie(session));

  assert.deepEqual(found?.principal, {
    tenant: "default",
    scopes: new Set(["read", "run"]),
    keyId: id,
    expiresAtMs: 1_000_000 + 30 * DAY_MS,
    sessionId: session.id,
  });
});

test("signIn() refuses keys that are unknown, revoked or nonsense", (t) => {
  const { authenticator, keys, key } = authBench(t);
  const { key: text, id } = key();
  const other = text.replace(/.$/, (last) => last === "A" ? "B" : "A");

  assert.equal(authenticator.signIn({ key: other }), undefined);
  assert.equal(authenticator.signIn({ key: "" }), undefined);
  keys.revoke(id);
  assert.equal(authenticator.signIn({ key: text }), undefined);
});

test("signIn() takes a link once, within a quarter of an hour, while its key is in force", (t) => {
  const { authenticator, signIns, openSignIns, keys, key, clock } = authBench(t);
  const { id } = key();
  const [once, late, revoked] = [1, 2, 3].map(() => openSignIns().createLink(id));

  const first = authenticator.signIn({ link: once });
  const again = authenticator.signIn({ link: once });
  clock.advance(15 * 60_000);
  const expired = authenticator.signIn({ link: late });
  const fresh = signIns.createLink(id);
  keys.revoke(id);

  assert.equal(first?.keyId, id);
  assert.deepEqual([again, expired], [undefined, undefined]);
  assert.equal(authenticator.signIn({ link: fresh }), undefined);
  assert.equal(authenticator.signIn({ link: revoked }), undefined);
  assert.equal(authenticator.signIn({ link: "" }), undefined);
});

test("createLink() keeps no text that opens a session, for whoever reads its file", (t) => {
  const { signIns, signInFile, key } = authBench(t);

  const link = signIns.createLink(key().id);

  const folder = dirname(signInFile);
  const kept = readdirSync(folder).map((name) => readFileSync(join(folder, name), "latin1")).join();
  assert.ok(kept.includes("links"));
  assert.equal(kept.includes(link), false);
});

test("signIn() draws a new session each time: nobody can know it before", (t) => {
  const { authenticator, key } = authBench(t);
  const { key: text } = key();

  assert.notEqual(authenticator.signIn({ key: text })?.id, authenticator.signIn({ key: text })?.id);
});

test("a cookie holds for 12 hours unless it is renewed, and never beyond 30 days", async (t) => {
  const { authenticator, sessions, key, clock } = authBench(t);
  const session = authenticator.signIn({ key: key().key });
  assert.ok(session);
  const first = await sessions.cookie(session);

  clock.advance(12 * HOUR_MS - 1_000);
  const before = await authenticator.session(first);
  let renewed = await sessions.cookie(session);
  clock.advance(1_000);
  const after = await authenticator.session(first);
  for (let hours = 12; hours < 30 * 24 - 6; hours += 6) {
    assert.notEqual(await authenticator.session(renewed), undefined);
    renewed = await sessions.cookie(session);
    clock.advance(6 * HOUR_MS);
  }
  const last = await authenticator.session(await sessions.cookie(session));
  clock.advance(6 * HOUR_MS);

  assert.notEqual(before, undefined);
  assert.equal(after, undefined);
  assert.notEqual(last, undefined);
  assert.equal(await authenticator.session(await sessions.cookie(session)), undefined);
});

test("a cookie that is renewed by its last one ends 30 days after the sign-in, too", async (t) => {
  const { authenticator, sessions, key, clock } = authBench(t);
  const session = authenticator.signIn({ key: key().key });
  assert.ok(session);
  let cookie = await sessions.cookie(session);

  let hours = 0;
  for (let found = await authenticator.session(cookie); found && hours < 1_000; hours += 6) {
    cookie = await sessions.cookie(found.session);
    clock.advance(6 * HOUR_MS);
    found = await authenticator.session(cookie);
  }

  assert.equal(hours, 30 * 24);
});

test("end() of another session, or of the same once more, gives no ended one back", async (t) => {
  const { authenticator, sessions, openSignIns, key, clock } = authBench(t);
  const text = key().key;
  const [session, other] = [1, 2].map(() => authenticator.signIn({ key: text }));
  assert.ok(session && other);
  const cookie = await sessions.cookie(session);

  sessions.end(session);
  sessions.end(session);
  clock.advance(12 * HOUR_MS - 1_000);
  sessions.end(other);

  assert.equal(await authenticator.session(cookie), undefined);
  assert.equal(openSignIns().hasEnded(session.id), true);
});

test("a session that is ended again when its first end has run out stays ended", (t) => {
  const { signIns, clock } = authBench(t);

  signIns.endSession("s1", clock.now() + HOUR_MS);
  clock.advance(HOUR_MS);
  signIns.endSession("s1", clock.now() + HOUR_MS);

  assert.deepEqual([signIns.hasEnded("s1"), signIns.ends], [true, 1]);
});

test("end() ends a session in this process also on a disk that does not take it", async (t) => {
  const { authenticator, sessions, key } = authBench(t);
  const session = authenticator.signIn({ key: key().key });
  assert.ok(session);
  const cookie = await sessions.cookie(session);
  const { prepare } = DatabaseSync.prototype;
  const restore = () => void (DatabaseSync.prototype.prepare = prepare);
  t.after(restore);
  DatabaseSync.prototype.prepare = function (text) {
    if (text.includes("ended_sessions")) throw new Error("database or disk is full");
    return prepare.call(this, text);
  };

  assert.throws(() => sessions.end(session), /disk is full/);
  restore();

  assert.equal(await authenticator.session(cookie), undefined);
});

test("end() ends a session and all its cookies for good, also across a restart, and forgets it later", async (t) => {
  const { authenticator, sessions, signIns, openSignIns, key, clock } = authBench(t);
  const text = key().key;
  const [session, other] = [1, 2].map(() => authenticator.signIn({ key: text }));
  assert.ok(session && other);
  const cookie = await sessions.cookie(session);
  const principal = (await authenticator.session(cookie))?.principal;
  assert.ok(principal);

  sessions.end(session);

  assert.equal(await authenticator.session(cookie), undefined);
  assert.equal(await authenticator.session(await sessions.cookie(session)), undefined);
  assert.equal(authenticator.lapse(principal, "read"), "signed_out");
  assert.notEqual(await authenticator.session(await sessions.cookie(other)), undefined);
  assert.equal(openSignIns().hasEnded(session.id), true);
  clock.advance(12 * HOUR_MS);
  sessions.end(other);
  assert.equal(signIns.ends, 1); // no cookie of the first can be good any more
});

test("a session ends with its key", async (t) => {
  const { authenticator, sessions, keys, key } = authBench(t);
  const { key: text, id } = key();
  const session = authenticator.signIn({ key: text });
  assert.ok(session);
  const cookie = await sessions.cookie(session);
  const principal = (await authenticator.session(cookie))?.principal;
  assert.ok(principal);

  keys.revoke(id);

  assert.equal(await authenticator.session(cookie), undefined);
  assert.equal(authenticator.lapse(principal, "read"), "revoked");
});

test("session() refuses cookies that were changed, made elsewhere or are something else", async (t) => {
  const { authenticator, sessions, tickets, key, clock } = authBench(t);
  const { key: text, id } = key();
  const session = authenticator.signIn({ key: text });
  assert.ok(session);
  const good = await sessions.cookie(session);
  const [header, payload, signature] = good.split(".");
  const jwt = (audience: string, secret = SECRET, alg = "HS256") =>
    new SignJWT({ auth_time: 1_000 }).setProtectedHeader({ alg }).setAudience(audience)
      .setSubject(id).setJti("s").setExpirationTime(2_000).sign(secret);
  const ticket = await tickets.sign({
    tenant: key().tenant,
    keyId: id,
    binding: {},
    expiresAtMs: clock.now() + HOUR_MS,
  });

  assert.notEqual(await authenticator.session(await jwt("synctail:session")), undefined);
  for (
    const cookie of [
      "",
      "..",
      text,
      ticket,
      await jwt("synctail:ticket"),
      await jwt("synctail:session", new Uint8Array(32)),
      await jwt("synctail:session", new Uint8Array(64).fill(7), "HS512"),
      `${header}.${payload}.`,
      `${header}.${payload}.${signature.replace(/^./, (c) => c === "A" ? "B" : "A")}`,
      `${btoa('{"alg":"none"}').replaceAll("=", "")}.${payload}.`,
    ]
  ) {
    assert.equal(await authenticator.session(cookie), undefined, cookie);
  }
});

test("a cookie, a ticket and a key are good for nothing in each other's place", async (t) => {
  const { authenticator, sessions, tickets, key, clock } = authBench(t);
  const { key: text, id, tenant } = key();
  const session = authenticator.signIn({ key: text });
  assert.ok(session);
  const cookie = await sessions.cookie(session);
  const expiresAtMs = clock.now() + HOUR_MS;
  const ticket = await tickets.sign({ tenant, keyId: id, binding: {}, expiresAtMs });

  assert.equal(await authenticator.ticket(cookie), undefined);
  assert.equal(await authenticator.ticket(text), undefined);
  assert.equal(await authenticator.bearer(cookie), undefined);
  assert.equal(await authenticator.bearer(ticket), undefined);
  assert.equal(authenticator.signIn({ key: ticket }), undefined);
  assert.equal(authenticator.signIn({ key: cookie }), undefined);
  assert.notEqual(await authenticator.bearer(text), undefined);
  assert.notEqual(await authenticator.ticket(ticket), undefined);
});
