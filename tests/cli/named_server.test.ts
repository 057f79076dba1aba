import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { execBench, startExec } from "../support/exec.ts";
import { OWN, startProgram } from "../support/program.ts";
import { receiver } from "../support/receiver.ts";
import { tempDirectory } from "../support/temp.ts";

const JOB = "770e8400-e29b-41d4-a716-446655440002";

test("a page's URL is no server's, whose page would answer that it is healthy", async (t) => {
  const { url } = await startProgram(t, { args: ["serve"] });
  const health = (server: string) =>
    startProgram.toEnd(t, { args: ["health", "--server", server] });

  const answers = [];
  for (const rest of ["/?status=failed", "/job/x#link=secret", "#", "/ "]) {
    const { code, stderr } = await health(url + rest);
    answers.push([code, stderr]);
  }

  const refused = (shown: string) => [
    2,
    `synctail: --server: got "${url}${shown}...": expected a server's URL, which has no query ` +
    "and no fragment\n",
  ];
  assert.deepEqual(answers, [refused("/?"), refused("/job/x#"), refused("#"), [0, ""]]);
});

test("a server's URL is one of http or https, else nothing is started", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  for (const server of ["ftp://x", "127.0.0.1:8017", "localhost:8017"]) {
    const started = join(path, "started");

    const run = startExec(t, { own: ["n", "--server", server], program: ["touch", started] });
    const code = await run.ended;

    assert.deepEqual([code, existsSync(started)], [2, false]);
    const expected = "expected an http or https URL, such as http://127.0.0.1:8017";
    assert.equal(run.stderr(), `synctail: --server: got "${server}": ${expected}\n`);
  }
});

test("what cannot be a key is refused where it is read, and shown nowhere", async (t) => {
  const { path, key } = await execBench(t);
  const file = join(path, "key"); // as `keys create >key 2>&1` writes it
  writeFileSync(file, `${key}\nKeep it: it is not shown again.\n`);
  const server = ["--server", "http://127.0.0.1:9"];
  const of = async (...args: string[]) => {
    const { code, stdout, stderr } = await startProgram.toEnd(t, { args: [...args, ...server] });
    return [code, stdout, stderr];
  };

  const watched = await of("watch", JOB, "--key-file", file);
  const exported = await of("export", "--key", `${key}\nand more`);
  const env = { SYNCTAIL_KEY: "ключ", XDG_STATE_HOME: path };
  const run = startExec(t, { own: ["n", ...server], program: ["echo", "ran"], env });
  const code = await run.ended;

  const expected = "expected the key alone, which is one line of ASCII";
  assert.deepEqual(watched, [2, "", `synctail: Cannot read the key from "${file}": ${expected}\n`]);
  assert.deepEqual(exported, [2, "", `synctail: --key: ${expected}\n`]);
  assert.deepEqual([code, run.stdout().toString()], [0, "ran\n"]);
  assert.match(run.stderr(), new RegExp(`^synctail: SYNCTAIL_KEY: ${expected}$`, "m"));
});

test("a key may come by stdin", async (t) => {
  const to = await receiver(t);
  to.answer = (_, response) => void response.end('{"items": [], "next_cursor": null}');
  const command = ["sh", "-c", 'echo st_x | "$@"', "sh", ...OWN];

  for (const file of ["-", "/dev/stdin"]) {
    const args = ["export", "--server", to.url, "--key-file", file];
    const { code, stderr } = await startProgram.toEnd(t, { command, args });

    assert.deepEqual([code, stderr], [0, "No job matches.\n"]);
    assert.equal(to.taken.pop()?.headers.authorization, "Bearer st_x");
  }
});

test("a server's URL has no user, whom Deno would send in the key's place; the variable is named", async (t) => {
  const of = async (server: string, ...args: string[]) => {
    const env = { SYNCTAIL_SERVER: server, SYNCTAIL_KEY: "st_x" };
    const { code, stderr } = await startProgram.toEnd(t, { args, env });
    return [code, stderr];
  };

  const variable = await of("http://me:pass@127.0.0.1:9", "export");
  const flag = await of("", "export", "--server", "http://me@127.0.0.1:9");
  const form = await of("127.0.0.1:8017", "health");

  const words = "expected a server's URL without a user and a password\n";
  assert.deepEqual(variable, [2, `synctail: SYNCTAIL_SERVER: ${words}`]);
  assert.deepEqual(flag, [2, `synctail: --server: ${words}`]);
  assert.equal(form[0], 2);
  assert.match(`${form[1]}`, /^synctail: SYNCTAIL_SERVER: got "127.0.0.1:8017": expected an http/);
});

test("an empty flag is a mistake: no command goes to another server or with another key for it", async (t) => {
  const to = await receiver(t);
  const env = { SYNCTAIL_SERVER: to.url, SYNCTAIL_KEY: "st_x" };
  const prune = async (...flags: string[]) => {
    const args = ["prune", "--older-than", "0", ...flags];
    const { code, stderr } = await startProgram.toEnd(t, { args, env });
    return [code, stderr];
  };

  const server = await prune("--server", "");
  const key = await prune("--key", "");
  const [file] = await prune("--key-file", "");
  const health = await startProgram.toEnd(t, { args: ["health", "--server", ""], env });

  const url = "expected an http or https URL, such as http://127.0.0.1:8017";
  assert.deepEqual(server, [2, `synctail: --server: got "": ${url}\n`]);
  assert.deepEqual(key, [
    2,
    "synctail: --key: expected the key alone, which is one line of ASCII\n",
  ]);
  assert.deepEqual([file, health.code], [2, 2]);
  assert.deepEqual(to.taken, []);
});
