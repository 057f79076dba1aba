import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer as createSecure } from "node:https";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { execBench, startExec } from "../support/exec.ts";
import { certificate } from "../support/certificate.ts";
import { freePort } from "../support/free_port.ts";
import { type Cleanup, startProgram } from "../support/program.ts";
import { receiver } from "../support/receiver.ts";

const JOB = "770e8400-e29b-41d4-a716-446655440002";

/** A server that has done that to each connection. */
async function peer(t: Cleanup, act: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => act(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  t.after(() => void server.close());
  return `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
}

/** Where nobody is. */
const nobody = async () => `http://127.0.0.1:${await freePort()}`;

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
  const gone = await nobody();
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
    [await nobody(), "connection refused"],
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
