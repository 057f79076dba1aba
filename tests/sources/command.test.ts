import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { type Clock, systemClock } from "../../src/clock.ts";
import {
  DestinationError,
  DestinationLockedError,
} from "../../src/destinations/index_destination.ts";
import type {
  RecordDestination,
  RecordSession,
} from "../../src/destinations/record_destination.ts";
import { type CommandOptions, commandSource } from "../../src/sources/command.ts";
import { formatOf } from "../../src/sources/formats/formats.ts";
import { SourceError, type SourceEvent } from "../../src/sources/source.ts";
import { runs, sessionRuns } from "../support/processes.ts";
import { tempDirectory } from "../support/temp.ts";
import { until } from "../support/until.ts";
import { memoryRecords } from "./formats/record_session.ts";

const lines = formatOf("lines");
const STALL_MS = 600_000;

function source(script: string, options: Partial<CommandOptions> = {}) {
  const command = ["sh", "-c", script];
  return commandSource({ command, cwd: "/", format: lines, stopGraceMs: 60_000, ...options });
}

/** All that it says, log lines as text, and what it throws. */
async function said(script: string, options: Partial<CommandOptions> = {}) {
  const { signal } = new AbortController();
  const events: SourceEvent[] = [];
  let error = "";
  try {
    for await (const event of source(script, options).run({ signal, clock: systemClock })) {
      events.push(event);
    }
  } catch (cause) {
    if (!(cause instanceof SourceError)) throw cause;
    error = `${cause.code}: ${cause.message}`;
  }
  const texts = events.flatMap((event) => event.type === "log" ? [event.message] : []);
  return { events, texts, error };
}

test("commandSource() gives what the format makes of the lines, and its totals", async () => {
  const { events, error } = await said("echo 'copied 1'; echo 'warning: one is missing'");

  assert.equal(error, "");
  const [first, , last] = events;
  assert.deepEqual([first.type, first.type === "log" && first.message], ["log", "copied 1"]);
  assert.equal(last.type === "progress" && last.warnings, 1);
});

test("commandSource() tells that the time ran out which timeout gave the program", async () => {
  const command = ["timeout", "60", "sh", "-c", "echo half way; exit 124"];

  const { error } = await said("", { command });

  assert.equal(
    error,
    "program_failed: The program ended with exit code 124, as timeout does after its time of 60 s: half way",
  );
});

test("commandSource() tells of a progress bar as of what the job is busy with", async () => {
  const { events } = await said("printf '98 MB\\r'");

  const [first, last] = events;
  assert.deepEqual(first, { type: "log", level: "debug", message: "98 MB" });
  assert.equal(last.type === "progress" && last.current, "98 MB");
});

test("commandSource() fails with the format's words when the program does", async () => {
  const { texts, error } = await said("echo 'cannot reach the bucket' >&2; exit 5");

  assert.deepEqual(texts, ["cannot reach the bucket"]);
  assert.match(error, /^[a-z_]+: .*5.*cannot reach the bucket/);
});

test("commandSource() is cancelled where the program says so", async () => {
  const format = formatOf("ndjson");
  const end = `echo '{"type": "end", "status": "cancelled"}'`;
  const { signal } = new AbortController();

  const run = async () => {
    for await (const _ of source(end, { format }).run({ signal, clock: systemClock }));
  };

  await assert.rejects(run, { name: "SourceCancelled", code: "program_cancelled" });
});

