/** Which problems end what a worker tells: the same in both clients, as the server means them. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { deliver, JOBS_PATH } from "../../src/client/delivery.ts";
import { PROBLEMS } from "../../src/http/problem.ts";
import { GUIDES } from "../../src/http/problem_guide.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** What the guide says of problems that pass by themselves. */
const PASSES = /try again|send the same again/i;
/**
 * Those that pass with the next connection (`body-timeout`), that something else than the server may
 * have told, or that are final only once there was a job (`not-found`).
 */
const OTHERS = [
  "body-timeout",
  "misdirected",
  "not-found",
  "method-not-allowed",
  "already-running",
  "not-runnable",
  "unsupported-media-type",
];

/** Whether the TypeScript client sends no second time what was refused so. */
async function ends(code: string, status: number): Promise<boolean> {
  const over = new AbortController();
  const fetch = () => {
    over.abort(); // the next try is none
    return Promise.resolve(Response.json({ type: `/problems/${code}`, status }, { status }));
  };
  const endpoint = { server: "http://127.0.0.1:1", key: "st_x", fetch, clock: new FakeClock() };
  const answer = await deliver(endpoint, JOBS_PATH, "{}", {}, over.signal, () => {});
  return answer.kind === "refused";
}

test("both clients give up at the problems that would come again, and at no others", async () => {
  const final: string[] = [];
  for (const [code, [status]] of Object.entries(PROBLEMS)) {
    if (await ends(code, status)) final.push(code);
  }
  const print = "import json, synctail; print(json.dumps(synctail._FINAL))";
  const { stdout } = spawnSync("python3", ["-B", "-c", print], {
    cwd: new URL("../../clients/python", import.meta.url),
    encoding: "utf8",
  });
  const passing = Object.entries(GUIDES).filter(([, { remedy }]) => PASSES.test(remedy));
  const others = [...OTHERS, ...passing.map(([code]) => code)];

  assert.deepEqual(JSON.parse(stdout).sort(), final.sort());
  assert.deepEqual([...final, ...others].sort(), Object.keys(PROBLEMS).sort());
});
