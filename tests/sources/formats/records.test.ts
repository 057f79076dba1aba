import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { RecordSession } from "../../../src/destinations/record_destination.ts";
import { formatOf } from "../../../src/sources/formats/formats.ts";
import { tempDirectory } from "../../support/temp.ts";
import { feed, none, replay, RUN } from "./reading.ts";
import { memoryRecords } from "./record_session.ts";

const singer = formatOf("singer");
const airbyte = formatOf("airbyte");
const done = { code: 0, signal: null };

const row = (data: object) =>
  `O: ${JSON.stringify({ type: "RECORD", record: { stream: "users", data, emitted_at: 1 } })}`;

test("singer, airbyte: a state is a sign of life, as of a tap that waits for changes", () => {
  for (const format of [singer, airbyte]) {
    const { counts, progress } = feed(format.reader(RUN), ['O: {"type": "STATE"}'], done);

    assert.deepEqual([counts, progress.length], [none, 2]);
  }
});

test("singer: the key and the content tell inserted, updated, kept and deleted", () => {
  const records = memoryRecords();

  const first = replay(singer, "singer_first.txt", records);
  const again = replay(singer, "singer_again.txt", records);

  assert.deepEqual(first.counts, { ...none, inserted: 3, kept: 1 });
  assert.deepEqual(first.last.encountered, { users: 2, visits: 2 });
  assert.equal(first.last.warnings, 1);
  assert.equal(first.error, undefined);
  assert.deepEqual(again.counts, { ...none, inserted: 1, updated: 1, kept: 1, deleted: 1 });
  assert.equal(records.held.size, 3);
  assert.ok(records.held.has("users [2]") && records.held.has("users [3]"));
});

test("singer: the lines are those of the tap, and what a reader has to know", () => {
  const { lines } = replay(singer, "singer_first.txt", memoryRecords());

  assert.deepEqual(lines, [
    "info: INFO Starting sync of stream users",
    "info: users: ACTIVATE_VERSION deletes nothing here; records that are gone from the source stay",
    "info: visits: records without a primary key are told apart by their content, so that a changed " +
    "one counts as inserted",
    'debug: INFO METRIC: {"type": "counter", "metric": "record_count", "value": 2, "tags": ' +
    '{"endpoint": "users"}}',
    "warning: WARNING Rate limit is near",
  ]);
});

test("singer: a failure is told in the last words of the tap", () => {
  const { error, lines } = replay(singer, "singer_again.txt", memoryRecords());

  assert.ok(lines.includes("error: CRITICAL HTTP 401: the token has expired"));
  assert.deepEqual(error, {
    code: "program_failed",
    message: "The program ended with exit code 1: tap_shop.AuthError: the token has expired",
  });
});

test("singer: without a destination records are met, not counted, and that is told once", () => {
  const { counts, last, lines } = replay(singer, "singer_first.txt");

  assert.deepEqual(counts, none);
  assert.deepEqual(last.encountered, { users: 2, visits: 2 });
  assert.equal(lines.filter((line) => line.startsWith("info: Records are only counted")).length, 1);
});

test("singer: what is cut off, unknown or no JSON is a log line", () => {
  const { counts, last, lines } = feed(singer.reader({ ...RUN, records: memoryRecords() }), [
    'O: {"type": "RECORD", "stream": "users", "rec',
    'O: {"type": "RECORD", "stream": "users", "record": {"a": NaN}}',
    'O: {"type": "STATE", "value": NaN}',
    'O: {"type": "RECORD", "stream": "users"}',
    'O: {"type": "record", "stream": "users", "record": {"__proto__": 1}}',
    'O: {"type": "SCHEMA", "stream": "users", "key_properties": "id"}',
    'O: {"type": "BATCH", "stream": "users"}',
    'O: {"type": "BATCH", "stream": "users"}',
    'O: {"type": "FUTURE"}',
    'O: {"stream": "users"}',
    "O: null",
  ], done);

  assert.deepEqual(counts, { ...none, inserted: 1 });
  assert.equal(last.warnings, 4);
  assert.deepEqual(lines.filter((line) => !line.includes("primary key")), [
    'warning: Not counted: {"type": "RECORD", "stream": "users", "rec',
    'warning: Not counted: {"type": "RECORD", "stream": "users", "record": {"a": NaN}}',
    'info: {"type": "STATE", "value": NaN}',
    'warning: Not counted: {"type": "RECORD", "stream": "users"}',
    "warning: users: BATCH names files of records, which are not read",
    'debug: {"type": "FUTURE"}',
    'info: {"stream": "users"}',
    "info: null",
  ]);
});

