import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { cwd } from "node:process";
import { test } from "node:test";
import { ConfigError } from "../../src/cli/config_error.ts";
import { parseConfig, readConfig } from "../../src/cli/config_file.ts";
import { tempDirectory } from "../support/temp.ts";

const DOCS = {
  name: "docs",
  source: { type: "directory", path: "./docs" },
  destination: { type: "sqlite", path: "./docs.db" },
};

/** The lines that tell what is wrong with a file of that content. */
function issuesOf(content: unknown): readonly string[] {
  const text = typeof content === "string" ? content : JSON.stringify(content);
  try {
    parseConfig(text, "synctail.json");
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.message, error.issues.join("\n"));
    return error.issues;
  }
  return [];
}

test("readConfig() takes paths relative to the file, those of the server too", (t) => {
  const directory = tempDirectory();
  t.after(directory.remove);
  const path = join(directory.path, "synctail.json");
  const content = {
    $schema: "./synctail.schema.json",
    server: { port: 0, data: "data" },
    syncs: [DOCS],
  };
  writeFileSync(path, `\ufeff${JSON.stringify(content)}`);

  const { syncs, server } = readConfig(path);

  const { source, destination } = syncs[0];
  assert.equal(source.type === "directory" && source.path, join(directory.path, "docs"));
  assert.equal(destination?.type === "sqlite" && destination.path, join(directory.path, "docs.db"));
  assert.deepEqual(server, { port: 0, data: join(directory.path, "data") });
});

test("readConfig() says which file is not there", (t) => {
  const directory = tempDirectory();
  t.after(directory.remove);
  const path = join(directory.path, "none.json");

  assert.throws(() => readConfig(path), {
    name: "ConfigError",
    message: `${path}: there is no such file`,
  });
  assert.throws(() => readConfig(directory.path), {
    name: "ConfigError",
    message: `${directory.path}: it is a directory, not a file`,
  });
});

test("parseConfig() says of what there may be so many, or has to be", () => {
  const provider = { issuer: "", audience: "a", jwks_url: "https://a", algorithms: [] };
  const feed = { type: "redis_pubsub", url: "redis://a", pattern: `${"x".repeat(500)}*` };
  const target = { name: "a", type: "slack", syncs: [""], tenant: "" };
  const key = { tenant: "a", algorithm: "HS256", key_file: "a" };

  const issues = issuesOf({
    auth: {
      identity_providers: [provider],
      ticket_keys: Array.from({ length: 101 }, (_, n) => ({ ...key, kid: `${n}` })),
    },
    syncs: [{ name: "feed", source: feed }],
    notify: [target],
  });

  assert.deepEqual(issues, [
    'synctail.json: auth.identity_providers[0].issuer: got "": expected at least 1 character',
    "synctail.json: auth.identity_providers[0].algorithms: got a list: expected at least 1 item",
    "synctail.json: auth.ticket_keys: got a list: expected at most 100 items",
    `synctail.json: syncs[0].source.pattern: got "${"x".repeat(58)}…: ` +
    "expected at most 500 characters",
    'synctail.json: notify[0].syncs[0]: got "": expected at least 1 character',
    'synctail.json: notify[0].tenant: got "": ' +
    "expected 1 to 64 of a-z A-Z 0-9 . _ -, starting with a letter or digit",
  ]);
});

test("parseConfig() names the path, the value and the reason of every fault", () => {
  const issues = issuesOf({
    server: { port: "8017", data: "a\0", heartbeat_ms: 49, hostnam: "::", json: true },
    syncs: [
      { ...DOCS, source: { type: "directory", path: 42 }, destination: undefined },
      { ...DOCS, name: "770e8400-e29b-41d4-a716-446655440002", id: "42", tenant: "a/b" },
      { ...DOCS, name: "-x", source: { type: "ftp" }, destination: { type: "sqlite", path: "" } },
      {
        ...DOCS,
        source: { type: "directory", path: ".", max_per_s: 0, max_file_bytes: 1.5 },
        progress_interval_ms: null,
        enabled: [true],
      },
      { ...DOCS, destination: {} },
      "docs",
    ],
    sync: {},
  });

  assert.deepEqual(issues, [
    'synctail.json: server.port: got "8017": expected a whole number from 0 to 65535',
    'synctail.json: server.data: got "a\\u0000": ' +
    "expected a path of at least one character, all of it UTF-8 and none of it NUL",
    "synctail.json: server.heartbeat_ms: got 49: expected a whole number from 50 to 60000",
    'synctail.json: server.hostnam: got "::": no such setting; did you mean "hostname"?',
    "synctail.json: server.json: got true: no such setting",
    "synctail.json: syncs[0].source.path: got 42: expected a string",
    "synctail.json: syncs[0].destination: got nothing: expected an object",
    'synctail.json: syncs[1].id: got "42": expected a UUID',
    'synctail.json: syncs[1].name: got "770e8400-e29b-41d4-a716-446655440002": ' +
    "expected a name that is no UUID",
    'synctail.json: syncs[1].tenant: got "a/b": ' +
    "expected 1 to 64 of a-z A-Z 0-9 . _ -, starting with a letter or digit",
    'synctail.json: syncs[2].name: got "-x": ' +
    "expected 1 to 100 of a-z A-Z 0-9 . _ -, starting with a letter or digit",
    'synctail.json: syncs[2].source.type: got "ftp": expected "directory" or "command" or ' +
    '"redis_pubsub" or "outside"',
    'synctail.json: syncs[2].destination.path: got "": expected a path',
    "synctail.json: syncs[3].source.max_per_s: got 0: expected more than 0",
    "synctail.json: syncs[3].source.max_file_bytes: got 1.5: " +
    "expected a whole number of at least 1",
    "synctail.json: syncs[3].progress_interval_ms: got null: " +
    "expected a whole number from 1 to 60000",
    "synctail.json: syncs[3].enabled: got a list: no such setting",
    'synctail.json: syncs[4].destination.type: got nothing: expected "sqlite" or "jsonl" or "none"',
    'synctail.json: syncs[5]: got "docs": expected an object',
    'synctail.json: sync: got an object: no such setting; did you mean "syncs"?',
  ]);
});

