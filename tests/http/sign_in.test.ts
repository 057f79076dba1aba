import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { SignInStore } from "../../src/auth/sign_in_store.ts";
import { SIGN_IN_FILE } from "../../src/log/data_directory.ts";
import { systemClock } from "../../src/clock.ts";
import { TENANT } from "../support/log_contract.ts";
import { StreamReader } from "../support/stream_bench.ts";
import { curl } from "../support/curl.ts";
import { cookieOf, type RawAnswer, rawRequest } from "../support/raw_request.ts";
import { type TestServer, testServer } from "../support/server.ts";

/** A session's cookie, as a browser that was given a key would send it. */
async function signedIn(server: TestServer, key = server.key()): Promise<string> {
  const answer = await signIn(server, { key });
  const cookie = cookieOf(answer);
  assert.ok(cookie);
  return cookie;
}

function signIn(
  server: TestServer,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<RawAnswer> {
  return rawRequest(`${server.url}/v1/session`, { method: "POST", headers, body });
}

test("a stranger's long body is refused as it comes, and not held until it ends", async (t) => {
  const server = await testServer(t);
  const begun = `{"key": "${"x".repeat(4_096)}`;
  const lengths = ["Content-Length: 60000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n1009\r\n"];

  const statuses = await Promise.all(lengths.map(async (length) => {
    const socket = connect(server.port, "127.0.0.1");
    t.after(() => void socket.destroy());
    socket.write(
      "POST /v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
        `${length}${begun}`,
    );
    const [bytes] = await once(socket, "data");
    return Number(String(bytes).split(" ")[1]);
  }));
  const whole = await signIn(server, { key: "x".repeat(200) });

  assert.deepEqual([...statuses, whole.status], [413, 413, 401]);
});

test("a stranger's long body is refused as it comes, also where neither its type nor its length is told", async (t) => {
  const server = await testServer(t);
  // Over HTTP/2 no header tells that there is a body. Bun speaks HTTP/1.1 alone.
  const bun = "Bun" in globalThis;
  const how = bun ? ["-H", "Transfer-Encoding: chunked"] : ["--http2-prior-knowledge"];
  const sent = ["-H", "Content-Type:", "-H", "Content-Length:", "-d", "x".repeat(4_097)];
  const url = `${server.url}/v1/session`;

  const asked = curl(t, [...how, ...sent, "-o", "/dev/null", "-w", "%{http_code}", url]);

  // In chunks the first one tells that there is a body, and no more of it is looked at.
  assert.deepEqual([await asked.code, asked.text()], [0, bun ? "415" : "413"]);
});

test("POST /v1/session exchanges a key for a cookie that scripts cannot read and other sites cannot use", async (t) => {
  const server = await testServer(t);

  const answer = await signIn(server, { key: server.key(["read", "run"]) }, {
    Origin: server.url,
    "Sec-Fetch-Site": "same-origin",
  });

  assert.equal(answer.status, 200);
  assert.deepEqual(answer.json, {
    tenant: "default",
    scopes: ["read", "run"],
    stall_after_s: 86_400,
  });
  const [cookie] = answer.headers["set-cookie"] ?? [];
  assert.match(
    cookie,
    new RegExp(`^synctail_${server.port}=[^;]+; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict$`),
  );
  assert.equal(answer.text.includes("st_"), false);
});

test("the cookie is Secure and below the prefix where people come by https to one", async (t) => {
  const server = await testServer(t, { publicUrl: "https://public.example/sync" });

  const [cookie] = (await signIn(server, { key: server.key() })).headers["set-cookie"] ?? [];

  assert.match(
    cookie,
    /^synctail_443=[^;]+; Max-Age=43200; Path=\/sync\/; HttpOnly; Secure; SameSite=Strict$/,
  );
});

test("the cookie of a server behind a trusted proxy is the one of the name that the proxy tells", async (t) => {
  const server = await testServer(t, { trustProxy: "127.0.0.1", allowedHosts: "sync.example" });
  const headers = { "X-Forwarded-Host": "sync.example", "X-Forwarded-Proto": "https" };

  const answer = await signIn(server, { key: server.key() }, {
    ...headers,
    Origin: "https://sync.example",
  });
  const cookie = cookieOf(answer) ?? "";
  const read = await rawRequest(`${server.url}/v1/session`, {
    headers: { ...headers, Cookie: cookie },
  });

  assert.match(answer.headers["set-cookie"]?.[0] ?? "", /^synctail_443=.* Secure;/);
  assert.equal(read.status, 200);
});

test("POST /v1/session says in clear words what is wrong with what it was given", async (t) => {
  const server = await testServer(t);
  const details: string[] = [];

  for (const body of [{ key: "st_nonsense" }, { link: "nonsense" }]) {
    const answer = await signIn(server, body);
    assert.equal(answer.status, 401);
    assert.equal(answer.headers["set-cookie"], undefined);
    assert.match(`${answer.headers["www-authenticate"]}`, /^Bearer realm="synctail"/);
    details.push(answer.json.detail);
  }
  const refused = [];
  for (const body of [{}, { key: server.key(), link: "x" }, { key: 7 }, "nonsense"]) {
    const { status, json } = await signIn(server, body);
    refused.push(`${status} ${json.detail}`);
  }

  assert.deepEqual(details, [
    "The API key is not known here, or it was revoked",
    "The sign-in link has expired or was used before; `synctail link` prints another",
  ]);
  const words = 'the value: expected {"key": "…"} or {"link": "…"}, of at most 200 characters';
  assert.deepEqual(refused, [
    ...Array(3).fill(`400 ${words}`),
    "400 The body cannot be read: it is not JSON",
  ]);
});

test("nobody is signed in by a page elsewhere", async (t) => {
  const server = await testServer(t);
  const key = server.key();

  for (
    const headers of [
      { Origin: "https://evil.example" },
      { Origin: "null" },
      { Origin: "http://127.0.0.1:1" },
      { "Sec-Fetch-Site": "cross-site" },
      { "Sec-Fetch-Site": "same-site", Origin: "http://localhost:3000" },
    ] as Record<string, string>[]
  ) {
    const answer = await signIn(server, { key }, headers);
    assert.equal(answer.status, 403, JSON.stringify(headers));
    assert.equal(answer.headers["set-cookie"], undefined);
  }
});

test("a link that a page elsewhere tried to use is still good", async (t) => {
  const server = await testServer(t);
  const signIns = new SignInStore(server.directory.file(SIGN_IN_FILE), systemClock);
  t.after(() => signIns.close());
  const link = signIns.createLink(server.keys.linkKey(TENANT, ["read"]));

  const stolen = await signIn(server, { link }, { Origin: "https://evil.example" });
  const own = await signIn(server, { link }, { Origin: server.url });
  const again = await signIn(server, { link }, { Origin: server.url });

  assert.deepEqual([stolen.status, own.status, again.status], [403, 200, 401]);
  assert.deepEqual(own.json.scopes, ["read"]);
});

test("a cookie reads, and changes something only for this server's own pages", async (t) => {
  const server = await testServer(t);
  const Cookie = await signedIn(server);
  const path = `${server.url}/v1/sync/docs/run`;
  const post = async (headers: Record<string, string>) =>
    (await rawRequest(path, { method: "POST", headers: { Cookie, ...headers } })).status;

  const read = await rawRequest(`${server.url}/v1/sync/jobs`, { headers: { Cookie } });
  const foreign = [
    await post({}),
    await post({ Origin: "https://evil.example" }),
    await post({ Origin: "null" }),
    await post({ Origin: "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site" }),
    await post({ "Sec-Fetch-Site": "cross-site" }),
    await post({ "Sec-Fetch-Site": "none" }),
  ];
  const signOut = await rawRequest(`${server.url}/v1/session`, {
    method: "DELETE",
    headers: { Cookie, Origin: "https://evil.example" },
  });
  const still = await rawRequest(`${server.url}/v1/session`, { headers: { Cookie } });
  const own = await post({ Origin: server.url });

  assert.equal(read.status, 200);
  assert.deepEqual(foreign, [403, 403, 403, 403, 403, 403]);
  assert.equal(signOut.status, 403);
  assert.equal(
    signOut.json.detail,
    'Cannot DELETE by cookie from "https://evil.example": only pages of ' +
      `${server.url}, this server's own address, may; send an API key instead`,
  );
  assert.deepEqual([still.status, own], [200, 202]);
});

test("GET /v1/session renews the cookie of a session, and of nothing else", async (t) => {
  const server = await testServer(t);
  const Cookie = await signedIn(server);

  const renewed = await rawRequest(`${server.url}/v1/session`, { headers: { Cookie } });
  const byKey = await rawRequest(`${server.url}/v1/session`, {
    headers: { Cookie, "X-API-Key": server.key(["read"]) },
  });

  assert.equal(renewed.status, 200);
  assert.match(renewed.headers["set-cookie"]?.[0] ?? "", /Max-Age=43200/);
  assert.equal(renewed.headers["cache-control"], "no-store");
  assert.equal(byKey.headers["set-cookie"], undefined);
  assert.deepEqual(byKey.json.scopes, ["read"]);
});

test("a key in a header beats the cookie, also a wrong one", async (t) => {
  const server = await testServer(t);
  const Cookie = await signedIn(server, server.key(["read"], "acme"));
  const who = (headers: Record<string, string>) =>
    rawRequest(`${server.url}/v1/session`, { headers: { Cookie, ...headers } });

  const [cookie, key] = [await who({}), await who({ Authorization: `Bearer ${server.key()}` })];
  const wrong = await who({ Authorization: "Bearer st_wrong" });
  const post = await rawRequest(`${server.url}/v1/sync/docs/run`, {
    method: "POST",
    headers: { Cookie, Authorization: `Bearer ${server.key()}`, Origin: "https://evil.example" },
  });

  assert.deepEqual([cookie.json.tenant, key.json.tenant], ["acme", "default"]);
  assert.equal(wrong.status, 401);
  assert.equal(post.status, 202); // no cookie was used
});

test("the password of a proxy in front does not stand in the way of a cookie, a key or a ticket", async (t) => {
  const server = await testServer(t);
  const basic = { Authorization: "Basic eDp5" };
  const key = { ...basic, "X-API-Key": server.key() };
  const job = await rawRequest(`${server.url}/v1/sync/job`, {
    method: "POST",
    headers: key,
    body: {},
  });
  const path = `${server.url}/v1/sync/job/${job.json.id}`;
  const ticket = await rawRequest(`${path}/ticket`, { method: "POST", headers: key });
  const Cookie = await signedIn(server);

  const session = await rawRequest(`${server.url}/v1/session`, { headers: { ...basic, Cookie } });
  const stream = await fetch(ticket.json.url, { headers: basic });
  await stream.body?.cancel();
  const wrong = await rawRequest(path, { headers: { Authorization: "Bearer", Cookie } });

  assert.deepEqual([job.status, ticket.status, session.status, stream.status], [
    201,
    201,
    200,
    200,
  ]);
  assert.equal(wrong.status, 401);
});

test("a cookie of another port, another server or another time is none", async (t) => {
  const [server, other] = [await testServer(t), await testServer(t)];
  const Cookie = await signedIn(server);
  const value = Cookie.split("=")[1];
  const ask = async (cookie: string, { url } = server) =>
    (await rawRequest(`${url}/v1/session`, { headers: { Cookie: cookie } })).status;

  assert.equal(await ask(Cookie), 200);
  assert.equal(await ask(`synctail_1=${value}`), 401);
  assert.equal(await ask(Cookie, other), 401);
  assert.equal(await ask(`synctail_${other.port}=${value}`, other), 401);
  assert.equal(await ask(Cookie.replace(/.$/, "")), 401);
  assert.equal(await ask(`synctail_${server.port}=`), 401);
});

test("a sign-out ends the session and its streams, and no others", async (t) => {
  const server = await testServer(t);
  const key = server.key();
  const [Cookie, other] = [await signedIn(server, key), await signedIn(server, key)];
  const open = async (cookie: string) => {
    const answer = await fetch(`${server.url}/v1/sync/jobs/subscribe`, {
      headers: { Cookie: cookie },
    });
    assert.ok(answer.body);
    const reader = new StreamReader(answer.body);
    const seen: string[] = [];
    return {
      reader,
      async until(word: string) {
        while (!seen.some((text) => text.includes(word))) seen.push(await reader.chunk() ?? "");
        return seen.join("");
      },
    };
  };
  const [ending, staying] = [await open(Cookie), await open(other)];
  for (const stream of [ending, staying]) await stream.until("snapshot_complete");

  const answer = await rawRequest(`${server.url}/v1/session`, {
    method: "DELETE",
    headers: { Cookie, "Sec-Fetch-Site": "same-origin" },
  });
  const told = await ending.until("access_");

  assert.equal(answer.status, 204);
  assert.match(
    answer.headers["set-cookie"]?.[0] ?? "",
    new RegExp(`^synctail_${server.port}=; Max-Age=0; Path=/`),
  );
  assert.match(told, /"type": "error", "code": "access_signed_out"/);
  await assert.rejects(ending.reader.chunk());
  assert.equal((await rawRequest(`${server.url}/v1/session`, { headers: { Cookie } })).status, 401);
  await server.ask("/v1/sync/docs/run", {
    method: "POST",
    headers: { Authorization: `Bearer ${key}` },
  });
  assert.match(await staying.until("completed"), /"status": "completed"/);
  await staying.reader.cancel();
});
