import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { timeoutOf } from "../../../src/sources/formats/flags.ts";
import { type FormatName, formatOf } from "../../../src/sources/formats/formats.ts";
import { failure } from "../../../src/sources/formats/verdict.ts";
import { feed, none, RUN, runReal, told } from "./reading.ts";

const done = { code: 0, signal: null };
const lines = formatOf("lines");
const ndjson = formatOf("ndjson");

test("lines: each line is a log line with the level that it names", () => {
  const { counts, last, lines: said, error } = feed(lines.reader(RUN), [
    "O: copying",
    "E: WARNING: disk is nearly full",
    "E: 2026-01-15 10:00:00,123 ERROR no such table",
    "O: [debug] details",
    "O: errors: 0",
    "O: \u001b[1;32mgreen\u001b[0m\ttab",
    "O: 10%\r 20%\r 30%\r",
    "O: ",
    "O:  \r",
  ], done);

  assert.deepEqual(counts, none);
  assert.equal(last.warnings, 1 + 1);
  assert.equal(last.percent, undefined);
  assert.equal(error, undefined);
  assert.deepEqual(said, [
    "info: copying",
    "warning: WARNING: disk is nearly full",
    "error: 2026-01-15 10:00:00,123 ERROR no such table",
    "debug: [debug] details",
    "info: errors: 0",
    "info: green tab",
    "info:  30%",
  ]);
});

test("lines: what stands before a backspace is written over, as a terminal shows it", () => {
  const { lines: said } = feed(lines.reader(RUN), [
    "O: copying 10%\b\b\b20%\b\b\b100%",
    "O: reading\b\b\b\b\b\b\b       \b\b\b\b\b\b\bdone",
    "O: N\bNA\bAM\bME\bE _\ba\u001b[1m_\bb\u001b[0m",
    "O: \b\bgr\u00fc\u{1f600}\bn",
    "O: kept\b\b",
  ], done);

  assert.deepEqual(
    said,
    ["copying 100%", "done", "NAME ab", "gr\u00fcn", "kept"].map((message) => `info: ${message}`),
  );
});

test("lines: the state of a progress bar is what the job is busy with, until other words come", () => {
  const reader = lines.reader(RUN);
  const { progress, lines: said, last } = told([
    ...reader.line("listing", "stdout"),
    ...reader.line(" 98 MB a.iso", "stderr", true),
    ...reader.line("\u001b[K  ", "stderr", true),
    ...reader.line("WARNING: a.iso was changed", "stderr", true),
    ...reader.line("ERROR: b.iso is gone", "stderr", true),
    ...reader.line("saving", "stdout"),
  ]);
  const { error } = reader.end({ code: 1, signal: null });

  assert.deepEqual(said, [
    "info: listing",
    "debug:  98 MB a.iso",
    "warning: WARNING: a.iso was changed",
    "error: ERROR: b.iso is gone",
    "info: saving",
  ]);
  assert.equal(progress[0].current, " 98 MB a.iso");
  assert.deepEqual([last.current, last.warnings], ["saving", 1]);
  assert.equal(error?.message, "The program ended with exit code 1: ERROR: b.iso is gone");
});

test("lines: a pattern of one group is a percent, and never goes back", () => {
  const format = formatOf("lines", { percent: /(\d+(?:\.\d+)?)%/g });

  const { progress, lines: said } = feed(format.reader(RUN), [
    "O: 10%",
    "O: 42.5%",
    "O: retrying at 12%",
    "O: 400%",
  ], done);

  assert.deepEqual(progress.map(({ percent }) => percent), [10, 42.5, 42.5, 42.5]);
  assert.deepEqual(said, ["debug: 10%", "debug: 42.5%", "debug: retrying at 12%", "info: 400%"]);
});

test("lines: a pattern of two groups is done and total", () => {
  const format = formatOf("lines", { percent: /(\d+) of (\d+)/ });

  const { progress } = feed(format.reader(RUN), ["O: 1 of 4", "O: 3 of 4", "O: 3 of 0"], done);

  assert.deepEqual(progress.map(({ percent }) => percent), [25, 75, 75]);
});

