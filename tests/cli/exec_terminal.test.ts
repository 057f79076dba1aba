import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, execBench } from "../support/exec.ts";
import { type Cleanup, OWN, startProgram } from "../support/program.ts";

const TERMINAL = new URL("../support/terminal.py", import.meta.url).pathname;

/** Runs exec in a terminal, types when something was shown, and gives all that the terminal saw. */
async function inTerminal(
  t: Cleanup,
  { data, when = "never shown", keys = "", own = [], program }: {
    readonly data: string;
    readonly when?: string;
    readonly keys?: string;
    readonly own?: readonly string[];
    readonly program: readonly string[];
  },
): Promise<string> {
  const command = [...OWN, "exec", "n", "--quiet", "--data", data, ...own, "--", ...program];
  const { stdout } = await startProgram.toEnd(t, {
    command: ["python3", TERMINAL, when, keys],
    args: command,
    env: { NO_COLOR: "1" },
  });
  return stdout.replaceAll("\r\n", "\n");
}

const jobsOf = async (t: Cleanup, data: string, key: string) => {
  const server = await startProgram(t, { args: ["serve"], data });
  const { items } = await ask(server.url, key, "/v1/sync/jobs");
  const lines = async (id: string) => await ask(server.url, key, `/v1/sync/job/${id}/logs`);
  return { items, lines };
};

test("a program that nobody knows keeps its terminal, all three ends of it", async (t) => {
  const { data, key } = await execBench(t);
  const script = "test -t 0 && test -t 1 && test -t 2 && stty size >/dev/null && echo all three";

  const seen = await inTerminal(t, { data, program: ["sh", "-c", script] });

  assert.equal(seen, "all three\nended 0\n");
  const { items: [job] } = await jobsOf(t, data, key);
  assert.equal(job.status, "completed");
});

test("a format that is named reads a terminal's program too", async (t) => {
  const { data, key } = await execBench(t);
  const script = "test -t 0 && echo in; test -t 1 || echo no out";

  const seen = await inTerminal(t, {
    data,
    own: ["--format", "lines"],
    program: ["sh", "-c", script],
  });

  assert.equal(seen, "in\nno out\nended 0\n");
  const { items: [job], lines } = await jobsOf(t, data, key);
  const { items } = await lines(job.id);
  assert.deepEqual(items.map(({ message }: { message: string }) => message), ["in", "no out"]);
});

test("Ctrl-C reaches the program once, and it may take its time", async (t) => {
  const { data, key } = await execBench(t);
  // The key ends the loop, whenever it comes. A second SIGINT would be heard by the end of the sleep.
  const script = "trap 'echo int; n=1' INT; echo ready; " +
    "while [ -z $n ]; do sleep 0.1; done; sleep 1; exit 3";

  const seen = await inTerminal(t, {
    data,
    when: "ready",
    keys: "\\x03",
    program: ["bash", "-c", script],
  });

  assert.equal(seen, "ready\n^Cint\nended 3\n");
  const { items: [job] } = await jobsOf(t, data, key);
  assert.deepEqual([job.status, job.error.code], ["cancelled", "interrupted"]);
});

test("a program that Ctrl-C ends ends exec by the same signal", async (t) => {
  const { data } = await execBench(t);

  const seen = await inTerminal(t, {
    data,
    when: "ready",
    keys: "\\x03",
    program: ["sh", "-c", "echo ready; exec sleep 1000"],
  });

  assert.equal(seen, "ready\n^Cended -2\n");
});
