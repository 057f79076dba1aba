/** What is left to do when this process is killed: its programs must not go on without it. */
import { spawn } from "node:child_process";
import type { Program } from "./program.ts";

/**
 * Waits for a word on its input. The end of the input without it means that the process on the other
 * side is gone, and the group whose number it was given is killed.
 */
const SCRIPT = 'read -r word; [ "$word" = over ] || kill -s KILL -- "-$0"';

/**
 * Sees to it that the program's group does not outlive this process, however that ends (kill -9
 * too): a shell in a session of its own, which the end of a pipe wakes up. A call of the answer calls
 * it off, and resolves when the guard is gone. Without /bin/sh there is no such guard.
 */
export function guard({ pid }: Pick<Program, "pid">): () => Promise<void> {
  const child = spawn("/bin/sh", ["-c", SCRIPT, String(pid)], {
    env: {},
    cwd: "/",
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const gone = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    // It cannot be started: the program itself is none the worse.
    child.on("error", () => resolve());
  });
  child.stdin?.on("error", () => {}); // somebody has killed it
  return () => {
    child.stdin?.end("over\n");
    return gone;
  };
}