test("lines: a failure is told by exit code or signal, and the last line on stderr", () => {
  const said = feed(lines.reader(RUN), ["E: it broke", "O: bye"], { code: 3, signal: null });
  const silent = feed(lines.reader(RUN), [], { code: 1, signal: null });
  const killed = feed(lines.reader(RUN), ["O: half way"], { code: null, signal: "SIGKILL" });

  assert.deepEqual(said.error, {
    code: "program_failed",
    message: "The program ended with exit code 3: it broke",
  });
  assert.equal(
    silent.error?.message,
    "The program ended with exit code 1 and said nothing of why",
  );
  assert.deepEqual(killed.error, {
    code: "program_killed",
    message: "The program was killed by SIGKILL: half way",
  });
});

test("failure() says that the time ran out which timeout gave the program", () => {
  const ends = [124, 137, null].flatMap((code) =>
    ["timeout 60", "sudo timeout --foreground -k 5 1.5h nice -n 5", "timeout -s KILL 60", "nice"]
      .map((before) => {
        const timeout = timeoutOf([...before.split(" "), "x"]);
        const exit = { code, signal: code === null ? "SIGKILL" : null, timeout };
        return failure("x", exit, "half way").message;
      })
  );

  const perhaps = "perhaps by timeout, which gave it";
  assert.deepEqual(ends, [
    "x ended with exit code 124, as timeout does after its time of 60 s: half way",
    "x ended with exit code 124, as timeout does after its time of 1.5h: half way",
    "x ended with exit code 124, as timeout does after its time of 60 s: half way",
    "x ended with exit code 124: half way",
    "x ended with exit code 137: half way",
    `x ended with exit code 137, ${perhaps} 1.5h: half way`,
    `x ended with exit code 137, ${perhaps} 60 s: half way`,
    "x ended with exit code 137: half way",
    "x was killed by SIGKILL: half way",
    `x was killed by SIGKILL, ${perhaps} 1.5h: half way`,
    `x was killed by SIGKILL, ${perhaps} 60 s: half way`,
    "x was killed by SIGKILL: half way",
  ]);
  const silent = { code: 124, signal: null, timeout: timeoutOf(["timeout", "60", "x"]) };
  assert.equal(
    failure("x", silent).message,
    "x ended with exit code 124, as timeout does after its time of 60 s",
  );
});

test("lines: the last line that calls itself an error is the reason, wherever it stands", () => {
  const said = ["O: ERROR cannot open it", "O: [error] disk full", "E: cleaning up", "O: bye"];

  const { error } = feed(lines.reader(RUN), said, { code: 7, signal: null });

  assert.equal(error?.message, "The program ended with exit code 7: [error] disk full");
});

const reasonOf = (...said: string[]) =>
  feed(lines.reader(RUN), said, { code: 1, signal: null }).error?.message.split("exit code 1: ")[1];

test("lines: an exception that nobody caught is the reason, also when its trace comes after it", () => {
  const python = ["E: ERROR trying again", "E: Traceback:", "E: shop.TokenError: expired"];
  const node = ["E: TypeError: x is not a function", "E:     at main.js:1", "E: Node.js v22.0.0"];
  const bye = "E: cleaning up";

  assert.equal(reasonOf(...python, bye), "shop.TokenError: expired");
  assert.equal(reasonOf(...node, bye), "TypeError: x is not a function");
  assert.equal(reasonOf("E:   TypeError: indented", bye), "TypeError: indented");
  assert.equal(reasonOf("E: TypeError [ERR_X]: no path", bye), "TypeError [ERR_X]: no path");
  assert.equal(reasonOf("O: TypeError: of the data", "O: bye"), "bye");
});

test("lines: an exception of Java is the reason, that which has caused it before all", () => {
  const thrown = 'E: Exception in thread "main" shop.SyncException: no users';
  const place = "E: \tat shop.Sync.main(Sync.java:3)";
  const cause = "E: Caused by: java.io.FileNotFoundException: /users";

  assert.equal(reasonOf(thrown, place, "E: cleaning up"), thrown.slice(3));
  assert.equal(reasonOf("E: shop.NoUsersException", place, "E: bye"), "shop.NoUsersException");
  assert.equal(reasonOf(thrown, place, cause, place, "E: \t... 1 more"), cause.slice(3));
});

