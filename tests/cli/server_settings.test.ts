import assert from "node:assert/strict";
import { test } from "node:test";
import { DURATIONS, formOf, SIZES, worth } from "../../src/jobs/amounts.ts";
import { ConfigError } from "../../src/cli/config_error.ts";
import { resolveSettings, type SettingSources } from "../../src/cli/resolve_settings.ts";
import { SETTING_ROWS, SETTINGS } from "../../src/cli/server_settings.ts";

function resolved(sources: Partial<SettingSources>) {
  return resolveSettings({ flags: {}, env: {}, file: {}, ...sources });
}

function issuesOf(sources: Partial<SettingSources>): readonly string[] {
  try {
    resolved(sources);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.issues;
  }
  return [];
}

test("resolveSettings() needs nothing to be set", () => {
  const { settings, warnings } = resolved({});

  assert.deepEqual(settings, {
    allowedHosts: "",
    metricsListen: undefined,
    requestsPerS: 0,
    stopGraceMs: 5_000,
    tenantEventsPerS: 100_000,
    viewersMax: 50_000,
    jobsPerTenant: 10_000,
    viewersPerJob: 20_000,
    viewersPerKey: 20_000,
    viewersPerTenant: 20_000,
    writeTimeoutMs: 60_000,
    corsOrigins: "",
    keysFile: undefined,
    publicUrl: undefined,
    ticketSecretFile: undefined,
    tlsCert: undefined,
    tlsKey: undefined,
    trustProxy: "",
    hostname: "127.0.0.1",
    port: 8017,
    data: "./.synctail",
    config: undefined,
    durability: "normal",
    heartbeatMs: 30_000,
    retryMs: 3_000,
    mergeAfter: 1_000,
    stallAfterMs: 60_000,
    cancelGraceMs: 30_000,
    eventsPerS: 10_000,
    bodyIdleMs: 30_000,
    retentionAge: "30d",
    retentionEntries: 100_000,
    retentionBytes: "5GB",
    json: false,
    logLevel: "info",
  });
  assert.deepEqual(warnings, []);
});

test("resolveSettings() lets a flag beat the environment, and that beat the file", () => {
  const flags = { port: "1" };
  const env = { SYNCTAIL_PORT: "2", SYNCTAIL_HEARTBEAT_MS: "2000" };
  const file = { port: 3, heartbeat_ms: 3_000, retry_ms: 3_333 };

  const { settings } = resolved({ flags, env, file });

  assert.equal(settings.port, 1);
  assert.equal(settings.heartbeatMs, 2_000);
  assert.equal(settings.retryMs, 3_333);
});

test("resolveSettings() reads every kind from text; an empty variable counts as not set", () => {
  const env = {
    SYNCTAIL_JSON: "Yes",
    SYNCTAIL_DURABILITY: "full",
    SYNCTAIL_LOG_LEVEL: "",
    SYNCTAIL_MERGE_AFTER: "1",
  };

  const { settings } = resolved({ env, flags: { port: "0", config: undefined } });

  assert.equal(settings.json, true);
  assert.equal(settings.durability, "full");
  assert.equal(settings.logLevel, "info");
  assert.equal(settings.mergeAfter, 1);
  assert.equal(settings.port, 0);
});

test("resolveSettings() names the origin of every wrong value, also of a beaten one", () => {
  const flags = { port: "abc", durability: "fast", data: "" };
  const env = { SYNCTAIL_PORT: "65536", SYNCTAIL_HEARTBEAT_MS: "30s", SYNCTAIL_JSON: "maybe" };

  assert.deepEqual(issuesOf({ flags, env }), [
    '--port: got "abc": expected a whole number from 0 to 65535',
    'SYNCTAIL_PORT: got "65536": expected a whole number from 0 to 65535',
    '--data: got "": expected a path of at least one character, all of it UTF-8 and none of it NUL',
    '--durability: got "fast": expected "normal" or "full"',
    'SYNCTAIL_HEARTBEAT_MS: got "30s": expected a whole number from 50 to 60000',
    'SYNCTAIL_JSON: got "maybe": expected true or false',
  ]);
});

test("resolveSettings() takes no heartbeats so rare that watch and the page take the stream for dead", () => {
  assert.deepEqual(issuesOf({ flags: { heartbeatMs: "60001" } }), [
    '--heartbeat-ms: got "60001": expected a whole number from 50 to 60000',
  ]);
  assert.equal(resolved({ flags: { heartbeatMs: "60000" } }).settings.heartbeatMs, 60_000);
});

