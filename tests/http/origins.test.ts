import assert from "node:assert/strict";
import { test } from "node:test";
import { curl } from "../support/curl.ts";
import { freePort } from "../support/free_port.ts";
import { rawRequest } from "../support/raw_request.ts";
import { testServer } from "../support/server.ts";

const APP = "https://app.example.com";
const SENT = [
  "authorization",
  "x-api-key",
  "last-event-id",
  "content-type",
  "synctail-tenant",
  "producer-id",
  "producer-epoch",
  "producer-seq",
];

test("a host that is not served gets 421 on every route, health included, and a forwarded one is not believed", async (t) => {
  const server = await testServer(t, { allowedHosts: "sync.example" });

  for (const path of ["/healthz", "/openapi.json", "/v1/sync", "/"]) {
    const answer = await rawRequest(server.url + path, { headers: { Host: "evil.example:8017" } });
    assert.equal(answer.status, 421, path);
    assert.deepEqual(answer.json, {
      type: "/problems/misdirected",
      title: "That host is not served here",
      status: 421,
      detail:
        'Cannot answer for the host "evil.example:8017": name it by --allowed-hosts or --public-url',
    });
  }
  for (const Host of ["sync.example", "localhost:1", "127.0.0.1", "10.2.3.4"]) {
    const headers = { Host, "X-Forwarded-Host": "evil.example" };
    assert.equal((await rawRequest(`${server.url}/healthz`, { headers })).status, 200, Host);
  }
});

test("a host that is none is answered 421, also where any name will do, and is no fault", async (t) => {
  for (const hostname of ["127.0.0.1", "0.0.0.0"]) {
    const server = await testServer(t, { hostname });
    const url = `http://127.0.0.1:${server.port}`;
    for (const path of ["/healthz", "/v1/sync", "/.env", "/v1/sync/job/x/subscribe"]) {
      const { status } = await rawRequest(url + path, { headers: { Host: "256.256.256.256" } });

      assert.equal(status, 421, `${hostname} ${path}`);
    }
    const headers = { Authorization: `Bearer ${server.key(["metrics"])}` };
    const { text } = await rawRequest(`${url}/metrics`, { headers });
    assert.match(text, /^synctail_faults_total 0$/m);
  }
});

test("a request line that names a host that is none is answered as its headers say, and is no fault", async (t) => {
  const port = await freePort();
  const server = await testServer(t, { metricsListen: `127.0.0.1:${port}` });
  const key = `X-API-Key: ${server.key()}`;
  const ask = async (url: string, path: string, ...more: string[]) => {
    const target = `http://256.256.256.256${path}`;
    const asked = curl(t, ["--request-target", target, "-w", "\n%{http_code}", ...more, url]);
    assert.equal(await asked.code, 0);
    return asked.text();
  };
  const status = async (...asked: Parameters<typeof ask>) =>
    Number((await ask(...asked)).split("\n").at(-1));
  const json = ["-H", "Content-Type: application/json"];
  const { url } = server;

  const told = [
    await status(url, "/healthz"),
    await status(url, "/v1/sync/jobs", "-H", key),
    await status(url, "/v1/sync/job", "-H", key, ...json, "-d", "{}"),
    await status(url, "/v1/sync/job", "-H", key, ...json, "-X", "POST"),
    await status(url, "/v1/session", ...json, "-d", '{"key": "unknown"}'),
  ];
  const metrics = await ask(`http://127.0.0.1:${port}`, "/metrics");

  assert.deepEqual(told, [200, 200, 201, 201, 401]);
  assert.match(metrics, /^synctail_faults_total 0$/m);
});

test("no cache may keep what is answered to one who says who asks", async (t) => {
  const server = await testServer(t);
  const ask = async (path: string, method = "GET") => {
    const answer = await server.ask(path, { method });
    await answer.body?.cancel();
    return [answer.status, answer.headers.get("Cache-Control")];
  };
  const { id } = await (await server.ask("/v1/sync/docs/run", { method: "POST" })).json();
  const stream = `/v1/sync/job/${id}/subscribe`;
  const ids = (await (await server.ask(stream)).text()).match(/(?<=\nid: ).*/g);

  const told = [
    await ask("/v1/sync/jobs"),
    await ask("/v1/sync/jobs", "HEAD"),
    await ask("/v1/sync/job/none"),
    await ask(`${stream}?last_event_id=${ids?.at(-1)}`),
  ];

  const key = { Authorization: `Bearer ${server.key()}` };
  const live = await rawRequest(server.url + stream, { headers: key });
  assert.deepEqual(told, [200, 200, 404, 204].map((status) => [status, "no-store"]));
  assert.match(live.headers["cache-control"] ?? "", /no-cache|no-store/);
});

