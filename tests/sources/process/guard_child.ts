/** Starts a program that nothing but SIGKILL ends, with a guard, and waits to be killed. */
import { writeSync } from "node:fs";
import process from "node:process";
import { guard } from "../../../src/sources/process/guard.ts";
import { startProgram } from "../../../src/sources/process/program.ts";

const DEAF = "trap '' TERM HUP INT PIPE; (sleep 600; :) & echo up; wait";

const program = await startProgram({
  command: ["sh", "-c", DEAF],
  env: { PATH: process.env.PATH ?? "" },
  stdout: "inherit",
  stderr: "ignore",
});
const callOff = guard(program);
if (process.argv[2] === "call off") await callOff();
writeSync(1, `pid ${program.pid}\n`);
setInterval(() => {}, 60_000);