test("resolveSettings() takes no address whose port is none", () => {
  const at = (port: number) => ({ flags: { metricsListen: `[::1]:${port}` } });

  for (const port of [0, 9_017, 10_000, 59_999, 64_999, 65_499, 65_529, 65_535]) {
    assert.equal(resolved(at(port)).settings.metricsListen, `[::1]:${port}`);
  }
  for (const port of [65_536, 65_540, 65_600, 66_000, 70_000, 99_999, 100_000]) {
    assert.deepEqual(issuesOf(at(port)), [
      `--metrics-listen: got "[::1]:${port}": expected HOST:PORT with a port up to 65535, such as ` +
      "127.0.0.1:9017",
    ]);
  }
});

test("resolveSettings() warns of variables that look like ours", () => {
  const env = {
    SYNCTAIL_PROT: "1",
    SYNCTAIL_COLOUR: "1",
    SYNCTAIL_KEY: "st_x",
    SYNCTAIL_SERVER: "http://127.0.0.1:8017",
    PATH: "/bin",
  };

  assert.deepEqual(resolved({ env }).warnings, [
    "SYNCTAIL_PROT: ignored: no such setting; did you mean SYNCTAIL_PORT?",
    "SYNCTAIL_COLOUR: ignored: no such setting",
  ]);
});

test("resolveSettings() does not take the address of a Kubernetes Service for a port", () => {
  const env = {
    SYNCTAIL_PORT: "tcp://10.0.0.1:80",
    SYNCTAIL_PORT_80_TCP_ADDR: "10.0.0.1",
    SYNCTAIL_SERVICE_HOST: "10.0.0.1",
    SYNCTAIL_SERVICE_PORT_HTTP: "80",
  };

  const { settings, warnings } = resolved({ env });

  assert.equal(settings.port, 8017);
  assert.deepEqual(warnings, [
    'SYNCTAIL_PORT: ignored: Kubernetes set it for a Service called "synctail"',
  ]);
});

test("SETTINGS names flag, variable and file key alike, under the key that commander uses", () => {
  const { key, flag, env, fileKey } = SETTINGS.heartbeatMs;

  assert.deepEqual(
    { key, flag, env, fileKey },
    {
      key: "heartbeatMs",
      flag: "heartbeat-ms",
      env: "SYNCTAIL_HEARTBEAT_MS",
      fileKey: "heartbeat_ms",
    },
  );
  assert.deepEqual(SETTING_ROWS.map((row) => row.key), Object.keys(SETTINGS));
});

test("SETTINGS takes a public URL, hosts and origins in the form that they are used in, and no other", () => {
  const taken = (rule: { takes(value: unknown): boolean }, values: readonly string[]) =>
    values.filter((value) => rule.takes(value));
  const urls = ["https://example.com", "http://10.0.0.1:8017/synctail/"];
  const hosts = [
    "",
    "*",
    "nas.home, sync_1",
    "xn--bcher-kva.example.",
    "10.0.0.1",
    "[::1],fe80::1",
  ];
  const origins = ["*", "https://app.example.com", "https://a.example, http://b.example:8080"];

  assert.deepEqual(
    taken(SETTINGS.publicUrl.rule, [
      ...urls,
      "example.com",
      "ftp://example.com",
      "https://user@example.com",
      "https://example.com/?a",
      "https://example.com/#a",
    ]),
    urls,
  );
  assert.deepEqual(
    taken(SETTINGS.allowedHosts.rule, [
      ...hosts,
      "nas.home:8017",
      "https://nas.home",
      "nas.home/synctail",
      "*.example.com",
      "nas.home sync.lan",
      "bücher.example",
    ]),
    hosts,
  );
  assert.deepEqual(
    taken(SETTINGS.corsOrigins.rule, [
      ...origins,
      "app.example.com",
      "https://app.example.com/",
      "https://app.example.com:443",
      "https://*.example.com",
      "null",
    ]),
    origins,
  );
});

test("an age at which jobs go has a unit: a bare number may mean days to somebody", () => {
  const ages = ["0", "30d", "12h", "15m", "90s", "7", "d", "1w", ""];
  assert.deepEqual(
    ages.filter((age) => SETTINGS.retentionAge.rule.takes(age)),
    ["0", "30d", "12h", "15m", "90s"],
  );
});

test("amounts are read with their unit, and 0 is no limit", () => {
  const read = ["30d", "12h", "15m", "90s", "90", "0"].map((text) => worth(text, DURATIONS));
  const sizes = ["5GB", "500kB", "7"].map((text) => worth(text, SIZES));

  assert.deepEqual(read, [2_592_000_000, 43_200_000, 900_000, 90_000, 90_000, Infinity]);
  assert.deepEqual(sizes, [5e9, 500_000, 7]);
  for (const text of ["", "d", "-1d", "1.5d", "1 d", "1w", "1D"]) {
    assert.ok(!formOf(DURATIONS).test(text), text);
  }
});
