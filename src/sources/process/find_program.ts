/** Where a program lies, or why it cannot be started; found out before anything is started. */
import { lstatSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { errorCode } from "../file_system.ts";
import { SourceError } from "../source.ts";

/** What a program is looked for with. */
export interface ProgramPlace {
  /** Where it will run; relative names with a slash start there. This process's when left out. */
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
  const unusable = cwd === undefined ? undefined : whyUnusable(cwd);
  if (unusable !== undefined) {
    throw new SourceError("cwd_not_found", `${cannot}its working directory is ${cwd}: ${unusable}`);
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
  // PATH itself is not named: everybody who may see the job would learn about the machine.
  const path = env.PATH ? "in PATH" : "and PATH is not set";
  const reason = name.includes("/")
    ? `there is no file ${candidates[0]}`
    : `there is no such program ${path}`;
  throw new SourceError("program_not_found", `${cannot}${reason}`);
}

/** Why no program can run in the directory; undefined where one can. */
function whyUnusable(cwd: string): string | undefined {
  try {
    if (!statSync(cwd).isDirectory()) return "it is no directory";
    // Looking for a name in it, even one that is not there, takes the right to enter it.
    lstatSync(join(cwd, "name"), { throwIfNoEntry: false });
    return undefined;
  } catch (cause) {
    const code = errorCode(cause) ?? String(cause);
    return WHY_UNUSABLE[code] ?? code;
  }
}

const WHY_UNUSABLE: Readonly<Record<string, string>> = {
  ENOENT: "there is no such directory",
  ENOTDIR: "there is no such directory",
  EACCES: "this server's user may not enter it",
};

function kindOf(path: string): "file" | "directory" | "other" | undefined {
  try {
    const stat = statSync(path);
    return stat.isFile() ? "file" : stat.isDirectory() ? "directory" : "other";
  } catch {
    return undefined; // Nothing can be found where looking is not permitted.
  }
}

/** Whether anybody may execute it. Not by `access`, which needs more rights under Deno. */
function executable(path: string): boolean {
  return (statSync(path).mode & 0o111) !== 0;
}
