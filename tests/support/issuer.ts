/** An identity provider on this machine: it serves its key set and signs tokens. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  exportJWK,
  generateKeyPair,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
} from "jose";
import type { IdentityProvider } from "../../src/auth/identity_providers.ts";
import type { Cleanup } from "./program.ts";

export const AUDIENCE = "https://sync.example";

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

/** Pairs that no issuer has now, by their algorithm: to make one of RSA can take a second. */
const spare = new Map<string, Pair[]>();

export interface Issuer {
  readonly provider: IdentityProvider;
  readonly url: string;
  /** How often its key set was asked for. */
  readonly asked: () => number;
  /** Puts another way of answering in the place of the key set; undefined for the key set. */
  answerWith(answer: ((response: ServerResponse) => void) | undefined): void;
  /** A new key in the place of the present one. */
  rotate(): Promise<void>;
  /** A token of these claims beside the usual ones; a claim that is undefined is left out. */
  sign(
    claims?: Record<string, unknown>,
    header?: Partial<JWTHeaderParameters>,
  ): Promise<string>;
  stop(): Promise<void>;
}

/** @param nowMs what the tokens' `iat` and `exp` (in one hour) start from */
export async function issuer(
  t: Cleanup,
  { algorithm = "RS256", nowMs = Date.now(), ...changes }:
    & { algorithm?: string; nowMs?: number }
    & Partial<IdentityProvider> = {},
): Promise<Issuer> {
  let asked = 0;
  let kid = 0;
  let answer: ((response: ServerResponse) => void) | undefined;
  const spares = spare.get(algorithm) ?? [];
  spare.set(algorithm, spares);
  const taken: Pair[] = [];
  const another = async () => {
    const pair = spares.pop() ?? await generateKeyPair(algorithm, { extractable: true });
    taken.push(pair);
    return pair;
  };
  let pair = await another();
  t.after(() => void spares.push(...taken));
  const server = createServer(async (_, response) => {
    asked++;
    if (answer) return answer(response);
    const jwk = { ...await exportJWK(pair.publicKey), kid: `key-${kid}`, alg: algorithm };
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ keys: [jwk] }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  let stopped: Promise<void> | undefined;
  const stop = () =>
    stopped ??= new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  t.after(stop);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    provider: {
      issuer: url,
      audience: AUDIENCE,
      jwksUrl: `${url}/jwks.json`,
      algorithms: [algorithm],
      tenantClaim: "tenant",
      scopeClaim: "scope",
      scopePrefix: "",
      ...changes,
    },
    asked: () => asked,
    answerWith: (given) => void (answer = given),
    async rotate() {
      kid++;
      pair = await another();
    },
    async sign(claims = {}, header = {}) {
      const now = Math.floor(nowMs / 1000);
      const payload: JWTPayload = {
        iss: url,
        aud: AUDIENCE,
        iat: now,
        exp: now + 3_600,
        tenant: "default",
        scope: "read",
        ...claims,
      };
      for (const [name, value] of Object.entries(payload)) {
        if (value === undefined) delete payload[name];
      }
      return await new SignJWT(payload)
        .setProtectedHeader({ alg: algorithm, kid: `key-${kid}`, ...header })
        .sign(pair.privateKey);
    },
    stop,
  };
}
