import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { type ProgramOptions, startProgram } from "../../../src/sources/process/program.ts";
import { SourceError } from "../../../src/sources/source.ts";
import type { Cleanup } from "../../support/program.ts";
import { tempDirectory } from "../../support/temp.ts";
import { until } from "../../support/until.ts";

const env = { PATH: process.env.PATH ?? "" };

function temp(t: Cleanup): string {
  const { path, remove } = tempDirectory();
  t.after(remove);
  return path;
}

/** Starts it, and kills its group with the test. */
async function start(t: Cleanup, options: Partial<ProgramOptions> & { command: string[] }) {
  const program = await startProgram({ env, ...options });
  t.after(() => program.signal("SIGKILL"));
  return program;
}

async function textOf(stream: AsyncIterable<unknown> | null): Promise<string> {
  let text = "";
  for await (const chunk of stream ?? []) text += String(chunk);
  return text;
}

async function refusal(options: Partial<ProgramOptions> & { command: string[] }): Promise<string> {
  try {
    await startProgram({ env, ...options });
  } catch (cause) {
    if (cause instanceof SourceError) return `${cause.code}: ${cause.message}`;
    throw cause;
  }
  return "it started";
}

test("startProgram() gives both outputs and the exit code", async (t) => {
  const program = await start(t, { command: ["sh", "-c", "echo out; echo err >&2; exit 3"] });

  const texts = await Promise.all([textOf(program.stdout), textOf(program.stderr)]);

  assert.deepEqual(texts, ["out\n", "err\n"]);
  assert.deepEqual(await program.exit, { code: 3, signal: null });
});

test("startProgram() tells the signal that ended a program", async (t) => {
  const program = await start(t, { command: ["sh", "-c", "kill -9 $$"] });

  assert.deepEqual(await program.exit, { code: null, signal: "SIGKILL" });
});

test("startProgram() has a script without a first line read by the shell, as shells do", async (t) => {
  const dir = temp(t);
  writeFileSync(join(dir, "script"), 'echo "script $1"; exit 3\n', { mode: 0o755 });

  const program = await start(t, { command: ["./script", "a b"], cwd: dir });

  assert.equal(await textOf(program.stdout), "script a b\n");
  assert.deepEqual(await program.exit, { code: 3, signal: null });
});

test("startProgram() hands arguments over as they are: no shell reads them", async (t) => {
  const program = await start(t, { command: ["printf", "%s|", "$HOME; echo x", "*", ""] });

  assert.equal(await textOf(program.stdout), "$HOME; echo x|*||");
});

test("startProgram() gives the program its directory, and no variable but those named", async (t) => {
  const cwd = temp(t);
  const program = await start(t, { command: ["env"], cwd, env: { ...env, A: "1" } });
  const text = await textOf(program.stdout);
  const where = await start(t, { command: ["pwd"], cwd });

  const names = text.trimEnd().split("\n").map((line) => line.split("=")[0]);

  assert.deepEqual(names.filter((name) => !["PWD", "_"].includes(name)).sort(), ["A", "PATH"]);
  assert.equal(await textOf(where.stdout), `${cwd}\n`);
});

test("startProgram() closes stdin, so that nothing waits for an answer", async (t) => {
  const program = await start(t, { command: ["sh", "-c", "cat; echo end"] });

  assert.equal(await textOf(program.stdout), "end\n");
});

test("startProgram() gives outputs that a program can open again by name", async (t) => {
  const script = "echo a > /dev/stdout; echo b > /dev/stderr; echo c | tee /dev/stderr";
  const program = await start(t, { command: ["sh", "-c", script] });

  const texts = await Promise.all([textOf(program.stdout), textOf(program.stderr)]);

  assert.deepEqual(texts, ["a\nc\n", "b\nc\n"]);
});

test("Program.signal() reaches what the program has started", async (t) => {
  const program = await start(t, { command: ["sh", "-c", "sleep 600 & echo up; wait"] });
  if (program.stdout) await once(program.stdout, "data");

  program.signal("SIGTERM");

  // The pipe ends when the last one that holds it is gone: the grandchild too.
  assert.equal(await textOf(program.stdout), "");
  assert.deepEqual(await program.exit, { code: null, signal: "SIGTERM" });
});

test("Program.signal() reaches a grandchild after its parent's end, and then nobody", async (t) => {
  const program = await start(t, { command: ["sh", "-c", "sleep 600 & exit 0"] });
  assert.deepEqual(await program.exit, { code: 0, signal: null });
  assert.equal(program.alive, true);

  program.signal("SIGKILL");

  assert.equal(await textOf(program.stdout), "");
  program.signal("SIGKILL");
});

test("Program.letGo() ends the outputs for their reader, whoever keeps them open", async (t) => {
  const program = await start(t, { command: ["sh", "-c", "echo up; sleep 600 & exit 0"] });
  let text = "";
  const read = (async () => {
    for await (const chunk of program.stdout ?? []) text += String(chunk);
  })().catch(() => {}); // that it was let go of may be told as a fault
  await program.exit;
  await until(() => text === "up\n");

  program.letGo();

  await read;
  assert.equal(program.alive, true);
});

test("startProgram() says why a program cannot be started", async (t) => {
  const dir = temp(t);
  const file = (name: string, text: string, mode: number) => {
    writeFileSync(join(dir, name), text);
    chmodSync(join(dir, name), mode);
  };
  file("plain", "#!/bin/sh\n", 0o644);
  file("orphan", "#!/no/such/interpreter\n", 0o755);
  mkdirSync(join(dir, "folder"));
  const of = (command: string, more = {}) => refusal({ command: [command], ...more });

  assert.equal(
    await of("rclonee", { env: { PATH: "/usr/bin:/bin" } }),
    'program_not_found: Cannot run "rclonee": there is no such program in PATH',
  );
  assert.equal(
    await of("rclone", { env: {} }),
    'program_not_found: Cannot run "rclone": there is no such program and PATH is not set',
  );
  assert.equal(
    await of("./none", { cwd: dir }),
    `program_not_found: Cannot run "./none": there is no file ${dir}/none`,
  );
  assert.equal(
    await of("./folder", { cwd: dir }),
    `program_not_executable: Cannot run "./folder": ${dir}/folder is a directory`,
  );
  assert.equal(
    await of("./plain", { cwd: dir }),
    `program_not_executable: Cannot run "./plain": ${dir}/plain is not executable ` +
      "(chmod +x makes it so)",
  );
  assert.equal(
    await of("./orphan", { cwd: dir }),
    'program_unstartable: Cannot run "./orphan": the interpreter that its first line names is ' +
      "not there",
  );
  assert.equal(
    await of("sh", { cwd: join(dir, "gone") }),
    `cwd_not_found: Cannot run "sh": its working directory is ${dir}/gone: there is no such ` +
      "directory",
  );
  assert.equal(
    await of("sh", { cwd: join(dir, "plain") }),
    `cwd_not_found: Cannot run "sh": its working directory is ${dir}/plain: it is no directory`,
  );
});

test("startProgram() names the working directory that may not be entered", async (t) => {
  const dir = join(temp(t), "closed");
  mkdirSync(join(dir, "below"), { recursive: true });
  chmodSync(dir, 0o600);
  try {
    if (existsSync(join(dir, "below"))) return; // root may enter any
    for (const cwd of [dir, join(dir, "below")]) {
      assert.equal(
        await refusal({ command: ["true"], cwd }),
        `cwd_not_found: Cannot run "true": its working directory is ${cwd}: this server's user ` +
          "may not enter it",
      );
    }
  } finally {
    chmodSync(dir, 0o700);
  }
});
