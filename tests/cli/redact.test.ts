import assert from "node:assert/strict";
import { test } from "node:test";
import { redact, shown } from "../../src/cli/exec/redact.ts";

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
    [["/usr/bin/nice", "/usr/bin/sshpass", "-phunter2", "rsync"], [
      "/usr/bin/nice",
      "/usr/bin/sshpass",
      "-p***",
      "rsync",
    ]],
    [["sshpass", "-p", "hunter2", "rsync", "-p", "a"], [
      "sshpass",
      "-p",
      "***",
      "rsync",
      "-p",
      "a",
    ]],
    [["rclone", "--sftp-pass", "abc", "--b2-key", "d"], [
      "rclone",
      "--sftp-pass",
      "***",
      "--b2-key",
      "***",
    ]],
    [["rclone", "ls", ":sftp,host=x,pass=abc,port=22:d"], [
      "rclone",
      "ls",
      ":sftp,host=x,pass=***,port=22:d",
    ]],
    [["env", "RCLONE_CONFIG_PASS=a", "SSHPASS=b", "MYSQL_PWD=c", "x"], [
      "env",
      "RCLONE_CONFIG_PASS=***",
      "SSHPASS=***",
      "MYSQL_PWD=***",
      "x",
    ]],
    [["curl", "-u", "me:abc", "--user=me:abc", "-ume:abc"], [
      "curl",
      "-u",
      "me:***",
      "--user=me:***",
      "-ume:***",
    ]],
    [["curl", "-u", "12345:abc", "-u", "my name:abc", "-u", "a,b:c", "-u", "a:"], [
      ...["curl", "-u", "12345:***", "-u", "my name:***", "-u", "a,b:***", "-u", "a:***"],
    ]],
    [["curl", "-u", ":abc", "-u:abc", "--user=:abc", "-u", ":"], [
      ...["curl", "-u", ":***", "-u:***", "--user=:***", "-u", ":***"],
    ]],
    [["sh", "-c", "curl -u :abc h; curl -U ':abc' h"], [
      ...["sh", "-c", "curl -u :*** h; curl -U ':***' h"],
    ]],
    [["x", "-u", ":abc", "-u", ":"], ["x", "-u", ":***", "-u", ":"]],
    [["x", "-u", "12345:abc"], ["x", "-u", "12345:***"]],
    [["x", "-u", "12345:9abc"], ["x", "-u", "12345:***"]],
    [["x", "-u me:abc h"], ["x", "-u me:*** h"]],
    [["sh", "-c", "curl --proxy-user me:abc h"], ["sh", "-c", "curl --proxy-user me:*** h"]],
    [["sh", "-c", "mariadb-dump -pabc db"], ["sh", "-c", "mariadb-dump -p*** db"]],
    [["sh", "-c", "ncftpput -u me -p abc h"], ["sh", "-c", "ncftpput -u me -p *** h"]],
    [["sudo", "-p", "x", "sshpass", "-p", "abc", "ssh"], [
      ...["sudo", "-p", "x", "sshpass", "-p", "***", "ssh"],
    ]],
    [["sh", "-c", "curl -u 12345:abc h"], ["sh", "-c", "curl -u 12345:*** h"]],
    ...[
      ["rsync", "-a", "-u", "h:/data", "/x"],
      ["rclone", "copy", "-u", "b2:photos", "x"],
      ["python3", "-u", "etl:main"],
      ["sort", "-u", "a,b"],
      ["diff", "-u", "a,b", "c"],
      ["date", "-u", "+%F"],
      ["x", "-u", "me:"],
      ["x", "-users:all"],
      ["sh", "-c", "docker run x -u 1000:1000"],
      ["sh", "-c", "mysql a & rsync -pt b c"],
      ["sh", "-c", "mysql a | rsync -pt b c"],
      ["sh", "-c", "tar czf /b/$(date -u +%F).tgz /x"],
      ["sh", "-c", "docker run -u '1000:1000' x"],
    ].map((command) => [command, command] as const),
    [["docker", "run", "-u", "1000:1000"], ["docker", "run", "-u", "1000:1000"]],
    [["sh", "-c", "docker run -u 1000:1000 x"], ["sh", "-c", "docker run -u 1000:1000 x"]],
    [["lftp", "-u", "me,abc", "-e", "mirror a b"], ["lftp", "-u", "me,***", "-e", "mirror a b"]],
    [["lftp", "-c", "open -u me,abc h; mirror"], ["lftp", "-c", "open -u me,*** h; mirror"]],
    [["smbclient", "-U", "me%abc", "//h/s"], ["smbclient", "-U", "me%***", "//h/s"]],
    [["mongodump", "-u", "me", "-p", "abc"], ["mongodump", "-u", "me", "-p", "***"]],
    ...[
      ["mysqldump -u me -pabc db | gzip", "mysqldump -u me -p*** db | gzip"],
      ["sshpass -p abc ssh h; rsync -pt a b", "sshpass -p *** ssh h; rsync -pt a b"],
      ["mc ls\nmysql -pabc\nmc cp a https://h b c", "mc ls\nmysql -p***\nmc cp a https://h b ***"],
      ['AUTH_URL="https://h?a=1&token=abc"', 'AUTH_URL="https://h?a=1&token=***"'],
      ["grep 'token=' f; x --token='abc d'", "grep 'token=' f; x --token='***'"],
      ["x 'token='$A --token='abc d'", "x 'token='*** --token='***'"],
      ["x --token-file 'a --token abc'", "x --token-file 'a --token ***'"],
    ].map(([text, shown]) => [["sh", "-c", text], ["sh", "-c", shown]] as const),
    [["sh", "-c", `mysqldump -p'a b;c' db; sshpass -p "d|e" ssh h`], [
      ...["sh", "-c", "mysqldump -p*** db; sshpass -p *** ssh h"],
    ]],
    [["sh", "-c", "curl -u 'me:abc' https://h"], ["sh", "-c", "curl -u 'me:***' https://h"]],
    [["sh", "-c", "mysql db; tar -p x"], ["sh", "-c", "mysql db; tar -p x"]],
    [["rsync", "-ptgo", "a", "b"], ["rsync", "-ptgo", "a", "b"]],
    [["sh", "-c", "PASSWORD=abc x --token def | y"], [
      "sh",
      "-c",
      "PASSWORD=*** x --token *** | y",
    ]],
    [["x", "ghp_0123456789abcdefghij01"], ["x", "***"]],
    ...[
      `st_${"a".repeat(16)}`,
      `github_pat_${"a".repeat(20)}`,
      `glpat-${"a".repeat(15)}`,
      `xoxb-${"1".repeat(10)}`,
      `sk-${"a".repeat(16)}`,
      `AKIA${"A".repeat(16)}`,
      `eyJ${"a".repeat(8)}.${"b".repeat(8)}.c`,
    ].map((secret) => [["x", `use ${secret} now`], ["x", "use *** now"]] as const),
    [["x", "--token", "--verbose"], ["x", "--token", "--verbose"]],
    [["x", "--passphrase", "a", "--signature=b", "--credential", "c"], [
      "x",
      "--passphrase",
      "***",
      "--signature=***",
      "--credential",
      "***",
    ]],
    [["x", "--auth-user", "me", "--token-type=jwt"], [
      "x",
      "--auth-user",
      "me",
      "--token-type=jwt",
    ]],
    [["sh", "-c", "x --token 'a b' --secret \"c d\" y"], [
      "sh",
      "-c",
      "x --token *** --secret *** y",
    ]],
    [["curl", "-H", "Cookie: a=b; c=d"], ["curl", "-H", "Cookie: ***"]],
    [["curl", "--user", "me:abc", "--proxy-user", "me:def", "-U", "me:g"], [
      "curl",
      "--user",
      "me:***",
      "--proxy-user",
      "me:***",
      "-U",
      "me:***",
    ]],
    [["7z", "x", "-pabc", "a.7z"], ["7z", "x", "-p***", "a.7z"]],
    [["7za", "x", "-pabc", "a.7z"], ["7za", "x", "-p***", "a.7z"]],
    ...[
      "zip -r -P @abc a.zip d",
      "unzip -P@abc a.zip",
      "openssl enc -aes-256-cbc -k @abc -in a -keyform PEM",
      "openssl rsa -passin pass:@abc -in a",
      "ldapsearch -x -D cn=me -w @abc -b dc=x",
      "redis-cli -h h -a @abc --rdb f",
      "sqlcmd -S h -U me -P @abc -Q x",
      "mc --json alias set m https://h KEY @abc",
      "mc config host add m https://h KEY @abc",
    ].flatMap((text) => {
      const [given, shown] = [text.replace("@", ""), text.replace("@abc", "***")];
      return [
        [given.split(" "), shown.split(" ")],
        [["sh", "-c", `cd x && /usr/bin/${given} | y`], [
          ...["sh", "-c", `cd x && /usr/bin/${shown} | y`],
        ]],
      ] as const;
    }),
    [["psql", "host=h password='a b;c' dbname=d"], ["psql", "host=h password='***' dbname=d"]],
    [["x", `{"password": "a b,c", "n": "d"}`], ["x", `{"password": "***", "n": "d"}`]],
    ...[
      "sort -k 2 -P a",
      "ps -a -w x",
      "grep -w x a.zip",
      "cp -a a b",
      "scp -P 22 a.zip h:",
      "scp a.zip -P 22 h:",
      "openssl req -keyout f -nodes",
      "mc cp -a a m/b c d",
      "mc alias list",
    ].flatMap((text) => {
      const [words, script] = [text.split(" "), ["sh", "-c", text]];
      return [[words, words], [script, script]] as const;
    }),
    [["x", "--verbose", "--author", "me"], ["x", "--verbose", "--author", "***"]],
    [["x", "--key", "abc", "--key=abc"], ["x", "--key", "***", "--key=***"]],
  ] as const
) {
  test(`redact() shows ${given.slice(1).join(" ")} as ${shown.slice(1).join(" ")}`, () => {
    assert.deepEqual(redact(given), shown);
  });
}