test("lines: the exception of a trace of Python is the reason, whatever its name", () => {
  const trace = ["E: Traceback (most recent call last):", '  File "etl.py"', "    connect()"];
  const [head, ...places] = trace.map((line) => line.startsWith("E: ") ? line : `E: ${line}`);

  assert.equal(
    reasonOf(
      ...[head, ...places, "E: TimeoutError: timed out", "E: During its handling:"],
      ...[head, ...places, "E: psycopg2.errors.UniqueViolation: duplicate key"],
      "E: DETAIL:  Key (id)=(1) already exists.",
    ),
    "psycopg2.errors.UniqueViolation: duplicate key",
  );
});

test("lines: a level behind the program's name counts", () => {
  const { last, lines: said } = feed(lines.reader(RUN), [
    "E: pg_restore: warning: errors ignored on restore: 1",
    'E: psql:users.sql:7: ERROR:  relation "users" does not exist',
    "E: sync: FATAL: no users",
    "E: sync.c:1:10: fatal error: users.h: No such file or directory",
    "E: WARNING: error: tried again",
    "E: in short: error handling is done",
    "E: it said: error: all is well",
  ], done);

  const levels = ["warning", "error", "error", "error", "warning", "info", "info"];
  assert.deepEqual(said.map((line) => line.split(": ")[0]), levels);
  assert.equal(last.warnings, 2 + 3);
  assert.equal(
    reasonOf("E: psql:users.sql:7: ERROR:  no users", "E: LINE 1: select", "E:       ^"),
    "psql:users.sql:7: ERROR:  no users",
  );
});

test("lines: a level behind a date and the logger's or the thread's name counts", () => {
  const { last, lines: said } = feed(lines.reader(RUN), [
    "E: 2026-01-15 10:00:00,123 - etl.load - ERROR - no such table",
    "E: 2026-01-15 10:00:00.123 | WARNING  | etl:load:12 - user 7 has no e-mail",
    "E: [2026-01-15T10:00:00.123+0000] {task.py:12} DEBUG - asleep",
    "O: 10:00:00.123 [main thread] WARN com.example.Etl - slow",
    "O: 2026-01-15 10:00:00,123 [etl] [ERROR] no such table",
    "E: 2026-01-15 10:00:00,123 - INFO - ERROR is no name of a table",
    "E: 2026-01-15 10:00:00,123 - copied the table ERROR",
    "E: 2026-01-15 10:00:00,123 [INFO] ERROR is no name of a table",
    "E: 2026-01-15 10:00:00,123 [info] - ERROR is no name of a table",
    "E: 10:00:00 [info sender] ERROR no such table",
    "E: 2026-01-15 10:00:00 [NOTICE] ERROR is no name of a table",
    "E: 2026-01-15 10:00:00 NOTICE - ERROR is no name of a table",
    "E: 2026-01-15 10:00:00 [notice] ERROR is no name of a table",
    "E: 2026-01-15 10:00:00 [notice board] ERROR no such table",
  ], done);

  assert.deepEqual(
    said.map((line) => line.split(": ")[0]),
    ["error", "warning", "debug", "warning", "error", "info", "info", "info", "info", "error"]
      .concat([
        ...["info", "info", "info", "error"],
      ]),
  );
  assert.equal(last.warnings, 2 + 4);
  assert.equal(
    reasonOf(
      "E: 2026-01-15 10:00:00,123 - etl - ERROR - no such table",
      "E: 2026-01-15 10:00:01,123 - etl - INFO - closed the connection",
    ),
    "2026-01-15 10:00:00,123 - etl - ERROR - no such table",
  );
});

test("lines: a level before the process's name counts, as Celery writes it", () => {
  const { lines: said } = feed(lines.reader(RUN), [
    "E: [2026-01-15 10:00:00,123: ERROR/MainProcess] Task etl.load raised unexpected",
    "E: [2026-01-15 10:00:00,123: WARNING/ForkPoolWorker-1] user 7 has no e-mail",
    "E: [2026-01-15 10:00:00,123: INFO/MainProcess] Task etl.load succeeded",
    "O: error/retry.py is new",
    "O: [error/retry.py is new",
  ], done);

  const levels = ["error", "warning", "info", "info", "info"];
  assert.deepEqual(said.map((line) => line.split(": ")[0]), levels);
});