test("singer: records whose key is missing or null are told apart by their content", () => {
  const records = memoryRecords();

  const { counts } = feed(singer.reader({ ...RUN, records }), [
    'O: {"type":"SCHEMA","stream":"s","key_properties":["id"]}',
    'O: {"type":"RECORD","stream":"s","record":{"id":null,"a":1}}',
    'O: {"type":"RECORD","stream":"s","record":{"id":null,"a":2}}',
    'O: {"type":"RECORD","stream":"s","record":{"a":1}}',
    'O: {"type":"RECORD","stream":"s","record":{"a":2}}',
    'O: {"type":"RECORD","stream":"s","record":{"a":2}}',
  ], done);

  assert.deepEqual(counts, { ...none, inserted: 4, kept: 1 });
});

for (
  const [format, column, said] of [
    [singer, "_sdc_deleted_at", (record: object) => ({ type: "RECORD", stream: "users", record })],
    [airbyte, "_ab_cdc_deleted_at", (data: object) => ({
      type: "RECORD",
      record: { stream: "users", data, emitted_at: 1 },
    })],
  ] as const
) {
  test(`${format.name}: only a row with the time of its end is deleted, and where it was known`, () => {
    const records = memoryRecords();
    const rows = [{ [column]: null, a: 1 }, { [column]: "2026-01-01", a: 2 }];

    const { counts } = feed(
      format.reader({ ...RUN, records }),
      rows.map((row) => `O: ${JSON.stringify(said(row))}`),
      done,
    );

    assert.deepEqual(counts, { ...none, inserted: 1 });
  });
}

test("airbyte: a connection that succeeded is no error", () => {
  const status = { type: "CONNECTION_STATUS", connectionStatus: { status: "SUCCEEDED" } };

  const { lines, error } = feed(airbyte.reader({ ...RUN, records: memoryRecords() }), [
    `O: ${JSON.stringify(status)}`,
  ], done);

  assert.deepEqual([lines, error], [[], undefined]);
});

test("numbers keep their digits: as keys, in what is compared and in what is stored", () => {
  const put: string[] = [];
  const held = memoryRecords();
  const records: RecordSession = {
    ...held,
    put(record) {
      put.push(`${record.key} ${record.payload}`);
      return held.put(record);
    },
  };
  const tap = (rows: readonly string[]) => [
    'O: {"type":"SCHEMA","stream":"s","key_properties":["id"]}',
    ...rows.map((row) => `O: {"type":"RECORD","stream":"s","record":${row}}`),
  ];
  const source = (rows: readonly string[]) => [
    'O: {"type":"CATALOG","catalog":{"streams":[{"name":"a","source_defined_primary_key":[["id"]]}]}}',
    ...rows.map((row) => `O: {"type":"RECORD","record":{"stream":"a","data":${row}}}`),
  ];
  const rows = [
    '{"id":12345678901234567890,"at":[-0.12345678901234567890,1.50],"text":"12345678901234567890"}',
    '{"id":12345678901234567891,"__proto__":{"b":9007199254740993}}',
    '{"id":1234567890123456,"x":0.30000000000000004,"y":1.0,"z":1e2}',
    '{"id":1e999,"x":[-2E+400,3e-400,0e999,1e100]}',
  ];

  const first = feed(singer.reader({ ...RUN, records }), tap(rows), done);
  const again = feed(singer.reader({ ...RUN, records }), tap(rows), done);
  const other = feed(airbyte.reader({ ...RUN, records }), source(rows), done);

  assert.deepEqual(first.counts, { ...none, inserted: 4 });
  assert.deepEqual(again.counts, { ...none, kept: 4 });
  assert.deepEqual(other.counts, { ...none, inserted: 4 });
  assert.deepEqual(put.slice(0, 4), [
    '[12345678901234567890] {"at":[-0.12345678901234567890,1.5],"id":12345678901234567890,' +
    '"text":"12345678901234567890"}',
    '[12345678901234567891] {"__proto__":{"b":9007199254740993},"id":12345678901234567891}',
    '[1234567890123456] {"id":1234567890123456,"x":0.30000000000000004,"y":1,"z":100}',
    '[1e999] {"id":1e999,"x":[-2E+400,3e-400,0,1e+100]}',
  ]);
});

test("a number is no record, however long it is", () => {
  const { counts, lines } = feed(singer.reader({ ...RUN, records: memoryRecords() }), [
    'O: {"type":"RECORD","stream":"s","record":12345678901234567890}',
  ], done);

  assert.deepEqual(counts, none);
  assert.match(lines.join(), /^warning: Not counted: /);
});

