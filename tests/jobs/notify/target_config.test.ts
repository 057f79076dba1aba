import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { configuredTargets } from "../../../src/jobs/notify/target_config.ts";
import { TARGET_SCHEMA } from "../../../src/jobs/notify/target_schema.ts";
import { targetsOf } from "../../support/notify_bench.ts";
import { tempDirectory } from "../../support/temp.ts";

const BASE64 = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

function issuesOf(...written: object[]) {
  const { targets, issues } = configuredTargets(
    written.map((target) => TARGET_SCHEMA.parse({ name: "ops", ...target })),
    { directory: "/", env: { EMPTY: "" } },
  );
  return { targets, issues: issues.map(({ path, reason }) => `${path.join(".")}: ${reason}`) };
}

test("configuredTargets() takes secrets and URLs from the file, another file or the environment", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  writeFileSync(join(path, "hook.secret"), `whsec_${BASE64}\n`);

  const [hook, chat, topic] = targetsOf(
    [
      { name: "a", type: "webhook", url: "https://x.test/a", secret_file: "hook.secret" },
      { name: "b", type: "slack", url_env: "SLACK_URL" },
      {
        name: "c",
        type: "ntfy",
        url: "https://ntfy.sh/t",
        secret_env: "NTFY_TOKEN",
        on: ["failed"],
      },
    ],
    { SLACK_URL: "https://hooks.slack.com/services/T/B/x", NTFY_TOKEN: "tk_1" },
    path,
  );

  assert.equal(hook.type === "webhook" && btoa(String.fromCharCode(...hook.key)), BASE64);
  assert.equal(chat.url, "https://hooks.slack.com/services/T/B/x");
  assert.equal(topic.authorization, "Bearer tk_1");
  assert.deepEqual(topic.on, ["failed"]);
});

test("configuredTargets() chooses what a target that does not say so is told of", () => {
  const [chat, check] = targetsOf([
    { name: "a", type: "slack", url: "https://x.test/a" },
    { name: "b", type: "healthchecks", url: "https://hc-ping.com/x" },
  ]);

  assert.deepEqual(chat.on, ["failed", "warning", "stalled", "overdue", "recovered"]);
  assert.deepEqual(check.on, ["started", "completed", "failed"]);
});

test("configuredTargets() says what is wrong with each, and makes nothing of it", () => {
  const hook = { type: "webhook", url: "https://x.test/" };
  const { targets, issues } = issuesOf(
    { name: "0", ...hook },
    { name: "1", ...hook, secret: BASE64 },
    { name: "2", ...hook, secret: `whsec_${btoa("short")}` },
    { name: "3", ...hook, secret_env: "NONE" },
    { name: "4", ...hook, secret_env: "EMPTY" },
    { name: "5", ...hook, secret_file: "/none/such" },
    { name: "6", ...hook, secret: `whsec_${BASE64}`, secret_env: "NONE" },
    { name: "7", type: "slack", url: "ftp://x.test/" },
    { name: "8", type: "slack" },
    { name: "9", type: "ntfy", url: "https://ntfy.sh/" },
    { name: "9", type: "ntfy", url: "https://ntfy.sh/a/b" },
    { name: "a", type: "ntfy", url: "https://ntfy.sh/a", secret: "tk 1" },
  );

  const wrongKey = "expected whsec_ and base64 of 24 to 64 bytes";
  assert.deepEqual(targets, []);
  assert.deepEqual(issues, [
    "notify.0.secret: expected secret, secret_file or secret_env",
    `notify.1.secret: ${wrongKey}`,
    `notify.2.secret: ${wrongKey}`,
    "notify.3.secret_env: there is no such environment variable",
    "notify.4.secret_env: it is empty",
    "notify.5.secret_file: there is no such file",
    "notify.6.secret: expected one of secret, secret_file and secret_env",
    "notify.7.url: expected a URL, http:// or https://",
    "notify.8.url: expected url, url_file or url_env",
    "notify.9.url: expected a server and a topic, https://ntfy.sh/topic",
    "notify.10.name: expected another name than those before",
    "notify.10.url: expected a server and a topic, https://ntfy.sh/topic",
    "notify.11.secret: expected an access token",
  ]);
});

