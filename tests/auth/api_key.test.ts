import assert from "node:assert/strict";
import { test } from "node:test";
import {
  digestOf,
  formatApiKey,
  matchesDigest,
  newApiKey,
  NO_DIGEST,
  parseApiKey,
} from "../../src/auth/api_key.ts";

const SECRET = "_-_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_";

test("newApiKey() draws an id and 256 bits, each time others", () => {
  const one = newApiKey();
  const other = newApiKey();

  assert.match(formatApiKey(one), /^st_[0-9a-hjkmnp-tv-z]{10}_[A-Za-z0-9_-]{43}$/);
  assert.notEqual(one.id, other.id);
  assert.notEqual(one.secret, other.secret);
});

test("parseApiKey() takes underscores after the second as part of the secret", () => {
  const key = { id: "0123456789", secret: SECRET };

  assert.deepEqual(parseApiKey(`st_0123456789_${SECRET}`), key);
  assert.deepEqual(parseApiKey(formatApiKey(key)), key);
});

test("parseApiKey() refuses every other form", () => {
  const texts = [
    "",
    "st_",
    "st_0123456789",
    `sk_0123456789_${SECRET}`,
    `st_012345678_${SECRET}`,
    `st_0123456789_${SECRET}a`,
    `st_0123456789_${SECRET}\n`,
    `st_0123456789_${SECRET.replace("a", " ")}`,
    ` st_0123456789_${SECRET}`,
    `st_012345678Ä_${SECRET}`,
  ];

  for (const text of texts) assert.equal(parseApiKey(text), undefined, text);
});

test("matchesDigest() knows the secret from any other", () => {
  const digest = digestOf(SECRET);

  assert.equal(matchesDigest(SECRET, digest), true);
  assert.equal(matchesDigest(`${SECRET}a`, digest), false);
  assert.equal(matchesDigest("", digest), false);
  assert.equal(matchesDigest("", NO_DIGEST), false);
});
