/** Configurations and what programs print, changed at random: told in words, never a fault. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { ConfigError } from "../../src/cli/config_error.ts";
import { parseConfig } from "../../src/cli/config_file.ts";
import { FORMAT_NAMES, formatOf } from "../../src/sources/formats/formats.ts";
import { memoryRecords } from "../sources/formats/record_session.ts";
import { RUN, told } from "../sources/formats/reading.ts";
import { anyJson, anyText } from "../support/schema_values.ts";
import { type Random, rounds, seeded } from "../support/seed.ts";

const SAMPLES = new URL("../sources/formats/samples/", import.meta.url);
const CONFIG = {
  server: { port: 8017, heartbeat_ms: 30_000, trust_proxy: "10.0.0.0/8", retention_age: "30d" },
  auth: {
    identity_providers: [{ issuer: "i", audience: "a", jwks_url: "https://i.example/jwks" }],
    ticket_keys: [{ kid: "k", tenant: "default", algorithm: "HS256", key_file: "k.txt" }],
  },
  syncs: [
    {
      name: "docs",
      source: { type: "directory", path: "." },
      destination: { type: "sqlite", path: "docs.db" },
      schedule: { cron: "0 3 * * *", time_zone: "Europe/Berlin" },
      retries: { max: 3, backoff: "30s" },
      expect: { every: "24h", grace: "1h" },
    },
    { name: "nightly", source: { type: "command", command: ["rclone", "sync", "/a", "b:"] } },
    { name: "feed", source: { type: "redis_pubsub", url: "redis://h:1", pattern: "sync:*" } },
    { name: "away", source: { type: "outside" }, expect: { every: "1h", grace: "5m" } },
  ],
  notify: [{ name: "ops", type: "ntfy", url: "https://ntfy.example/t", on: ["failed"] }],
};

/** The value with one part of it, wherever, made another. */
function changed(random: Random, value: unknown): unknown {
  const inside = typeof value === "object" && value !== null && random.chance(0.85);
  if (!inside) return random.chance(0.5) ? anyJson(random) : anyText(random);
  if (Array.isArray(value)) {
    const at = random.below(value.length + 1);
    return value.toSpliced(at, 1, changed(random, value[at]));
  }
  const names = [...Object.keys(value), anyText(random)];
  const name = random.pick(names);
  const parts: Record<string, unknown> = { ...value };
  if (random.chance(0.15)) delete parts[name];
  else parts[name] = changed(random, parts[name]);
  return parts;
}

/** The text with a piece cut out, doubled, or put in. */
function mangled(random: Random, text: string): string {
  const at = random.below(text.length + 1);
  const to = Math.min(text.length, at + random.below(20));
  const piece = random.pick(["", text.slice(at, to).repeat(2), anyText(random), "\r", "\0", "{"]);
  return text.slice(0, at) + piece + text.slice(to);
}

seeded("parseConfig() takes any text, or tells in words what is wrong with it", (random) => {
  let refused = 0;
  for (let round = rounds(2_000); round > 0; round--) {
    let value: unknown = CONFIG;
    for (let parts = 1 + random.below(3); parts > 0; parts--) value = changed(random, value);
    const json = JSON.stringify(value) ?? "";
    const text = random.chance(0.3) ? mangled(random, json) : json;
    try {
      parseConfig(text, "synctail.json");
    } catch (cause) {
      assert.ok(cause instanceof ConfigError, `${cause}: ${text}`);
      assert.ok(cause.issues.every((issue) => issue.startsWith("synctail.json")), cause.message);
      refused++;
    }
  }
  assert.ok(refused > 0);
});

seeded("a format's reader takes any line, and totals never go back", (random) => {
  const lines = readdirSync(SAMPLES).flatMap((name) =>
    readFileSync(new URL(name, SAMPLES), "utf8").split("\n")
  ).filter((line) => /^[OE]: /.test(line));
  for (let round = rounds(60); round > 0; round--) {
    for (const name of FORMAT_NAMES) {
      const percent = name === "lines" ? /(\d+)%/ : undefined;
      const reader = formatOf(name, { percent }).reader({ ...RUN, records: memoryRecords() });
      const events = random.many(50, () => {
        const line = random.pick(lines);
        const text = random.chance(0.5) ? mangled(random, line.slice(3)) : line.slice(3);
        return reader.line(text, line.startsWith("E: ") ? "stderr" : "stdout");
      }).flat();
      const exit = random.chance(0.8)
        ? { code: random.below(256), signal: null }
        : { code: null, signal: "SIGKILL" };
      const verdict = reader.end(exit);
      told([...events, ...verdict.events], verdict);
    }
  }
});