test("lines: the level of a line that is JSON or logfmt counts", () => {
  const failed = '{"level":50,"time":1796049471025,"msg":"cannot read users"}';
  const { last, lines: said } = feed(lines.reader(RUN), [
    'O: {"level":"error","time":1796049471025,"msg":"cannot read users"}',
    `O: ${failed}`,
    'E: {"type": "log_message", "message": "no such file", "levelname": "WARNING"}',
    'O: {"message":"slow","severity":"Warning"}',
    'O: {"time": 1, "level": "debug"}',
    'E: time="2026-01-15T10:00:00Z" level=fatal msg="no route"',
    'E: level=warn msg="tried again"',
    'O: {"level":30,"msg":"an \\"error\\""}',
    'O: {"level":"info","msg":"level=error"}',
    'O: {"level":"info","msg":"configured","log":{"level":"debug"}}',
    'O: {"message":"checked","severity":"NOTICE","results":[{"severity":"error"}]}',
    'O: {"event":"done","errors":50}',
    "O: the level=error is unknown",
    "O: {level} error",
    ...["60", "40", "20", "10", "500"].map((level) => `O: {"level":${level},"msg":"x"}`),
    'O: {"lvl":"warn","msg":"x"}',
    "O: ts=2026-01-15T10:00:00Z lvl=error msg=x",
    "O: t=1796049471025 level=warn msg=x",
    'O: {"log": {"level": "error"}}',
    'O: {"level":"Information","log":{"level":"error"}}',
  ], done);

  assert.deepEqual(
    said.map((line) => line.split(": ")[0]),
    [
      ...["error", "error", "warning", "warning", "debug", "error", "warning"],
      ...["info", "info", "info", "info", "info", "info", "info"],
      ...["error", "warning", "debug", "debug", "info"],
      ...["warning", "error", "warning", "error", "info"],
    ],
  );
  assert.equal(last.warnings, 6 + 6);
  assert.equal(reasonOf(`O: ${failed}`, 'O: {"level":30,"msg":"closed"}'), failed);
});

test("the errors of a run that completed all the same are among its warnings", () => {
  const said = ["E: psql:users.sql:7: ERROR:  no users", "E: WARNING: slow", "O: ERROR no orders"];
  const end = (status: string) => `O: {"type": "end", "status": "${status}"}`;
  const airbyte = 'O: {"type":"LOG","log":{"level":"ERROR","message":"no users"}}';
  const warnings = (name: FormatName, more: string[], code = 0) =>
    feed(formatOf(name).reader(RUN), [...said, ...more], { code, signal: null }).last.warnings;

  assert.equal(warnings("lines", []), 3);
  assert.equal(warnings("singer", []), 3);
  assert.equal(warnings("airbyte", [airbyte]), 4);
  assert.equal(warnings("ndjson", [end("completed")]), 3);
  assert.equal(warnings("ndjson", [end("failed")]), 1);
  assert.equal(warnings("ndjson", [end("completed")], 1), 1);
  assert.equal(warnings("lines", [], 1), 1);
});

test("lines: nothing stays of the escapes of a terminal, those of tput neither", () => {
  const { lines: said } = feed(lines.reader(RUN), [
    "E: \u001b[31mERROR\u001b(B\u001b[m: no users",
    "O: \u001b7\u001b[2Kdone\u001b8 (BIOS)",
    "O: \u001b]0;title\u0007one\u001bP$q\u001b\\ two\u001b[m",
    "O: \u001b]8;;http://h/\u001b\\a link\u001b]8;;\u001b\\ \u001b[38:5:1mred\u001b[0 q\u001bM",
    "O: \u001b$(Bwide\u001b[!p\u001bZ\u001b\\",
  ], done);

  assert.deepEqual(said, [
    ...["error: ERROR: no users", "info: done (BIOS)", "info: one two"],
    ...["info: a link red", "info: wide"],
  ]);
});

test("lines: what tells nothing of why is no reason", () => {
  for (
    const idle of [
      ...["tar: Removing leading `/' from hard link targets"],
      ...["  from etl.rb:7", "    at main.js:1", "Node.js v22.0.0", "^^^", "---"],
    ]
  ) assert.equal(reasonOf("E:   it broke", `E: ${idle}`), "it broke", idle);
  assert.equal(reasonOf("E: it broke", "E: ошибка"), "ошибка");
});

