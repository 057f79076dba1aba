/** The text of an API key, `st_<id>_<secret>`, and what is kept of it. */
import { nodeCrypto } from "../node_crypto.ts";

/** 32 letters and digits, so that five random bits are one; without i, l, o and u, often misread. */
const ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const ID_LENGTH = 10;
const SECRET_BYTES = 32;
/** What tells a key from a token, which is never of this beginning. */
export const KEY_START = "st_";
/** The secret may hold underscores itself: it is all that follows the second one. */
const FORM = /^st_([0-9a-z]{10})_([A-Za-z0-9_-]{43})$/;

/** A key taken apart. The id may be shown and logged; the secret may not. */
export interface ApiKey {
  readonly id: string;
  readonly secret: string;
}

/** A fresh key: an id to look it up by and 256 random bits in base64url. */
export function newApiKey(): ApiKey {
  const { randomBytes } = nodeCrypto();
  const letters = Array.from(randomBytes(ID_LENGTH), (byte) => ID_ALPHABET[byte % 32]);
  return {
    id: letters.join(""),
    secret: randomBytes(SECRET_BYTES).toString("base64url"),
  };
}

/** The text that its owner keeps: shown once, stored nowhere. */
export function formatApiKey({ id, secret }: ApiKey): string {
  return `st_${id}_${secret}`;
}

/** Takes a key's text apart; undefined when it has another form. */
export function parseApiKey(text: string): ApiKey | undefined {
  const match = FORM.exec(text);
  return match ? { id: match[1], secret: match[2] } : undefined;
}

/**
 * What is stored of a secret: its SHA-256, as hex.
 *
 * No salt and no slow hash: those are for guessable words, and 256 random bits are none.
 */
export function digestOf(secret: string): string {
  return nodeCrypto().hash("sha256", secret);
}

/** Stands in for the digest of an unknown id, so that looking for one takes no less time. */
export const NO_DIGEST: string = "0".repeat(64);

/**
 * Whether the secret is the one that was stored. How long it takes may tell how nearly its digest is
 * the stored one, which leads to no secret: nobody finds text for a digest, nor for its beginning.
 */
export function matchesDigest(secret: string, digest: string): boolean {
  return digestOf(secret) === digest;
}
