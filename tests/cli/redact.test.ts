import assert from "node:assert/strict";
import { test } from "node:test";
import { redact } from "../../src/cli/exec/redact.ts";

for (
  const [given, shown] of [
    [["rclone", "sync", "a", "b:c"], ["rclone", "sync", "a", "b:c"]],
    [["x", "--password", "hunter2", "y"], ["x", "--password", "***", "y"]],
    [["x", "--password=hunter2"], ["x", "--password=***"]],
    [["x", "--password-file", "/etc/pw"], ["x", "--password-file", "/etc/pw"]],
    [["x", "--password-file=/etc/pw"], ["x", "--password-file=/etc/pw"]],
    [["x", "--s3-secret-access-key", "abc"], ["x", "--s3-secret-access-key", "***"]],
    [["env", "AWS_SECRET_ACCESS_KEY=abc", "x"], ["env", "AWS_SECRET_ACCESS_KEY=***", "x"]],
    [["x", ":s3,secret_access_key=abc,region=eu:b"], [
      "x",
      ":s3,secret_access_key=***,region=eu:b",
    ]],
    [["pg_dump", "postgres://u:pw@h/db"], ["pg_dump", "postgres://u:***@h/db"]],
    [["curl", "https://h/x?token=abc&a=1"], ["curl", "https://h/x?token=***&a=1"]],
    [["curl", "-H", "Authorization: Bearer abc"], ["curl", "-H", "Authorization: ***"]],
    [["curl", "-H", "X-Api-Key: abc"], ["curl", "-H", "X-Api-Key: ***"]],
    [["mysqldump", "-phunter2", "db"], ["mysqldump", "-p***", "db"]],
    [["rsync", "-ptgo", "a", "b"], ["rsync", "-ptgo", "a", "b"]],
    [["sh", "-c", "PASSWORD=abc x --token def | y"], [
      "sh",
      "-c",
      "PASSWORD=*** x --token *** | y",
    ]],
    [["x", "ghp_0123456789abcdefghij01"], ["x", "***"]],
    [["x", "--verbose", "--author", "me"], ["x", "--verbose", "--author", "***"]],
  ] as const
) {
  test(`redact() shows ${given.slice(1).join(" ")} as ${shown.slice(1).join(" ")}`, () => {
    assert.deepEqual(redact(given), shown);
  });
}