test("commandSource() reads what the program prints by how it was started", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "a"));
  writeFileSync(join(path, "a", "1.txt"), "1");
  const catalog = { streams: [{ stream: { name: "users" }, primary_key: [["id"]] }] };
  writeFileSync(join(path, "catalog.json"), JSON.stringify(catalog));
  const row = (data: object) => ({ type: "RECORD", record: { stream: "users", data } });
  const rows = [row({ id: 1, name: "a" }), row({ id: 1, name: "b" })];
  const print = `printf '%s\\n' ${rows.map((each) => `'${JSON.stringify(each)}'`).join(" ")}`;
  const held = memoryRecords();
  const destination = { records: { open: () => held, paths: [] }, origin: "shop" };
  const last = async (options: Partial<CommandOptions>) => {
    const { events, error } = await said("", { cwd: path, ...options });
    assert.equal(error, "");
    return events.findLast((event) => event.type === "progress");
  };

  const dry = await last({ format: formatOf("rsync"), command: ["rsync", "-an", "a/", "b/"] });
  const dryByVariable = await last({
    format: formatOf("rclone"),
    command: ["rclone", "sync", "a", "b"],
    setEnv: { RCLONE_CONFIG: join(path, "rclone.conf"), RCLONE_DRY_RUN: "true" },
  });
  const keyed = await last({
    format: formatOf("airbyte"),
    command: ["sh", "-c", print, "source", "read", "--catalog", "catalog.json"],
    destination,
  });

  assert.deepEqual([dry?.inserted, dry?.phase], [0, "dry run"]);
  assert.deepEqual([dryByVariable?.inserted, dryByVariable?.phase], [0, "dry run"]);
  assert.deepEqual([keyed?.inserted, keyed?.updated], [1, 1]);
  assert.deepEqual([...held.held.keys()], ["users [1]"]);
});

test("commandSource() passes on the variables that are named, and sets others", async () => {
  const environment = { PATH: process.env.PATH, HOME: "/home", TZ: "UTC", A: "a", B: "b" };
  const names = async (options: Partial<CommandOptions>) => {
    const { texts } = await said("env", { environment, ...options });
    return texts.filter((text) => !/^(PWD|_|SHLVL|OLDPWD|PATH)=/.test(text)).sort();
  };

  assert.deepEqual(await names({}), ["HOME=/home", "TZ=UTC"]);
  assert.deepEqual(await names({ passEnv: ["A"], setEnv: { C: "$A", TZ: "CET" } }), [
    "A=a",
    "C=$A",
    "HOME=/home",
    "TZ=CET",
  ]);
});

test("commandSource() says what keeps it from starting", async () => {
  const error = async (options: Partial<CommandOptions>) => (await said("echo", options)).error;

  assert.equal(
    await error({ passEnv: ["RCLONE_CONFIG"], environment: {} }),
    "env_unknown: Cannot pass on the variable RCLONE_CONFIG: this server's environment lacks it",
  );
  assert.match(await error({ command: ["rclonee"] }), /^program_not_found: .*"rclonee".* in PATH$/);
  assert.match(await error({ cwd: "/no/such" }), /^cwd_not_found: .*\/no\/such/);
});

test("commandSource() tells of a line that was cut, once", async () => {
  const long = "head -c 2000000 /dev/zero | tr '\\0' x; echo";
  const { events, texts, error } = await said(`${long}; ${long}; echo end`);

  assert.equal(error, "");
  const last = events.findLast((event) => event.type === "progress");
  assert.equal(last?.warnings, 1);
  assert.deepEqual(texts.filter((text) => text.includes("MiB")), [
    "A line of more than 1 MiB was cut, and so are others like it",
  ]);
  assert.equal(texts.at(-1), "end");
});

/** Stall timers come as late as a test likes; all others are real. */
function stallTimers() {
  let nowMs = 0;
  const stalls: { readonly ms: number; readonly run: () => void; off: boolean }[] = [];
  const clock: Clock = {
    ...systemClock,
    monotonic: () => nowMs,
    after: (ms, run) => {
      if (ms < 1_500) return systemClock.after(ms, run);
      const stall = { ms, run, off: false };
      stalls.push(stall);
      return () => stall.off = true;
    },
  };
  return {
    clock,
    stalls,
    /** The last one comes after so long. */
    come: (ms: number) => {
      nowMs += ms;
      stalls.at(-1)?.run();
    },
  };
}

