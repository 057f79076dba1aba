import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createSecure } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { unreached } from "../../src/client/unreached.ts";
import { certificate } from "../support/certificate.ts";
import { freePort } from "../support/free_port.ts";
import type { Cleanup } from "../support/program.ts";

/** Where a server listens, which does that to each connection that has asked. */
async function peer(t: Cleanup, act: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => act(socket));
  });
  return `127.0.0.1:${await port(t, server)}`;
}

async function port(t: Cleanup, server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => void server.close());
  return (server.address() as AddressInfo).port; // it listens on a port
}

/** What the runtime's own fetch fails with, in our words. */
async function saidOf(url: string, signal?: AbortSignal) {
  try {
    await (await fetch(url, { signal })).text();
  } catch (cause) {
    return unreached(url, cause);
  }
  throw new Error(`${url} has answered`);
}

test("unreached() says who was asked and that nobody listens there", async () => {
  const free = await freePort();

  const { kind, words } = await saidOf(`http://127.0.0.1:${free}/v1/sync`);

  assert.equal(kind, "refused");
  assert.equal(words, `cannot reach http://127.0.0.1:${free}: connection refused`);
});

test("unreached() says that the connection was closed, before an answer and within one", async (t) => {
  const begun = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
  for (
    const act of [
      (socket: Socket) => void socket.resetAndDestroy(),
      (socket: Socket) => void socket.end(),
      (socket: Socket) => void socket.end(begun),
    ]
  ) {
    const { kind, reason } = await saidOf(`http://${await peer(t, act)}/`);

    assert.deepEqual([kind, reason], ["closed", "the connection was closed"]);
  }
});

test("unreached() says that there is no such host", async () => {
  const { kind, words } = await saidOf("https://nobody.invalid/");

  assert.equal(kind, "name");
  // Where no name server answers nobody knows.
  assert.match(
    words,
    /^cannot reach https:\/\/nobody\.invalid:443: (?:there is no host of that name|its name cannot be looked up now)$/,
  );
});

test("unreached() tells a name that is not there from one that cannot be looked up", () => {
  const deno = (why: string) =>
    new TypeError("fetch failed", {
      cause: new Error(
        `client error (Connect): dns error: failed to lookup address information: ${why}`,
      ),
    });
  const bun = (code: string) =>
    Object.assign(new TypeError(`getaddrinfo ${code} nas.local`), { code });

  const reasonsOf = (causes: readonly Error[]) =>
    causes.map((cause) => unreached("http://nas.local/", cause).reason);

  assert.deepEqual(
    reasonsOf([deno("Name or service not known"), bun("ENOTFOUND")]),
    Array(2).fill("there is no host of that name"),
  );
  assert.deepEqual(
    reasonsOf([deno("Temporary failure in name resolution"), bun("EAI_AGAIN")]),
    Array(2).fill("its name cannot be looked up now"),
  );
});

test("unreached() says that no answer came in time", async (t) => {
  const asked = await peer(t, () => late.abort(new DOMException("late", "TimeoutError")));
  const late = new AbortController();

  const { kind, reason } = await saidOf(`http://${asked}/`, late.signal);

  assert.deepEqual([kind, reason], ["late", "no answer in time"]);
});

test("unreached() says that a certificate is not trusted", async (t) => {
  const { cert, key } = certificate(t);
  const server = createSecure({ cert: readFileSync(cert), key: readFileSync(key) });
  server.on("tlsClientError", () => {});

  const { kind, reason } = await saidOf(`https://127.0.0.1:${await port(t, server)}/`);

  assert.deepEqual([kind, reason], ["certificate", "its certificate is not trusted here"]);
});

