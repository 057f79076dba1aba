/** The text of an API key, `st_<id>_<secret>`, and what is kept of it. */
import { nodeCrypto } from "../system/node.ts";

/** 32 characters, five random bits each; without i, l, o and u, which are often misread. */
const ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const ID_LENGTH = 10;
const SECRET_BYTES = 32;
/** How every API key begins, and no token. */
export const KEY_START = "st_";
/** The secret is all that follows the second underscore: it may hold underscores itself. */
const FORM = /^st_([0-9a-z]{10})_([A-Za-z0-9_-]{43})$/;
/** Finds a key in a longer text. */
export const KEY_INSIDE: RegExp = /st_[0-9a-z]{10}_[A-Za-z0-9_-]{43}/;

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
 * No salt and no slow hash: they protect words that can be guessed, not 256 random bits.
 */
export function digestOf(secret: string): string {
  return nodeCrypto().hash("sha256", secret);
}

/** Compared when the id is unknown, so that an unknown id takes as long as a known one. */
export const NO_DIGEST: string = "0".repeat(64);

/**
 * Whether the stored digest is that of the secret. The comparison need not take constant time: how
 * much of a digest matches leads nobody to the secret.
 */
export function matchesDigest(secret: string, digest: string): boolean {
  return digestOf(secret) === digest;
}