test("redact() soon has done with the longest arguments that a system takes", () => {
  const texts = [
    "a",
    "a.",
    "x-",
    "aGVsbG8+",
    "mysql ",
    "mariadb-",
    "mongo -",
    "zip ",
    "openssl -",
    "mc alias set ",
    "-u ",
    " ",
  ]
    .map((part) => part.repeat(128 * 1024 / part.length));

  const long = [...texts, `https://${texts[0]}`, `--${texts[1]}password=abc`];

  assert.deepEqual(redact(["x", ...long.slice(0, -1)]).slice(1), long.slice(0, -1));
  assert.deepEqual(redact(["x", ...long.slice(-1)]), ["x", `--${texts[1]}password=***`]);
});

test("shown() gives the beginning of a long command, without a part of a secret", () => {
  const files = Array.from({ length: 200_000 }, (_, n) => `${n}.jpg`);
  const script = `${"x".repeat(16 * 1024 - 20)} --password=${"s3cret".repeat(10)}`;

  const many = shown(["cp", ...files, "/mnt"]);
  const [, , one, ...others] = shown(["sh", "-c", script, "more"]);

  assert.deepEqual(many.slice(0, 3), ["cp", "0.jpg", "1.jpg"]);
  assert.equal(many.at(-1), `… (${files.length + 2 - (many.length - 1)} more)`);
  assert.ok(JSON.stringify(many).length < 32 * 1024, `${JSON.stringify(many).length}`);
  assert.ok(one.length <= 16 * 1024 && !one.includes("s3c"), one.slice(-40));
  assert.deepEqual(others, ["… (1 more)"]);
  assert.deepEqual(shown(["cp", "a", ""]), ["cp", "a", ""]);
  const rest = "x".repeat(16 * 1024 - "cp".length - 1);
  assert.deepEqual(shown(["cp", `${rest}x`]), ["cp", `${rest.slice(1)}…`]);
  assert.deepEqual(shown(["cp", rest.slice(1), "b"]), ["cp", rest.slice(1), "… (1 more)"]);
});