test("a destination that fails is not swallowed", () => {
  const records = { ...memoryRecords(), put: () => assert.fail("no room") };

  assert.throws(() => feed(airbyte.reader({ ...RUN, records }), [row({ id: 1 })], done), /no room/);
});

test("airbyte: the catalog's key and the content tell inserted, updated, kept and deleted", () => {
  const { counts, last, lines, error } = replay(airbyte, "airbyte_first.txt", memoryRecords());

  assert.deepEqual(counts, { inserted: 2, updated: 1, deleted: 1, kept: 1, skipped: 0 });
  assert.deepEqual(last.encountered, { "public.users": 5 });
  assert.equal(last.phase, "public.users");
  assert.equal(last.total, undefined);
  assert.equal(error, undefined);
  assert.deepEqual(lines, [
    "info: Starting syncing SourceShop",
    "debug: users: about 100 records",
    "debug: public.users: running",
    "warning: Rate limit is near",
    "debug: public.users: complete",
  ]);
});

test("airbyte: an error trace is the reason, also where the exit code is 0", () => {
  const failed = replay(airbyte, "airbyte_failed.txt", memoryRecords());
  const silent = feed(airbyte.reader(RUN), [
    'O: {"type":"TRACE","trace":{"type":"ERROR","emitted_at":1,"error":{"message":"It broke"}}}',
  ], done);

  assert.deepEqual(failed.error, {
    code: "program_failed",
    message: "The program ended with exit code 1: The token has expired",
  });
  assert.ok(failed.lines.includes("warning: public.users is incomplete"));
  assert.deepEqual(silent.error, {
    code: "program_failed",
    message: "The program ended with exit code 0, but told of an error: It broke",
  });
});

test("airbyte: a catalog in a pipe is left to the program", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const pipe = join(path, "catalog");
  execFileSync("mkfifo", [pipe]);
  const catalog = '{"streams":[{"stream":{"name":"users"},"primary_key":[["id"]]}]}';
  const writer = spawn("sh", ["-c", `printf %s '${catalog}' > ${pipe}`]);
  t.after(() => void writer.kill("SIGKILL"));
  const records = memoryRecords();

  const command = ["source-shop", "read", "--catalog", pipe];
  feed(airbyte.reader({ ...RUN, command, records }), [row({ id: 1 })], done);

  assert.ok(!records.held.has("users [1]"));
});

test("airbyte: the configured catalog of the command has the chosen keys", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const catalog = join(path, "catalog.json");
  const stream = { name: "users", source_defined_primary_key: [["id"]] };
  writeFileSync(
    catalog,
    JSON.stringify({ streams: [{ stream, primary_key: [["account", "id"]] }] }),
  );
  const records = memoryRecords();
  const command = ["source-shop", "read", "--catalog", catalog];

  const { counts } = feed(airbyte.reader({ ...RUN, command, records }), [
    row({ id: 1, account: { id: 7 }, name: "a" }),
    row({ id: 2, account: { id: 7 }, name: "b" }),
  ], done);

  assert.deepEqual(counts, { ...none, inserted: 1, updated: 1 });
  assert.deepEqual([...records.held.keys()], ["users [7]"]);
});

test("airbyte: what is cut off, unknown or wrong is a log line", () => {
  const { counts, lines } = feed(
    airbyte.reader({ ...RUN, command: ["x", "--catalog", "/nowhere"] }),
    [
      'O: {"type":"RECORD","record":{"stream":"users"}}',
      'O: {"type":"LOG"}',
      'O: {"type":"TRACE","trace":{"type":"NEW"}}',
      'O: {"type":"CATALOG","catalog":{"streams":[null,{"name":7},{"stream":{}}]}}',
      'O: {"type":"CONTROL","control":{"type":"CONNECTOR_CONFIG","connectorConfig":{"config":{"p":"hunter2"}}}}',
      'O: {"type":"DESTINATION_CATALOG","secret":"hunter2"}',
      'O: {"type":"RECORD","record":{"a":NaN}}',
      'O: {"type":"REC',
      "E: plain",
    ],
    done,
  );

  assert.deepEqual(counts, none);
  assert.deepEqual(lines, [
    'warning: Not counted: {"type":"RECORD","record":{"stream":"users"}}',
    'warning: Not counted: {"type":"LOG"}',
    'warning: Not counted: {"type":"TRACE","trace":{"type":"NEW"}}',
    "debug: The connector's configuration was updated; it is not kept here",
    "debug: A message of type DESTINATION_CATALOG was not read",
    'warning: Not counted: {"type":"RECORD","record":{"a":NaN}}',
    'info: {"type":"REC',
    "info: plain",
  ]);
});