test("lines: that a program has failed is its reason only where nothing says why", () => {
  const why = "cp: cannot stat 'users.csv': No such file or directory";
  for (
    const words of [
      ...["tar: Exiting with failure status due to previous errors"],
      ...["tar: Error is not recoverable: exiting now"],
      ...["make: *** [Makefile:5: users] Error 1", "make[1]: *** [Makefile:2: all] Error 2"],
      ...["make: *** Waiting for unfinished jobs....", "make[1]: Leaving directory '/srv'"],
      ...["xargs: cp: exited with status 255; aborting", "-824", "62.5%", "  62.5%"],
      ...["ERROR: Action backup failed on step check", "(ERR):error occurred."],
    ]
  ) {
    assert.equal(reasonOf(`E: ${why}`, `E: ${words}`, "O: bye"), why, words);
    assert.equal(reasonOf("O: copying", `E: ${words}`), words.trimStart());
  }
  assert.equal(reasonOf(`O: ${why}`, "O: make: *** [Makefile:5: users] Error 1", "O: 42"), why);
  assert.equal(reasonOf("O: 42"), "42");
  const none = "make: *** No rule to make target 'users'.  Stop.";
  assert.equal(reasonOf("E: working", `E: ${none}`), none);
});

test("lines: a line of a megabyte is cut, and that is told", () => {
  const { lines: said } = feed(lines.reader(RUN), [`O: ${"x".repeat(1024 * 1024)}`], done);

  assert.equal(said[0].length, "info: ".length + 16_352 + "… (1032224 more)".length);
  assert.ok(said[0].endsWith("x… (1032224 more)"));
});

test("lines: a line of 16,384 characters is whole, and what is missing of a longer one is counted", () => {
  const whole = "x".repeat(16_384);
  const faces = `error: ${"😀".repeat(10_000)}`;

  const { lines: said } = feed(lines.reader(RUN), [`E: ${whole}`, `E: ${faces}`], done);

  const [kept, more] = said[1].slice("error: ".length).split("…");
  assert.equal(said[0], `info: ${whole}`);
  assert.equal(more, ` (${faces.length - kept.length} more)`);
  assert.equal(reasonOf(`E: ${whole.slice(0, 1_000)}`), whole.slice(0, 1_000));
  assert.equal(reasonOf(`E: ${whole}`), `${whole.slice(0, 999)}…`);
});

for (const before of ["", "x"]) {
  test(`what is cut of a line ends with a whole character, behind "${before}" too`, () => {
    const long = before + "😀".repeat(10_000);
    const progress = { type: "progress", phase: long, current: long };
    const log = { type: "log", message: long, source: long };

    const events = ndjson.reader(RUN).line(JSON.stringify(log), "stdout");
    const { last } = feed(ndjson.reader(RUN), [`O: ${JSON.stringify(progress)}`], done);
    const failed = { code: 1, signal: null };
    const { lines: said, error } = feed(lines.reader(RUN), [`E: error: ${long}`], failed);

    const [{ source }] = events.filter((event) => event.type === "log");
    for (const text of [source, last.phase, last.current, ...said, error?.message]) {
      assert.ok(text && text.length < 20_000 && text.isWellFormed(), text);
    }
  });
}

test("lines: a real program", async () => {
  const { lines: said, error } = await runReal(lines, [
    ...["sh", "-c", "echo one; echo two >&2; exit 4"],
  ], { cwd: "/" });

  assert.deepEqual(said.sort(), ["info: one", "info: two"]);
  assert.equal(error?.message, "The program ended with exit code 4: two");
});

