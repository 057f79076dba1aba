import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createSecure } from "node:https";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { execBench, startExec } from "../support/exec.ts";
import { certificate } from "../support/certificate.ts";
import { type Cleanup, OWN, startProgram } from "../support/program.ts";
import { receiver } from "../support/receiver.ts";
import { tempDirectory } from "../support/temp.ts";

const JOB = "770e8400-e29b-41d4-a716-446655440002";

/** A server that each connection has done that to, or a port where nobody is. */
async function peer(t: Cleanup, act: ((socket: Socket) => void) | undefined): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => act?.(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (act) t.after(() => void server.close());
  else await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
}

/** A server whose certificate nobody has vouched for. */
async function untrusted(t: Cleanup): Promise<string> {
  const { cert, key } = certificate(t);
  const server = createSecure({ cert: readFileSync(cert), key: readFileSync(key) });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => void server.close());
  const address = server.address();
  return `https://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
}

test("watch ends with 2 where the certificate is not trusted, and says that", async (t) => {
  const url = await untrusted(t);

  const { code, stdout, stderr } = await startProgram.toEnd(t, {
    args: ["watch", JOB, "--server", url, "--key", "k"],
  });

  assert.equal(code, 2);
  const words = `cannot reach ${url}: its certificate is not trusted here`;
  assert.equal(stdout + stderr, `synctail: Cannot watch job "${JOB}": ${words}\n`);
});

test("watch says why there is no connection, and that there was none yet", async (t) => {
  const gone = await peer(t, undefined);
  const rude = await peer(t, (socket) => void socket.resetAndDestroy());
  for (const [url, reason] of [[gone, "connection refused"], [rude, "the connection was closed"]]) {
    const watching = startProgram.raw(t, { args: ["watch", JOB, "--server", url, "--key", "k"] });
    await watching.until((stdout) => stdout.includes("\n"));
    const code = await watching.stop("SIGINT");

    const [first] = watching.stdout().split("\n");
    assert.equal(first, `No connection yet: cannot reach ${url}: ${reason}; trying again in 1 s`);
    assert.equal(code, 130);
  }
});

test("watch, export and exec name where an address leads that is only a redirection", async (t) => {
  const { path, key } = await execBench(t);
  const real = await startProgram(t, { args: ["serve"] });
  const moved = await peer(t, (socket) =>
    void socket.end(
      `HTTP/1.1 301 Moved\r\nLocation: ${real.url}/v1/sync/job\r\nContent-Length: 0\r\n\r\n`,
    ));
  const words = `${moved} leads to ${real.url}: name that one`;
  const of = ["--server", moved, "--key", key];

  const watched = await startProgram.toEnd(t, { args: ["watch", JOB, ...of] });
  const exported = await startProgram.toEnd(t, { args: ["export", ...of] });
  const env = { SYNCTAIL_SERVER: moved, SYNCTAIL_KEY: key, XDG_STATE_HOME: path };
  const run = startExec(t, { own: ["n"], program: ["true"], env });
  await run.ended;

  assert.equal(watched.stderr, `synctail: Cannot watch job "${JOB}" at ${moved}: ${words}\n`);
  assert.equal(exported.stderr, `synctail: Cannot list jobs: ${words}\n`);
  assert.ok(run.stderr().includes(`told of everything: ${words}; the rest is kept`), run.stderr());
});

test("export says in plain words that the connection was closed", async (t) => {
  const rude = await peer(
    t,
    (socket) => void socket.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
  );

  const { code, stderr } = await startProgram.toEnd(t, {
    args: ["export", "--server", rude, "--key", "k"],
  });

  const words = `Cannot list jobs: cannot reach ${rude}: the connection was closed`;
  assert.deepEqual([code, stderr], [2, `synctail: ${words}\n`]);
});

test("exec says once why the server was not told, and so does --flush", async (t) => {
  const { path, key } = await execBench(t);
  const cases = [
    [await untrusted(t), "its certificate is not trusted here"],
    [await peer(t, undefined), "connection refused"],
  ];
  await Promise.all(cases.map(async ([url, reason]) => {
    const state = join(path, reason);
    const env = { SYNCTAIL_SERVER: url, SYNCTAIL_KEY: key, XDG_STATE_HOME: state };
    const words = `cannot reach ${url}: ${reason}`;

    const run = startExec(t, { own: ["n"], program: ["true"], env });
    const json = startExec(t, { own: ["n", "--json"], program: ["true"], env });
    const [code] = await Promise.all([run.ended, json.ended]);
    const flush = await startProgram.toEnd(t, { args: ["exec", "--flush"], env });

    assert.equal(code, 0);
    assert.equal(run.stderr().split(words).length, 2, run.stderr());
    assert.ok(run.stderr().includes(`could not be told of everything: ${words}; the rest is kept`));
    assert.match(run.stderr(), /`synctail exec --flush --server http/);
    const left = JSON.parse(json.stderr().trim().split("\n").at(-1) ?? "");
    assert.deepEqual([left.type, left.reason], ["left", words]);
    assert.equal(
      flush.stderr,
      `synctail: jobs that were left behind: 0 sent, 2 left (${words})\n`,
    );
  }));
});

test("what answers exec in the server's place moves nothing in the terminal", async (t) => {
  const { path } = await execBench(t);
  const to = await receiver(t);
  const detail = "\u001b[2J\u001b]0;title\u0007no\nway";
  to.answer = (_, response) => response.writeHead(403).end(JSON.stringify({ detail }));

  const own = ["n", "--server", to.url, "--key", "k", "--data", path];
  const run = startExec(t, { own, program: ["true"] });
  const code = await run.ended;

  assert.equal(code, 0);
  assert.match(run.stderr(), /: it answers 403: \[2J\]0;titleno way\n/);
});

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
