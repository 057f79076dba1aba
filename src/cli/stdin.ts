/** Files that are stdin. */

/** Names of stdin. It is read by its number: Deno opens /dev/stdin only with all permissions. */
const NAMES = ["-", "/dev/stdin"];

/** Whether a path that was given stands for stdin, whose number is 0. */
export function isStdin(path: string): boolean {
  return NAMES.includes(path);
}