test("ndjson: totals, increments, measures, log lines and the end", () => {
  const { counts, last, lines: said, error } = feed(ndjson.reader(RUN), [
    'O: {"type": "total", "total": 10, "bytes_total": 900}',
    'O: {"type": "phase", "phase": "copying"}',
    'O: {"type": "progress", "entities_inserted": 3, "kept": 1, "bytes_done": 100, "current": "a"}',
    'O: {"type": "progress", "delta": true, "inserted": 2, "entities_encountered": {"users": 2}}',
    'O: {"type": "log", "level": "warning", "message": "slow", "fields": {"ms": 9}}',
    "O: just a line",
    "E: and another",
    'O: {"type": "end", "status": "completed"}',
  ], done);

  assert.deepEqual(counts, { ...none, inserted: 5, kept: 1 });
  assert.deepEqual(last.encountered, { users: 2 });
  assert.deepEqual(
    [last.total, last.bytesTotal, last.bytesDone, last.phase, last.current],
    [10, 900, 100, "copying", "a"],
  );
  assert.deepEqual(said, ["warning: slow", "info: just a line", "info: and another"]);
  assert.equal(error, undefined);
});

test("ndjson: ids of 64 bits in fields keep all of their digits, as texts", () => {
  const log = '{"type": "log", "message": "m", "fields": {"id": 12345678901234567890, "n": 1}}';
  const [event] = ndjson.reader(RUN).line(log, "stdout");
  assert.ok(event.type === "log");
  assert.deepEqual(event.fields, { id: "12345678901234567890", n: 1 });
});

test("ndjson: a percent is that of the program where it tells no totals, and never goes back", () => {
  const { counts, progress, lines: said } = feed(ndjson.reader(RUN), [
    'O: {"type": "progress", "entities_inserted": 5, "percent": 50}',
    'O: {"type": "progress", "entities_inserted": 6, "percent": 12.5}',
    'O: {"type": "progress", "percent": 101}',
    'O: {"type": "progress", "percent": 70, "total": 10}',
  ], done);

  assert.deepEqual(counts, { ...none, inserted: 6 });
  assert.deepEqual(progress.map(({ percent }) => percent), [50, 50, 50, undefined, undefined]);
  assert.deepEqual(said, [
    'warning: Not counted, "percent" is no number from 0 to 100: {"type": "progress", "percent": 101}',
  ]);
});

test("ndjson: an end that is completed stays so, whatever error it has", () => {
  const end = '{"type": "end", "status": "completed", "error": {"message": ""}}';

  const { last, lines: said, error } = feed(ndjson.reader(RUN), [`O: ${end}`], done);

  assert.equal(error, undefined);
  assert.equal(last.warnings, 1);
  assert.deepEqual(said, [
    `warning: Not counted, an end that is completed has no "error": ${end}`,
  ]);
});

test("ndjson: an event that is wrong is not counted, and the line says why", () => {
  const { counts, last, lines: said } = feed(ndjson.reader(RUN), [
    'O: {"type": "progress", "inserted": 5, "warnings": 2}',
    'O: {"type": "progress", "inserted": 4, "kept": 9}',
    'O: {"type": "progress", "entites_inserted": 6}',
    'O: {"type": "progress", "inserted": -1}',
    'O: {"type": "log", "level": "loud", "message": "x"}',
    'O: {"type": "progress", "warnings": 3}',
    'O: {"type": "other", "inserted": 7}',
    'O: {"type": "progress", "inserted": 8',
    "O: [1]",
    'O: {"type": "end", "status": "completed"}',
    'O: {"type": "progress", "inserted": 9}',
  ], done);

  assert.deepEqual(counts, { ...none, inserted: 5 });
  assert.equal(last.warnings, 3 + 5);
  assert.deepEqual(said, [
    'warning: Not counted, "inserted" went back from 5 to 4: {"type": "progress", "inserted": 4, "kept": 9}',
    'warning: Not counted, an event of type progress has no "entites_inserted": {"type": "progress", "entites_inserted": 6}',
    'warning: Not counted, "inserted" is no whole number from 0 on: {"type": "progress", "inserted": -1}',
    'warning: Not counted, "level" is none of debug, info, warning, error: {"type": "log", "level": "loud", "message": "x"}',
    'info: {"type": "other", "inserted": 7}',
    'info: {"type": "progress", "inserted": 8',
    "info: [1]",
    'warning: Not counted, "end" came before it: {"type": "progress", "inserted": 9}',
  ]);
});