test("configuredTargets() refuses templates that could not be sent", () => {
  const template = { type: "template", url: "https://x.test/", body: '"{{job.id}}"' };
  const { issues } = issuesOf(
    { name: "0", ...template, body: '{"a": {{job.status}}}' },
    { name: "1", ...template, body: '{"a": "{{job.status}}"' },
    { name: "2", ...template, body: '["{{job.statsu}}", "{{jobs}}", "{{}}", "{{sync.id}}"]' },
    { name: "3", ...template, headers: { Host: "a", "b c": "d", E: "f\r\ng", H: "{{token}}" } },
    { name: "4", ...template, headers: { "Content-Type": "text/plain" }, body: "{{title}}" },
    { name: "5", ...template, body: '{"a": {{title}}}' },
    { name: "6", ...template, body: '{"a": {{job.tags}}}' },
    { name: "7", ...template, body: "[{{job.seq}}, {{job.percent}}, {{job.meta.n}}, {{secret}}]" },
    // Somebody else's numbers.
    { name: "8", ...template, body: "[{{tenant}}, {{sync}}, {{job.name}}, {{job.tags.0}}]" },
  );

  assert.deepEqual(issues, [
    "notify.0.body: expected JSON once the placeholders are filled in",
    "notify.1.body: expected JSON once the placeholders are filled in",
    "notify.2.body: there is no placeholder {{job.statsu}}",
    "notify.2.body: there is no placeholder {{jobs}}",
    "notify.2.body: there is no placeholder {{}}",
    "notify.2.body: there is no placeholder {{sync.id}}",
    "notify.3.headers.Host: expected a header that may be set",
    "notify.3.headers.b c: expected a header that may be set",
    "notify.3.headers.E: expected one line of printable ASCII",
    "notify.3.headers.H: there is no placeholder {{token}}",
    "notify.5.body: expected JSON once the placeholders are filled in",
    "notify.6.body: expected JSON once the placeholders are filled in",
  ]);
});

test("TARGET_SCHEMA knows the server's own variables from a target's", () => {
  const target = { name: "a", type: "slack", url_env: "SYNCTAIL_SLACK" };

  assert.equal(TARGET_SCHEMA.safeParse(target).success, false);
  assert.equal(TARGET_SCHEMA.safeParse({ ...target, url_env: "SLACK" }).success, true);
});

test("every example of docs/notify.md is right", () => {
  const text = readFileSync(new URL("../../../docs/notify.md", import.meta.url), "utf8");
  const blocks = [...text.matchAll(/^```json\n(.*?)^```/gms)].map(([, block]) => block);
  const examples = blocks.flatMap((block) => {
    const parts = block.startsWith("{\n") ? [block] : block.trim().split("\n");
    return parts.flatMap((part) => JSON.parse(part).notify ?? JSON.parse(part));
  });
  const env = { SLACK_URL: "https://x.test", HOOK_SECRET: `whsec_${BASE64}`, PAGER_TOKEN: "x" };
  const here = examples.map(({ secret_file: _secret, url_file, ...example }) => {
    return TARGET_SCHEMA.parse(url_file ? { ...example, url: "https://x.test" } : example);
  });

  // Each page has targets of its own.
  const issues = here.flatMap((each) => configuredTargets([each], { directory: "/", env }).issues);

  assert.deepEqual(issues, []);
  const types = TARGET_SCHEMA.options.map(({ shape }) => shape.type.value);
  assert.deepEqual([...new Set(here.map(({ type }) => type))].sort(), types.toSorted());
  const [, listed] = /^\| `type` \| (.*) \|$/m.exec(text) ?? [];
  assert.equal(listed, types.map((type) => `\`${type}\``).join(", "));
});
