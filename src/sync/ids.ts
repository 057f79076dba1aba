/** Identities: branded strings, each made by one parser. */
import { nodeCrypto } from "../system/node.ts";

/** A tenant's name, of TENANT_FORM. */
export type TenantId = string & { readonly __brand: "TenantId" };
/** A sync job's UUID, lower case. */
export type JobId = string & { readonly __brand: "JobId" };
/** A configured sync's UUID, lower case. */
export type SyncId = string & { readonly __brand: "SyncId" };
/** A few random characters drawn with each job; part of every event id of that job. */
export type Epoch = string & { readonly __brand: "Epoch" };

/** What identifies a job in every store: ids of two tenants may be equal. */
export interface JobKey {
  readonly tenant: TenantId;
  readonly id: JobId;
}

/** `tenant/id`, for maps: neither part can hold a slash. */
export type JobKeyText = string & { readonly __brand: "JobKeyText" };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** The form of a tenant's name, in words. */
export const TENANT_FORM = "1 to 64 of a-z A-Z 0-9 . _ -, starting with a letter or digit";
const TENANT = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;
const SYNC_NAMESPACE = "7c8f7f0e-6d0b-5d5a-9c5e-6f1d3b1f6a52";
const JOB_NAMESPACE = "2f1c6a8e-94d3-5b0f-8a77-d1b5c0e9f346";

/** The tenant where none is named. */
export const DEFAULT_TENANT = "default" as TenantId; // of the form that parseTenantId takes

/** Reads a UUID in any case; undefined when the text is none (RFC 9562 section 4). */
export function parseUuid(text: string): string | undefined {
  const lower = text.toLowerCase();
  return UUID.test(lower) ? lower : undefined;
}

/** Reads a job id; undefined when the text is no UUID. */
export function parseJobId(text: string): JobId | undefined {
  return parseUuid(text) as JobId | undefined; // parseUuid has just proven the form
}

/** Reads a sync id; undefined when the text is no UUID. */
export function parseSyncId(text: string): SyncId | undefined {
  return parseUuid(text) as SyncId | undefined; // parseUuid has just proven the form
}

/** Reads a tenant's name; undefined when it has other characters or a wrong length. */
export function parseTenantId(text: string): TenantId | undefined {
  return TENANT.test(text) ? (text as TenantId) : undefined;
}

/** A fresh random job id (UUID version 4). */
export function newJobId(): JobId {
  return crypto.randomUUID() as JobId; // randomUUID is lower case by its definition
}

/** A fresh epoch: 8 characters of base64url, 48 random bits, no dash (a dash ends the epoch in an event id). */
export function newEpoch(): Epoch {
  return nodeCrypto().randomBytes(6).toString("base64url").replaceAll("-", "x") as Epoch;
}

/** The id of a sync that names none: UUID version 5 of tenant and name, the same on every machine. */
export function deriveSyncId(tenant: TenantId, name: string): SyncId {
  return derivedUuid(SYNC_NAMESPACE, `${tenant}/${name}`) as SyncId; // in the form of a UUID
}

/**
 * The id of a job that several may want to start for one reason: UUID version 5 of tenant and
 * reason. The log creates one job of an id, so what is started for one reason is started once.
 */
export function deriveJobId(tenant: TenantId, reason: string): JobId {
  return derivedUuid(JOB_NAMESPACE, `${tenant}/${reason}`) as JobId; // in the form of a UUID
}

/** @see https://www.rfc-editor.org/rfc/rfc9562#section-5.5 */
function derivedUuid(namespace: string, name: string): string {
  const hash = nodeCrypto().createHash("sha1");
  hash.update(new Uint8Array(hexToBytes(namespace.replaceAll("-", ""))));
  hash.update(name);
  const bytes = new Uint8Array(hash.digest().subarray(0, 16));
  bytes[6] = (bytes[6] & 0x0f) | 0x50;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ];
  return parts.join("-");
}

/** The key as one text, for maps. */
export function keyText(key: JobKey): JobKeyText {
  return `${key.tenant}/${key.id}` as JobKeyText;
}

function hexToBytes(hex: string): number[] {
  return (hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
}
