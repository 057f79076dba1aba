import assert from "node:assert/strict";
import { test } from "node:test";
import { isCidr, PublicOrigin, type PublicOriginOptions } from "../../src/http/public_origin.ts";

const PEER = { remote: "192.0.2.1" };

function origin(options: Partial<PublicOriginOptions> = {}): PublicOrigin {
  return new PublicOrigin({
    hostname: "127.0.0.1",
    publicUrl: undefined,
    allowedHosts: [],
    trustedProxies: [],
    ...options,
  });
}

function request(headers: Record<string, string> = {}, url = "http://127.0.0.1:8017/"): Request {
  return { url, headers: new Headers(headers) } as Request; // only these two are looked at
}

for (
  const [host, accepted] of [
    ["localhost:8017", true],
    ["LOCALHOST", true],
    ["127.0.0.1:8017", true],
    ["[::1]:8017", true],
    ["10.1.2.3", true],
    ["evil.example", false],
    ["localhost.evil.example:8017", false],
    ["127.0.0.1.evil.example", false],
    ["evil.example:8017", false],
    ["not a host", false],
  ] as const
) {
  test(`accepts() ${accepted ? "takes" : "refuses"} the host ${host} on loopback`, () => {
    const own = origin();

    assert.equal(own.accepts(request({ Host: host }), PEER), accepted);
    assert.equal(own.accepts(request({ Host: host }), PEER), accepted); // remembered or not
  });
}

test("accepts() looks at the URL's host where no header has one, as over HTTP/2", () => {
  const own = origin();
  const accepts = (url: string) => own.accepts(request({}, url), PEER);

  assert.deepEqual(
    ["http://localhost/", "http://127.0.0.1/", "http://evil.example/", "http://256.256.256.256/"]
      .map(accepts),
    [true, true, false, false],
  );
  assert.equal(own.hostOf(request({}, "http://evil.example:8017/"), PEER), "evil.example:8017");
});

test("accepts() takes the names that were given and the public URL's, and any where * was or the server listens elsewhere", () => {
  const named = origin({
    allowedHosts: ["Sync.Example"],
    publicUrl: "https://public.example:444/sync",
  });
  const accepts = (own: PublicOrigin, host: string) => own.accepts(request({ Host: host }), PEER);

  assert.deepEqual(
    ["sync.example:8017", "public.example", "localhost", "other.example"]
      .map((host) => accepts(named, host)),
    [true, true, true, false],
  );
  assert.equal(accepts(origin({ allowedHosts: ["*"] }), "other.example"), true);
  assert.equal(accepts(origin({ hostname: "0.0.0.0" }), "other.example"), true);
  for (const hostname of ["LocalHost", "127.0.0.2"]) {
    assert.equal(accepts(origin({ hostname }), "other.example"), false);
  }
  assert.equal(accepts(origin({ hostname: "Box", allowedHosts: ["sync.example"] }), "box"), true);
  assert.equal(
    accepts(origin({ hostname: "0.0.0.0", allowedHosts: ["sync.example"] }), "other.example"),
    false,
  );
  assert.equal(
    accepts(origin({ hostname: "nas.lan", allowedHosts: ["sync.example"] }), "nas.lan:8017"),
    true,
  );
  assert.equal(accepts(named, "[2001:db8::1]:8017"), true);
  assert.equal(origin().accepts(request(), PEER), true); // HTTP/1.0 may have no Host
});

const FORWARDED = {
  Host: "10.0.0.9:8017",
  "X-Forwarded-Host": "sync.example, inner.example",
  "X-Forwarded-Proto": "https",
};

for (
  const [remote, trustedProxies, trusted] of [
    ["10.0.0.1", ["10.0.0.0/8"], true],
    ["10.0.0.1", ["10.0.0.1"], true],
    ["::ffff:10.0.0.1", ["10.0.0.0/8"], true],
    ["::FFFF:10.0.0.1", ["10.0.0.0/8"], true],
    ["::1", ["::1"], true],
    ["fd00::7", ["fd00::/8"], true],
    ["fe80::1%eth0", ["fe80::/10"], true],
    ["11.0.0.1", ["10.0.0.0/8"], false],
    ["::ffff:11.0.0.1", ["10.0.0.0/8"], false],
    ["10.0.0.2", ["10.0.0.1"], false],
    ["fd00::7", ["10.0.0.0/8"], false],
    ["10.0.0.1", [], false],
    ["", ["0.0.0.0/0"], false],
  ] as const
) {
  test(`of() ${trusted ? "believes" : "does not believe"} ${remote || "nobody"} where ${trustedProxies.join() || "nobody"} is trusted`, () => {
    const own = origin({ trustedProxies, allowedHosts: ["sync.example"] });

    assert.equal(
      own.of(request(FORWARDED), { remote }),
      trusted ? "https://sync.example" : "http://10.0.0.9:8017",
    );
    const evil = request({ Host: "sync.example", "X-Forwarded-Host": "evil.example" });
    assert.equal(own.accepts(evil, { remote }), !trusted);
  });
}