test("a preflight of a listed origin names what may be sent, and an answer what may be read", async (t) => {
  const server = await testServer(t, { corsOrigins: `${APP}, https://other.example.com` });
  const path = `${server.url}/v1/sync/jobs`;

  const preflight = await rawRequest(path, {
    method: "OPTIONS",
    headers: {
      Origin: APP,
      "Access-Control-Request-Method": "POST",
      "Access-Control-Request-Headers": SENT.join(","),
    },
  });
  const answer = await rawRequest(path, {
    headers: { Origin: APP, Authorization: `Bearer ${server.key()}` },
  });
  const refused = await rawRequest(path, { headers: { Origin: APP } });

  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers["access-control-allow-origin"], APP);
  assert.equal(preflight.headers["access-control-allow-methods"], "GET,HEAD,POST,DELETE");
  assert.equal(preflight.headers["access-control-allow-headers"], SENT.join(","));
  assert.equal(preflight.headers["access-control-max-age"], "600");
  for (const each of [preflight, answer, refused]) {
    assert.equal(each.headers["access-control-allow-origin"], APP);
    assert.equal(each.headers["access-control-allow-credentials"], undefined);
    assert.match(each.headers.vary ?? "", /Origin/);
  }
  assert.equal(
    answer.headers["access-control-expose-headers"],
    "X-Request-Id,Location,Retry-After",
  );
  assert.deepEqual([answer.status, refused.status], [200, 401]);
});

test("an origin that is not listed is allowed nothing", async (t) => {
  const server = await testServer(t, { corsOrigins: APP });
  const none = await testServer(t);
  const origins = [
    "https://evil.example",
    "http://app.example.com",
    "https://app.example.com.evil.example",
    "https://app.example.com:444",
    "null",
  ];

  for (const url of [server.url, none.url]) {
    for (const Origin of url === none.url ? [...origins, APP] : origins) {
      for (const method of ["OPTIONS", "GET"]) {
        const headers = { Origin, "Access-Control-Request-Method": "POST" };
        const answer = await rawRequest(`${url}/v1/sync/jobs`, { method, headers });
        assert.equal(answer.headers["access-control-allow-origin"], undefined, Origin);
      }
    }
  }
});

test("any origin is allowed where * is, and still never with credentials", async (t) => {
  const server = await testServer(t, { corsOrigins: "*" });

  for (const method of ["OPTIONS", "GET"]) {
    const headers = { Origin: "https://anybody.example" };
    const answer = await rawRequest(`${server.url}/v1/sync`, { method, headers });
    assert.equal(answer.headers["access-control-allow-origin"], "https://anybody.example");
    assert.equal(answer.headers["access-control-allow-credentials"], undefined);
  }
});

test("below a prefix everything that names a path names it with the prefix, whether the proxy leaves it or not", async (t) => {
  const server = await testServer(t, { publicUrl: "https://public.example/tools/sync/" });
  const headers = { Authorization: `Bearer ${server.key()}` };

  for (const base of [server.url, `${server.url}/tools/sync`]) {
    const run = await rawRequest(`${base}/v1/sync/docs/run`, { method: "POST", headers });
    const job = await rawRequest(`${base}/v1/sync/job`, { method: "POST", headers, body: {} });
    const problem = await rawRequest(`${base}/v1/sync/job/none`, { headers });
    const openApi = await rawRequest(`${base}/openapi.json`);
    const ticket = await rawRequest(`${base}/v1/sync/job/${job.json.id}/ticket`, {
      method: "POST",
      headers,
    });

    assert.deepEqual([run.status, job.status, ticket.status], [202, 201, 201]);
    assert.equal(run.headers.location, `/tools/sync/v1/sync/job/${run.json.id}`);
    assert.equal(job.headers.location, `/tools/sync/v1/sync/job/${job.json.id}`);
    assert.equal(problem.json.type, "/tools/sync/problems/not-found");
    assert.deepEqual(openApi.json.servers, [{ url: "/tools/sync" }]);
    assert.equal(
      ticket.json.url,
      `https://public.example/tools/sync/v1/sync/job/${job.json.id}/subscribe?ticket=${ticket.json.ticket}`,
    );
    await rawRequest(`${base}/v1/sync/job/${run.json.id}/subscribe`, { headers }); // to its end
  }
});

test("a prefix with characters that URLs encode is taken away as any other", async (t) => {
  const prefix = "/s%C3%BCnc%20tail";
  const server = await testServer(t, { publicUrl: `https://public.example${prefix}` });
  const headers = { Authorization: `Bearer ${server.key()}` };
  const paths = ["/healthz", "/v1/sync", "/", ""];

  const answers = await Promise.all(
    paths.map((path) => rawRequest(`${server.url}${prefix}${path}`, { headers })),
  );

  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 200]);
});
