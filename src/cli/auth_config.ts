/** Identity providers and ticket keys that the server trusts, and the files that hold secrets. */
import type { Buffer } from "node:buffer";
import type { KeyObject } from "node:crypto";
import type { IdentityProvider } from "../auth/identity_providers.ts";
import type { TicketKey } from "../auth/tickets.ts";
import { nodeCrypto, nodeFs } from "../system/node.ts";
import { whyUnreadable } from "../reason.ts";
import { ConfigError } from "./config_error.ts";

const SECRET_BYTES_MIN = 32;
/** LF and CR, as bytes. */
const LINE_END = [10, 13];

/** Whom the server trusts besides its own keys. */
export interface AuthConfig {
  readonly providers: readonly IdentityProvider[];
  readonly ticketKeys: readonly TicketKeyFile[];
}

/** A ticket key whose file has not been read yet. */
export interface TicketKeyFile extends Omit<TicketKey, "key"> {
  /** Absolute. */
  readonly path: string;
}

export const NO_AUTH: AuthConfig = { providers: [], ticketKeys: [] };

/** Reads the keys' files. @throws {ConfigError} */
export async function readTicketKeys(files: readonly TicketKeyFile[]): Promise<TicketKey[]> {
  return await Promise.all(files.map(async ({ path, ...rest }) => {
    const key = rest.algorithm === "HS256"
      ? readSecret(path)
      : await readPublicKey(path, rest.algorithm);
    return { ...rest, key };
  }));
}

/** Reads a secret of at least 32 bytes, without line ends behind it. @throws {ConfigError} */
export function readSecret(path: string): Uint8Array {
  const bytes = readBytes(path);
  let length = bytes.length;
  while (length > 0 && LINE_END.includes(bytes[length - 1])) length--;
  const secret = new Uint8Array(bytes.subarray(0, length));
  if (secret.length >= SECRET_BYTES_MIN) return secret;
  throw new ConfigError([`${path}: expected a secret of at least ${SECRET_BYTES_MIN} bytes`]);
}

/** Reads a file as UTF-8. @throws {ConfigError} when it cannot be read */
export function readText(path: string): string {
  return readBytes(path).toString("utf8");
}

function readBytes(path: string): Buffer {
  try {
    return nodeFs().readFileSync(path);
  } catch (cause) {
    throw new ConfigError([`${path}: ${whyUnreadable(cause)}`], { cause });
  }
}

async function readPublicKey(path: string, algorithm: string): Promise<CryptoKey> {
  const pem = readText(path);
  const { importSPKI } = await import("jose");
  try {
    return await importSPKI(pem, algorithm);
  } catch (cause) {
    throw new ConfigError([`${path}: expected a public key in PEM, for ${algorithm}`], { cause });
  }
}

/** The certificate chain and its key. @throws {ConfigError} for a bad file, or keys that differ */
export function readTls(certPath: string, keyPath: string): { cert: string; key: string } {
  const cert = readText(certPath);
  const key = readText(keyPath);
  const certified = publicKeyIn(certPath, "a certificate in PEM", () => {
    if (!cert.includes("-----BEGIN CERTIFICATE-----")) throw new TypeError("It is something else");
    return cert;
  });
  const form = key.includes("ENCRYPTED")
    ? "a private key without a passphrase"
    : "a private key in PEM";
  const own = publicKeyIn(keyPath, form, () => nodeCrypto().createPrivateKey(key));
  if (own !== certified) {
    throw new ConfigError([`${keyPath}: it is not the key of the certificate ${certPath}`]);
  }
  return { cert, key };
}

/** The public key of what is read from a file. @throws {ConfigError} where that is not `form` */
function publicKeyIn(path: string, form: string, read: () => string | KeyObject) {
  try {
    return nodeCrypto().createPublicKey(read()).export({ type: "spki", format: "pem" });
  } catch (cause) {
    throw new ConfigError([`${path}: expected ${form}`], { cause });
  }
}
