/** The runtime that runs the tests. */
import process from "node:process";

/** Starts a script with it, as the first words of a command. */
export const RUN: readonly string[] = "Bun" in globalThis
  ? [process.execPath, "run"]
  : [process.execPath, "run", "--quiet", "--no-check", "-A"];