test("commandSource() stops a program that falls silent, and fails", async () => {
  const { clock, stalls, come } = stallTimers();
  const { signal } = new AbortController();
  const run = source("echo up; sleep 600", { stallMs: STALL_MS }).run({ signal, clock });

  const { value: first } = await run.next();
  const over = Array.fromAsync(run);
  await until(() => stalls.length > 1);
  come(STALL_MS);

  assert.equal(first?.type === "log" && first.message, "up");
  const message = '"sh" printed nothing for 600 s and was stopped';
  await assert.rejects(over, { code: "stalled_timeout", message });
});

test("commandSource() stops a program that has closed its outputs and does not end", async () => {
  const { error } = await said("echo up; exec >&- 2>&-; sleep 20", { stallMs: 500 });

  assert.equal(error, 'stalled_timeout: "sh" printed nothing for 0.5 s and was stopped');
});

for (
  const [haltMs, graceMs] of [[3_600_000, STALL_MS], [STALL_MS + 1_500, 1_500]] as const
) {
  test(`commandSource() that was halted for ${haltMs} ms lets its program be heard`, async () => {
    const { path, remove } = tempDirectory();
    using _ = { [Symbol.dispose]: remove };
    const { clock, stalls, come } = stallTimers();
    const script = "echo up; until [ -e go ]; do sleep 0.01; done; echo back; sleep 600";
    const { signal } = new AbortController();
    const run = source(script, { cwd: path, stallMs: STALL_MS }).run({ signal, clock });
    const said = async () => {
      for (;;) {
        const { done, value } = await run.next();
        if (done) return undefined;
        if (value.type === "log") return value.message;
      }
    };

    const first = await said();
    const second = said();
    await until(() => stalls.length > 1);
    come(haltMs);
    writeFileSync(join(path, "go"), "");
    const heard = [first, await second];
    const never = said();
    await until(() => stalls.length > 3);
    come(STALL_MS);

    assert.deepEqual(heard, ["up", "back"]);
    assert.deepEqual([stalls[2].ms, stalls[2].off], [graceMs, true]); // it was heard in its grace
    await assert.rejects(never, { code: "stalled_timeout" });
  });
}

test("commandSource() takes no silence for one while there is output", async () => {
  const drip = "for i in 1 2 3 4 5 6 7 8; do printf .; sleep 0.3; done; echo end";
  const { texts, error } = await said(drip, { stallMs: 2_000 });

  assert.deepEqual([texts, error], [["........end"], ""]);
});

test("commandSource() stops the program at its signal, and tells its last words", async () => {
  const controller = new AbortController();
  const script = "trap 'echo bye; exit 1' TERM; echo up; while :; do sleep 0.01; done";
  const texts: string[] = [];
  const run = source(script).run({ signal: controller.signal, clock: systemClock });

  for await (const event of run) {
    if (event.type === "log") texts.push(event.message);
    if (texts.at(-1) === "up") controller.abort();
  }

  assert.ok(texts.includes("bye")); // the shell may tell of its own child's end too
});

test("commandSource() stops a program whose signal fires while it is started", async () => {
  const controller = new AbortController();
  const script = "echo up; i=0; while [ $i -lt 500 ]; do sleep 0.01; i=$((i+1)); done; echo never";
  const command = ["sh", "-c", script];
  const prepared = Object.assign([...command], {
    *[Symbol.iterator]() {
      controller.abort(); // it is being started
      yield* command;
    },
  });
  const format = { ...lines, prepare: () => ({ command: prepared, added: [] }) };
  const texts: string[] = [];
  const run = source(script, { format }).run({ signal: controller.signal, clock: systemClock });

  for await (const event of run) if (event.type === "log") texts.push(event.message);

  assert.equal(controller.signal.aborted, true);
  assert.equal(texts.includes("never"), false);
});

test("commandSource() kills a deaf program when its grace is over, and says so", async () => {
  const controller = new AbortController();
  const script = "trap '' TERM; echo $$; while :; do sleep 0.1; done";
  const texts: string[] = [];
  const deaf = source(script, { stopGraceMs: 100 });
  for await (const event of deaf.run({ signal: controller.signal, clock: systemClock })) {
    if (event.type === "log") texts.push(event.message);
    controller.abort();
  }

  assert.equal(texts.at(-1), '"sh" did not stop within 0.1 s of SIGTERM and was killed');
  assert.equal(deaf.stopMs, 5_100);
  assert.equal(await sessionRuns(Number(texts[0])), false);
});

