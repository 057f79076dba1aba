/** Kills programs when this process is killed: they must not go on without it. */
import { spawn } from "node:child_process";
import type { Program } from "./program.ts";

/**
 * Waits for a word on its input. Where the input ends without it the process at the other side is
 * gone, and the script kills the group whose number is its `$0`.
 */
const SCRIPT = 'read -r word; [ "$word" = over ] || kill -s KILL -- "-$0"';

/**
 * Makes sure that the program's group does not outlive this process, however that ends (kill -9
 * too), by a shell in a session of its own that wakes up when a pipe ends. Without /bin/sh there is
 * no guard.
 *
 * @returns calls the guard off; resolves when it is gone
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
    // The guard cannot be started: the program runs without it.
    child.on("error", () => resolve());
  });
  child.stdin?.on("error", () => {}); // somebody has killed it
  return () => {
    child.stdin?.end("over\n");
    return gone;
  };
}