test("of() is spelled as browsers spell it: without the usual port, in small letters", () => {
  const own = origin({ trustedProxies: ["10.0.0.0/8"] });
  const of = (Host: string, proto: string) =>
    own.of(request({ Host, "X-Forwarded-Proto": proto }), { remote: "10.0.0.1" });

  assert.deepEqual(
    [of("A.example:443", "https"), of("a.example:80", "http"), of("a.example:80", "https")],
    ["https://a.example", "http://a.example", "https://a.example:80"],
  );
});

test("of() takes no scheme of a proxy or a request line but https", () => {
  const own = origin({ trustedProxies: ["10.0.0.0/8"] });
  const of = (proto: Record<string, string>, url?: string) =>
    own.of(request({ Host: "a.example", ...proto }, url), { remote: "10.0.0.1" });

  assert.deepEqual(
    [of({ "X-Forwarded-Proto": "ws" }), of({}, "foo://b.example/"), of({}, "https://b.example/")],
    ["http://a.example", "http://a.example", "https://a.example"],
  );
});

test("of() is the public URL's origin wherever there is one", () => {
  const own = origin({ publicUrl: "https://public.example/sync/", trustedProxies: ["10.0.0.0/8"] });

  assert.equal(own.of(request(FORWARDED), { remote: "10.0.0.1" }), "https://public.example");
});

test("pathOf() takes the prefix away where a proxy has left it", () => {
  const own = origin({ publicUrl: "https://public.example/sync/" });

  assert.equal(own.prefix, "/sync");
  assert.deepEqual(
    ["/sync/v1/sync", "/v1/sync", "/sync", "/sync/", "/synctail/v1"].map((path) =>
      own.pathOf(path)
    ),
    ["/v1/sync", "/v1/sync", "/", "/", "/synctail/v1"],
  );
  assert.equal(origin().pathOf("/sync/v1"), "/sync/v1");
});

test("pathOf() knows a prefix by its characters, as paths come decoded", () => {
  for (
    const [path, read] of [
      ["/s%C3%BCnc%20tail", "/sünc tail"],
      ["/50%25", "/50%25"],
      ["/a%2Fb", "/a%2Fb"],
      ["/%FF", "/%FF"],
    ]
  ) {
    const own = origin({ publicUrl: `https://public.example${path}/` });

    assert.equal(own.prefix, path);
    assert.equal(own.pathOf(`${read}/v1/sync`), "/v1/sync");
  }
});

test("clientOf() is the last hop that is no proxy of ours, whatever stands before it", () => {
  const own = origin({ trustedProxies: ["10.0.0.0/8"] });
  const clientOf = (hops: string, remote = "10.0.0.1", of = own) =>
    of.clientOf(request({ "X-Forwarded-For": hops }), { remote });

  assert.equal(clientOf("192.0.2.7"), "192.0.2.7");
  assert.equal(clientOf("203.0.113.9, 192.0.2.7, 10.0.0.2"), "192.0.2.7");
  assert.equal(clientOf("10.0.0.3, 10.0.0.2"), "10.0.0.3");
  assert.equal(clientOf("unknown, 10.0.0.2"), "10.0.0.2");
  assert.equal(own.clientOf(request(), { remote: "10.0.0.1" }), "10.0.0.1");
  assert.equal(clientOf("203.0.113.9", "192.0.2.1"), "192.0.2.1");
  assert.equal(clientOf("203.0.113.9", "10.0.0.1", origin()), "10.0.0.1");
});

test("isCidr() knows addresses and networks", () => {
  const good = ["10.0.0.0/8", "::1", "fd00::/8", "127.0.0.1", "0.0.0.0/0"];
  const bad = [
    "",
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/8/8",
    "example.com",
    "10.0.0.0/",
    "10.0.0.0/-1",
  ];

  assert.deepEqual(good.filter(isCidr), good);
  assert.deepEqual(bad.filter(isCidr), []);
});
