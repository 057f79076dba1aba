import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { detectFormat, FORMAT_NAMES, formatOf } from "../../../src/sources/formats/formats.ts";
import { feed, RUN } from "./reading.ts";
import { memoryRecords } from "./record_session.ts";

const done = { code: 0, signal: null };

test("formatOf() knows each name", () => {
  assert.deepEqual(FORMAT_NAMES.map((name) => formatOf(name).name), FORMAT_NAMES);
});

test("docs name all formats, and those that a program's name decides", () => {
  const page = (name: string) =>
    readFileSync(new URL(`../../../docs/${name}.md`, import.meta.url), "utf8");
  const [, table] = /^\| format \|.*?\n(.*?)\n\n/ms.exec(page("sources")) ?? [];
  const [, decided] =
    /^.* For (.*?) the program's name decides the format/m.exec(page("sources")) ??
      [];
  const [, listed] = /^`--format (.*?)`/m.exec(page("exec")) ?? [];
  const namesIn = (text = "") => [...text.matchAll(/`(\w+)`/g)].map(([, name]) => name);
  const rows = [...(table ?? "").matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell]) => namesIn(cell));

  assert.deepEqual(rows, FORMAT_NAMES);
  assert.equal(listed, FORMAT_NAMES.join(" | "));
  assert.deepEqual(namesIn(decided), FORMAT_NAMES.filter((name) => formatOf(name).ofProgram));
});

test("detectFormat() goes by the name of the program", () => {
  assert.equal(detectFormat(["rclone", "sync", "a", "b"]), "rclone");
  assert.equal(detectFormat(["/usr/local/bin/restic", "backup"]), "restic");
  assert.equal(detectFormat(["./rsync"]), "rsync");
  assert.equal(detectFormat(["/rsync/mirror.sh", "rsync"]), undefined);
  assert.equal(detectFormat(["lines"]), undefined);
  assert.equal(detectFormat([]), undefined);
});

test("detectFormat() looks behind what starts the program", () => {
  for (
    const before of [
      "nice",
      "nice -n 5",
      "nice -n5",
      "nice -10",
      "nice --adjustment=5",
      "ionice -c 3",
      "ionice -c2 -n 7",
      "env A=b C=",
      "env -i -u HOME PATH=/bin",
      "timeout 1.5h",
      "timeout -k 5 -s INT 3600",
      "timeout --signal INT --preserve-status 1h",
      "sudo",
      "sudo -n -u backup",
      "sudo -nu backup A=b --",
      "sudo --user=backup",
      "doas -u backup",
      "stdbuf -oL",
      "stdbuf -o L",
      "chrt -i 0",
      "/usr/bin/nohup",
      "sudo -u rsync nice -n 5 ionice -c 3 timeout 1h env A=b",
    ]
  ) {
    assert.equal(detectFormat([...before.split(" "), "/opt/rclone", "sync"]), "rclone", before);
    assert.equal(detectFormat(before.split(" ")), undefined, before);
    assert.equal(detectFormat([...before.split(" "), "tar", "rclone"]), undefined, before);
  }
});

for (const name of FORMAT_NAMES) {
  test(`${name}: nothing at all, and noise, are no fault`, () => {
    const deep = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
    const noise = [
      ...[
        "",
        "{",
        "}",
        "{}",
        "[]",
        "null",
        "0",
        '"',
        "\r",
        "\r\r\n",
        "\u0000",
        "\ufeff{}",
        "%i %l %n",
      ],
      ...['{"type":null}', '{"message_type":{}}', '{"msg":[]}', '{"type":"progress"}', "\ud800"],
      ...[
        '{"level":"constructor","msg":"x","type":"constructor"}',
        '{"level":{"toString":1},"msg":"x"}',
      ],
      ...['{"type":"LOG","log":{"level":{"toString":1},"message":"x"}}'],
      ...[
        '{"type":"TRACE","trace":{"type":"STREAM_STATUS","stream_status":{"status":{"toString":1}}}}',
      ],
      ...[
        '{"type":"TRACE","trace":{"type":"ESTIMATE","estimate":{"row_estimate":{"toString":1}}}}',
      ],
      `{"type":"RECORD","stream":"s","record":${deep},"msg":"x","fields":${deep}}`,
      `{"type":"RECORD","record":{"stream":"s","data":${deep}}}`,
      `{"type":"log","message":"x","fields":${deep}}`,
      ...['{"stats":{}}', '{"msg":"x","stats":null}', "*deleting", "{".repeat(10_000)],
    ];

    const silent = feed(formatOf(name).reader(RUN), [], done);
    const noisy = feed(formatOf(name).reader({ ...RUN, records: memoryRecords() }), [
      ...noise.map((text) => `O: ${text}`),
      ...noise.map((text) => `E: ${text}`),
    ], done);

    assert.equal(silent.error, undefined);
    assert.deepEqual(silent.lines, []);
    assert.ok(noisy.lines.length > 5);
  });
}

test("a flood leaves counts that are exact and memory that is bounded", () => {
  const files = Array.from({ length: 100_000 }, (_, at) => `O: >f+++++++++ 1 file ${at}`);
  const streams = Array.from(
    { length: 1_100 },
    (_, at) => `O: ${JSON.stringify({ type: "RECORD", stream: `stream ${at}`, record: {} })}`,
  );
  const failures = Array.from(
    { length: 10_100 },
    (_, at) =>
      `E: ${JSON.stringify({ level: "error", msg: "Failed to copy: x", object: `file ${at}` })}`,
  );

  const rsync = feed(formatOf("rsync").reader(RUN), files, done);
  const singer = feed(formatOf("singer").reader(RUN), streams, done);
  const rclone = feed(formatOf("rclone").reader(RUN), failures, done);

  assert.equal(rsync.counts.inserted, 100_000);
  assert.deepEqual(rsync.lines, []);
  assert.equal(Object.keys(singer.last.encountered).length, 1_000);
  assert.equal(singer.last.encountered.other, 101);
  assert.equal(rclone.counts.skipped, 10_100);
});
