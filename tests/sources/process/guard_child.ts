/** Starts a program that nothing but SIGKILL ends, with a guard, and waits to be killed. */
import { spawn } from "node:child_process";
import { writeSync } from "node:fs";
import process from "node:process";
import { guard } from "../../../src/sources/process/guard.ts";

const DEAF = "trap '' TERM HUP INT PIPE; (sleep 600; :) & echo up; wait";

const { pid = 0 } = spawn("sh", ["-c", DEAF], {
  detached: true,
  stdio: ["ignore", "inherit", "ignore"],
});
const callOff = guard({ pid });
if (process.argv[2] === "call off") await callOff();
writeSync(1, `pid ${pid}\n`);
setInterval(() => {}, 60_000);
