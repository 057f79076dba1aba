import assert from "node:assert/strict";
import { test } from "node:test";
import { fileProblem, problemOf } from "../../src/http/post_problem.ts";
import { Problem } from "../../src/http/problem.ts";
import { LogClosedError } from "../../src/log/log_errors.ts";

test("what comes when a stopping server has closed its log is told to come again", async () => {
  const problem = problemOf(new LogClosedError());

  assert.ok(problem instanceof Problem);
  const answer = problem.response("");
  assert.deepEqual([answer.status, answer.headers.get("Retry-After")], [503, "5"]);
  assert.equal((await answer.json()).type, "/problems/stopping");
});

test("a disk that is full is told as such, whichever file was to be written", () => {
  const problem = fileProblem(new Error("database or disk is full"));

  const after = problem?.response("").headers.get("Retry-After");
  assert.deepEqual([problem?.code, after], ["storage-full", "5"]);
});