test("ndjson: what is on the edge is an event, and what is beyond says why", () => {
  const types = (count: number) =>
    JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, n) => [`t${n}`, 1])));
  const right = [
    '{"type": "progress", "inserted": 5, "kept": 0, "percent": 100}',
    '{"type": "progress", "inserted": 5, "entities_inserted": 5}',
    '{"type": "progress", "inserted": 5, "producer_id": "p", "producer_epoch": 0, "producer_seq": 1}',
    `{"type": "progress", "entities_encountered": ${types(1_000)}}`,
  ];
  const wrong: [string, string][] = [
    ['{"type": "progress", "percent": -1}', '"percent" is no number from 0 to 100'],
    [
      '{"type": "progress", "inserted": 5, "entities_inserted": 6}',
      '"inserted" is not "entities_inserted"',
    ],
    [
      `{"type": "progress", "delta": true, "inserted": ${Number.MAX_SAFE_INTEGER}}`,
      '"inserted" is too large',
    ],
    ['{"type": "log", "message": "x", "time": "soon"}', '"time" is no date'],
    [
      `{"type": "progress", "entities_encountered": ${types(1_001)}}`,
      '"entities_encountered" has more than 1000 types',
    ],
  ];
  const events = [...right, ...wrong.map(([text]) => text)];

  const { counts, last, lines: said } = feed(
    ndjson.reader(RUN),
    events.map((event) => `O: ${event}`),
    done,
  );

  assert.deepEqual([counts, last.percent], [{ ...none, inserted: 5 }, 100]);
  assert.equal(Object.keys(last.encountered).length, 1_000);
  assert.equal(said.length, wrong.length);
  for (const [at, [, why]] of wrong.entries()) {
    assert.ok(said[at].startsWith(`warning: Not counted, ${why}: `), said[at]);
  }
});

test("ndjson: the first end holds, also beside one that cannot be read", () => {
  const { error } = feed(ndjson.reader(RUN), [
    'O: {"type": "end", "status": "cancelled"}',
    'O: {"type": "end", "status": "failed", "why": "x"}',
  ], done);

  assert.equal(error?.code, "program_cancelled");
});

test("ndjson: the example of the documentation is understood", async () => {
  const page = readFileSync(new URL("../../../docs/sources.md", import.meta.url), "utf8");
  const [, script] = /```sh\n([\s\S]*?)```/.exec(page) ?? [];

  const { counts, last, lines: said } = await runReal(ndjson, ["sh", "-c", script], { cwd: "/" });

  assert.deepEqual(counts, { ...none, inserted: 1, updated: 1 });
  assert.deepEqual([last.total, last.current], [2, "ann"]);
  assert.deepEqual(said, ["warning: user 7 has no e-mail"]);
});

for (
  const [what, end, code, error] of [
    [
      "its error is the job's",
      '{"type": "end", "status": "failed", "error": {"code": "no_rights", "message": "denied"}}',
      1,
      { code: "no_rights", message: "denied" },
    ],
    [
      "failed without an error fails, also with exit code 0",
      '{"type": "end", "status": "failed"}',
      0,
      { code: "program_failed", message: "The program says that it has failed" },
    ],
    [
      "an error that is null is none",
      '{"type": "end", "status": "failed", "error": null}',
      0,
      { code: "program_failed", message: "The program says that it has failed" },
    ],
    [
      "its status counts where the rest cannot be read",
      '{"type": "end", "status": "failed", "error": "denied", "reason": 7}',
      0,
      { code: "program_failed", message: "The program says that it has failed" },
    ],
    [
      "cancelled is no success",
      '{"type": "end", "status": "cancelled"}',
      0,
      { code: "program_cancelled", message: "The program says that it was cancelled" },
    ],
    [
      "cancelled does not hide an exit code",
      '{"type": "end", "status": "cancelled", "error": {"code": "gone", "message": "gone"}}',
      7,
      { code: "gone", message: "gone" },
    ],
    [
      "completed does not hide an exit code",
      '{"type": "end", "status": "completed"}',
      7,
      {
        code: "program_failed",
        message: "The program ended with exit code 7 and said nothing of why",
      },
    ],
  ] as const
) {
  test(`ndjson: end: ${what}`, () => {
    const told = feed(ndjson.reader(RUN), [`O: ${end}`], { code, signal: null });

    assert.deepEqual(told.error, error);
    assert.equal(told.cancelled, error.code === "program_cancelled");
  });
}
