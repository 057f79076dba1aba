/** A certificate that signs itself, made by openssl. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Cleanup } from "./program.ts";
import { tempDirectory } from "./temp.ts";

export interface Certificate {
  /** Paths of the certificate and its key, in PEM. */
  readonly cert: string;
  readonly key: string;
}

/** For the name sync.example, which is not where a test's server is. Throws without openssl. */
export function certificate(t: Cleanup): Certificate {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const [cert, key] = ["cert.pem", "key.pem"].map((name) => join(path, name));
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const subject = ["-subj", "/CN=sync.example", "-addext", "subjectAltName=DNS:sync.example"];
  execFileSync(
    "openssl",
    ["req", ...kind, ...subject, "-days", "2", "-keyout", key, "-out", cert],
    { stdio: "ignore" },
  );
  return { cert, key };
}