test("unreached() says that what answers speaks something else", async (t) => {
  const asked = await peer(t, (socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"));

  const plain = await saidOf(`http://${asked}/`);
  const secure = await saidOf(`https://${asked}/`);

  assert.deepEqual([plain.kind, secure.kind], ["protocol", "protocol"]);
});

test("unreached() has words for what is no URL that can be asked", () => {
  for (const url of ["127.0.0.1:8017/v1", "ftp://x/v1", ""]) {
    assert.equal(unreached(url, new TypeError("Odd")).words, `cannot reach ${url}: Odd`);
  }
});

test("unreached() names the port that a URL leaves out", () => {
  const [plain, secure] = ["http://host/v1", "https://host/v1"].map((url) =>
    unreached(url, undefined)
  );

  assert.deepEqual([plain.at, secure.at], ["http://host:80", "https://host:443"]);
});

test("unreached() ends with an error that is its own cause", () => {
  const cause: Error = new Error("round");
  cause.cause = cause;

  assert.equal(unreached("http://host/", cause).reason, "round");
});

for (
  const [what, cause, kind, reason] of [
    [
      "a name that is not the certificate's (Deno)",
      new TypeError("fetch failed", {
        cause: new Error('invalid peer certificate: certificate not valid for name "127.0.0.1"'),
      }),
      "certificate",
      "its certificate is for another name",
    ],
    [
      "a name that is not the certificate's (Bun)",
      Object.assign(new TypeError("ERR_TLS_CERT_ALTNAME_INVALID fetching"), {
        code: "ERR_TLS_CERT_ALTNAME_INVALID",
      }),
      "certificate",
      "its certificate is for another name",
    ],
    [
      "a certificate that has expired (Deno)",
      new TypeError("fetch failed", {
        cause: new Error("invalid peer certificate: certificate expired: verification time 2"),
      }),
      "certificate",
      "its certificate is out of date",
    ],
    [
      "a certificate that has expired (Bun)",
      Object.assign(new TypeError("certificate has expired"), { code: "CERT_HAS_EXPIRED" }),
      "certificate",
      "its certificate is out of date",
    ],
    [
      "a port that Deno does not ask",
      new TypeError("Fetch failed: Requests to port 9 are blocked"),
      "port",
      "Deno asks nothing of this port, as browsers do not",
    ],
    [
      "what nobody has words for, without a runtime's advice",
      new TypeError(
        "Odd. For more information, pass `verbose: true` in the second argument to fetch()",
      ),
      "other",
      "Odd.",
    ],
    [
      "a certificate that is not good yet (Deno)",
      new TypeError("fetch failed", {
        cause: new Error("invalid peer certificate: certificate not valid yet: verification time"),
      }),
      "certificate",
      "its certificate is out of date",
    ],
    [
      "a certificate that is not good yet (Bun)",
      Object.assign(new Error("self-signed"), { code: "CERT_NOT_YET_VALID" }),
      "certificate",
      "its certificate is out of date",
    ],
    [
      "a host to which no network leads (Deno)",
      new TypeError("error sending request", {
        cause: new Error("client error (Connect): No route to host (os error 113)"),
      }),
      "route",
      "no network leads there",
    ],
    [
      "a host to which no network leads (node:net)",
      Object.assign(new Error("connect"), { code: "ENETUNREACH" }),
      "route",
      "no network leads there",
    ],
    [
      "an answer that was called off",
      new DOMException("The operation was aborted", "AbortError"),
      "late",
      "no answer in time",
    ],
    [
      "another certificate than that of the data directory's server",
      new Error("https://h has another certificate than the server of the data directory"),
      "certificate",
      "it has another certificate than the server of the data directory",
    ],
    [
      "the innermost of several that nobody has words for",
      new TypeError("fetch failed", { cause: new Error("odd", { cause: "odder" }) }),
      "other",
      "odder",
    ],
    ["what is no error", undefined, "other", "the request failed"],
  ] as const
) {
  test(`unreached() knows ${what}`, () => {
    const said = unreached("https://127.0.0.1:1/", cause);

    assert.deepEqual([said.kind, said.reason], [kind, reason]);
  });
}
