import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { openSecretFiles } from "../../src/cli/secret_files.ts";
import { type Cleanup, startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

const OURS = process.getuid?.() ?? 0;

function fileOf(t: Cleanup, mode: number): string {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "secret");
  writeFileSync(file, "0123456789abcdef0123456789abcdef\n");
  chmodSync(file, mode);
  return file;
}

for (
  const [mode, uid, does] of [
    [0o600, OURS, undefined],
    [0o400, OURS, undefined],
    [0o640, OURS, "read"],
    [0o644, OURS, "read"],
    [0o622, OURS, "write"],
    [0o444, OURS + 1, undefined], // as Docker and Kubernetes mount them
    [0o664, OURS + 1, "write"],
  ] as const
) {
  const whose = uid === OURS ? "our own" : "somebody else's";
  test(`a secret of mode 0${mode.toString(8)} in ${whose} file: ${does ?? "nothing"} to tell`, (t) => {
    const keysFile = fileOf(t, mode);

    const words = openSecretFiles(
      { keysFile, ticketSecretFile: undefined, tlsKey: undefined },
      uid,
    );

    const mode4 = `0${mode.toString(8)}`;
    const told =
      `--keys-file ${keysFile}: nobody else may ${does} it, but its mode is ${mode4}: chmod 600 it`;
    assert.deepEqual(words, does === undefined ? [] : [told]);
  });
}

test("serve warns once of a secret that others may read, and starts", async (t) => {
  const file = fileOf(t, 0o644);

  const server = await startProgram(t, { args: ["serve", "--ticket-secret-file", file] });
  await server.stop("SIGTERM");

  const lines = server.stderr().split("\n").filter((line) => line.includes(file));
  assert.equal(lines.length, 1, server.stderr());
  assert.match(lines[0], /WARN.*nobody else may read it, but its mode is 0644/);
});