test("commandSource() starts nothing for a job that is cancelled already", async () => {
  const events = source("echo up").run({ signal: AbortSignal.abort(), clock: systemClock });

  assert.deepEqual(await events.next(), { done: true, value: undefined });
});

test("commandSource() leaves nothing running when nobody takes its events any more", async () => {
  const { signal } = new AbortController();
  let pid = 0;

  for await (const event of source("echo $$; yes").run({ signal, clock: systemClock })) {
    if (event.type === "log") pid = Number(event.message);
    break;
  }

  assert.equal(await runs(pid), false);
});

test("commandSource() tells of children that a program has left behind", async () => {
  const { texts, error, events } = await said("sleep 600 & exit 0");

  assert.equal(error, "");
  const last = events.findLast((event) => event.type === "progress");
  assert.equal(last?.warnings, 1);
  assert.deepEqual(texts, ['"sh" ended and left processes behind, which were killed']);
});

const TAP = `
  echo '{"type": "SCHEMA", "stream": "users", "schema": {}, "key_properties": ["id"]}'
  for i in 1 2 3; do
    echo '{"type": "RECORD", "stream": "users", "record": {"id": '$i'}}'
  done`;

/** A destination that notes what is done to it, and breaks where it is told to. */
function noting(breakAt?: string) {
  const done: string[] = [];
  const note = (what: string) => {
    done.push(what);
    if (what === breakAt) throw new DestinationError("storage_full", "The disk is full");
  };
  const session: RecordSession = {
    repair() {
      note("repair");
      return false;
    },
    put({ type, key }) {
      note(`put ${type} ${key}`);
      return "inserted";
    },
    remove: () => false,
    flush: () => note("flush"),
    close: () => note("close"),
  };
  const records: RecordDestination = {
    open(origin) {
      note(`open ${origin}`);
      return session;
    },
  };
  return { done, note, destination: { records, origin: "default/users" } };
}

test("commandSource() tells no totals before what they count is written", async () => {
  const { done, note, destination } = noting();
  const { signal } = new AbortController();
  const tap = source(TAP, { format: formatOf("singer"), destination });

  for await (const event of tap.run({ signal, clock: systemClock })) {
    if (event.type === "progress") note(`told ${event.inserted}`);
  }

  assert.deepEqual(done.slice(0, 2), ["open default/users", "repair"]);
  assert.equal(done.at(-1), "close");
  const puts = (until: number) => done.slice(0, until).filter((what) => what.startsWith("put"));
  for (const [at, what] of done.entries()) {
    if (!what.startsWith("told ")) continue;
    assert.equal(puts(done.lastIndexOf("flush", at)).length, Number(what.slice(5)));
  }
  assert.ok(done.includes("told 3"));
});

test("commandSource() holds nobody up while what a crash has left is locked", async () => {
  const { done, destination } = noting();
  const locked = new DestinationLockedError("destination_unwritable", "It is locked");
  let told = false;
  const records = {
    ...destination.records,
    open(origin: string) {
      const repair = () => {
        if (told) return false;
        setTimeout(() => told = true); // nobody else has a turn while it is waited for in vain
        throw locked;
      };
      return { ...destination.records.open(origin), repair };
    },
  };

  const { error } = await said(TAP, {
    format: formatOf("singer"),
    destination: { ...destination, records },
  });

  assert.equal(error, "");
  assert.ok(done.includes("put users [1]"));
});

test("commandSource() stops the program when the destination breaks", async () => {
  for (const at of ["open default/users", "repair", "flush"]) {
    const { done, destination } = noting(at);
    const { error } = await said(`${TAP}; sleep 600`, {
      format: formatOf("singer"),
      destination,
    });

    assert.equal(error, "storage_full: The disk is full");
    assert.equal(done.at(-1), at === "open default/users" ? at : "close");
  }
});