test("parseConfig() says what may be meant by a name that is none", () => {
  const rates = { tenantEventsPerS: 1, "tenant-events-per-s": 2 };

  const issues = issuesOf({
    server: { heartbeatMs: 1_000, "retention-age": "1d", ui: true, ...rates },
    auth: { "ticket-keys": [] },
    syncs: [{
      ...DOCS,
      tennant: "acme",
      source: { ...DOCS.source, maxFileBytes: 1, path_: 1 },
      destination: { ...DOCS.destination, foo: 1 },
    }],
    notify: [{ type: "slack", name: "s", urls: "https://example.com/x", foo: 1 }],
  });

  assert.deepEqual(issues, [
    'synctail.json: server.heartbeatMs: got 1000: no such setting; did you mean "heartbeat_ms"?',
    'synctail.json: server.retention-age: got "1d": no such setting; ' +
    'did you mean "retention_age"?',
    "synctail.json: server.ui: got true: no such setting",
    "synctail.json: server.tenantEventsPerS: got 1: no such setting; " +
    'did you mean "tenant_events_per_s"?',
    "synctail.json: server.tenant-events-per-s: got 2: no such setting; " +
    'did you mean "tenant_events_per_s"?',
    'synctail.json: auth.ticket-keys: got a list: no such setting; did you mean "ticket_keys"?',
    "synctail.json: syncs[0].source.maxFileBytes: got 1: no such setting; " +
    'did you mean "max_file_bytes"?',
    'synctail.json: syncs[0].source.path_: got 1: no such setting; did you mean "path"?',
    "synctail.json: syncs[0].destination.foo: got 1: no such setting",
    'synctail.json: syncs[0].tennant: got "acme": no such setting; did you mean "tenant"?',
    'synctail.json: notify[0].urls: got a secret: no such setting; did you mean "url"?',
    "synctail.json: notify[0].foo: got 1: no such setting",
  ]);
});

test("parseConfig() tells what is wrong between syncs", () => {
  assert.deepEqual(issuesOf({ syncs: [DOCS, { ...DOCS, tenant: "acme" }] }), [
    `synctail.json: syncs[1].destination.path: got ${JSON.stringify(join(cwd(), "docs.db"))}: ` +
    "expected a file that syncs[0] does not write to",
  ]);
});

test("parseConfig() refuses a file that holds no object, or no syncs", () => {
  assert.deepEqual(issuesOf([]), ["synctail.json: got a list: expected an object"]);
  assert.deepEqual(issuesOf({}), ["synctail.json: syncs: got nothing: expected a list"]);
});

test("parseConfig() shows long values shortened and secrets not at all", () => {
  const issues = issuesOf({
    syncs: [],
    api_key: "st_0123456789_secret",
    redis: "redis://me:secret@host/0",
    note: "x".repeat(100),
  });

  assert.deepEqual(issues, [
    "synctail.json: api_key: got a secret: no such setting",
    'synctail.json: redis: got "redis://***@host/0": no such setting',
    `synctail.json: note: got "${"x".repeat(58)}…: no such setting`,
  ]);
});

for (
  const [url, shown] of [
    ["redis://:canary/ss@host:6379", "redis://***@host:6379"],
    ["redis:/:canary@host:6379", "redis:/***@host:6379"],
    ["redis//:canary@host", "redis//***@host"],
    ["redis://:can ary@host:99999", "redis://***@host:99999"],
    ["redis://u:can@canary/x@host:99999", "redis://***@host:99999"],
    ["redis://u:p#canary@host", "redis://***@host"],
    ["redis:canary@host", "redis:***@host"],
    ["redis://host:1?password=canary", "redis://host:1?***"],
    ["http://host/x#canary", "http://host/x#***"],
  ] as const
) {
  test(`parseConfig() shows ${url} without its password`, () => {
    const source = { type: "redis_pubsub", url, pattern: "a:*" };

    assert.deepEqual(issuesOf({ syncs: [{ name: "x", source }] }), [
      `synctail.json: syncs[0].source.url: got "${shown}": ` +
      "expected redis://[user:password@]host[:port][/database], or rediss://",
    ]);
  });
}

