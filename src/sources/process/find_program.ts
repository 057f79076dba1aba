/** Where a program lies, or why it cannot be started, before anything is. */
import { statSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { SourceError } from "../source.ts";

/** From where it is looked for. */
export interface ProgramPlace {
  /** Where it will run; relative names with a slash start there. The present one when absent. */
  readonly cwd?: string;
  /** The program's own environment: its PATH counts. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * The absolute path of a program, found as a shell would.
 *
 * @throws {SourceError} cwd_not_found, program_not_found, program_not_executable
 */
export function findProgram(name: string, { cwd, env }: ProgramPlace): string {
  const cannot = `Cannot run ${JSON.stringify(name)}: `;
  if (cwd !== undefined && kindOf(cwd) !== "directory") {
    const reason = kindOf(cwd) === undefined ? "there is no such directory" : "it is no directory";
    throw new SourceError("cwd_not_found", `${cannot}its working directory is ${cwd}: ${reason}`);
  }
  const candidates = name.includes("/")
    ? [resolve(cwd ?? "", name)]
    : (env.PATH ?? "").split(delimiter).filter(isAbsolute).map((place) => join(place, name));
  const files = candidates.filter((path) => kindOf(path) === "file");
  const runnable = files.find(executable);
  if (runnable !== undefined) return runnable;
  if (files.length > 0) {
    const reason = `${files[0]} is not executable (chmod +x makes it so)`;
    throw new SourceError("program_not_executable", cannot + reason);
  }
  if (name.includes("/") && kindOf(candidates[0]) === "directory") {
    throw new SourceError("program_not_executable", `${cannot}${candidates[0]} is a directory`);
  }
  const path = env.PATH ? `in PATH (${env.PATH})` : "and PATH is not set";
  const reason = name.includes("/")
    ? `there is no file ${candidates[0]}`
    : `there is no such program ${path}`;
  throw new SourceError("program_not_found", `${cannot}${reason}`);
}

function kindOf(path: string): "file" | "directory" | "other" | undefined {
  try {
    const stat = statSync(path);
    return stat.isFile() ? "file" : stat.isDirectory() ? "directory" : "other";
  } catch {
    return undefined; // A place that may not be looked into is one where nothing is found.
  }
}

/** By anybody: `access` would ask for more rights under Deno; whether by us, the start will show. */
function executable(path: string): boolean {
  return (statSync(path).mode & 0o111) !== 0;
}