test("parseConfig() shows what is named after a key and is none", () => {
  const key = { kid: "synctail", tenant: "a b", algorithm: "HS265", key_file: 5, pem: "canary" };

  const issues = issuesOf({
    syncs: [],
    server: { viewers_per_key: "many" },
    auth: { ticket_keys: [key, { kid: "other", tenant: "a", algorithm: "HS256" }] },
  });

  assert.match(issues[0], /^synctail.json: server.viewers_per_key: got "many": /);
  assert.deepEqual(
    issues.slice(1).map((line) => line.match(/\w+: got ("[^"]*"|a secret|nothing)/)?.[0]),
    [
      'kid: got "synctail"',
      'tenant: got "a b"',
      'algorithm: got "HS265"',
      "key_file: got a secret",
      "pem: got a secret",
      "key_file: got nothing",
    ],
  );
});

test("the targets' secrets and URLs are not shown where they are wrong", () => {
  const canary = "canary93f1";
  const target = { name: "ops", type: "slack" };
  const config = parseConfig(
    JSON.stringify({
      syncs: [],
      notify: [
        { ...target, url: `htps://hooks.test/${canary}` },
        { ...target, name: "b", url_env: canary },
        { ...target, name: "c", url_file: canary },
        { ...target, name: "f", url_env: "NO_SUCH_HOOK" },
        { ...target, name: "g", url_file: "/none/such" },
        { ...target, name: "h", url_file: "../none/such" },
        { name: "d", type: "webhook", url: "https://x.test", secret: canary },
        {
          name: "e",
          type: "template",
          url: "https://x.test",
          headers: { Host: canary },
          body: "{",
        },
      ],
    }),
    "synctail.json",
  );

  assert.throws(() => config.notify(), (error) => {
    assert.ok(error instanceof ConfigError);
    assert.deepEqual(error.issues, [
      "synctail.json: notify[0].url: got a secret: expected a URL, http:// or https://",
      "synctail.json: notify[1].url_env: got a secret: there is no such environment variable",
      "synctail.json: notify[2].url_file: got a secret: the file cannot be read",
      'synctail.json: notify[3].url_env: got "NO_SUCH_HOOK": there is no such environment variable',
      'synctail.json: notify[4].url_file: got "/none/such": there is no such file',
      'synctail.json: notify[5].url_file: got "../none/such": there is no such file',
      "synctail.json: notify[6].secret: got a secret: expected whsec_ and base64 of 24 to 64 bytes",
      "synctail.json: notify[7].headers.Host: got a secret: expected a header that may be set",
      "synctail.json: notify[7].body: got a secret: expected JSON once the placeholders are filled in",
    ]);
    return true;
  });
});

test("what is wrong with a target's form is told with the rest of the file", () => {
  const issues = issuesOf({
    syncs: [],
    notify: [{ name: "ops", type: "mail" }, {
      name: "ops",
      type: "slack",
      on: ["fail"],
      url: 1,
      tenant: "a/b",
    }],
  });

  assert.deepEqual(issues, [
    'synctail.json: notify[0].type: got "mail": expected "webhook" or "ntfy" or "healthchecks" or ' +
    '"slack" or "discord" or "template"',
    "synctail.json: notify[1].url: got a secret: expected a string",
    'synctail.json: notify[1].on[0]: got "fail": expected "started" or "completed" or "warning" or ' +
    '"failed" or "cancelled" or "stalled" or "overdue" or "recovered"',
    'synctail.json: notify[1].tenant: got "a/b": ' +
    "expected 1 to 64 of a-z A-Z 0-9 . _ -, starting with a letter or digit",
  ]);
});

test("parseConfig() names the line and column where the text stops being JSON", () => {
  assert.deepEqual(issuesOf('{\n  "syncs": [\n    {"name": docs}\n  ]\n}\n'), [
    'synctail.json: line 3, column 14: got "docs": expected a value',
  ]);
  assert.deepEqual(issuesOf(""), [
    "synctail.json: line 1, column 1: got the end of the file: expected a value",
  ]);
});

test("parseConfig() tells of a text that is nested without end", () => {
  assert.throws(() => parseConfig('{"a":'.repeat(100_000), "synctail.json"), {
    name: "ConfigError",
    message: /^synctail\.json: /,
  });
});

test("parseConfig() takes the server's paths from the file's directory, and nothing else for one", () => {
  const paths = ["data", "tls_cert", "tls_key", "keys_file", "ticket_secret_file"];
  const server = {
    ...Object.fromEntries(paths.map((name) => [name, `own/${name}`])),
    hostname: "localhost",
    allowed_hosts: "nas.home",
  };

  const config = parseConfig(JSON.stringify({ server, syncs: [] }), "/etc/synctail.json");

  assert.deepEqual(config.server, {
    ...server,
    ...Object.fromEntries(paths.map((name) => [name, `/etc/own/${name}`])),
  });
});
