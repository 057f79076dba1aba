/** Processes that have ended and that nobody has waited for. */
import { spawnSync } from "node:child_process";

/**
 * Ends with 0 where the group, whose number is its `$0`, has zombies alone. It is a script, as Deno
 * lets a program read /proc itself only with all permissions; it starts no process of its own.
 */
const SCRIPT = `
code=1
for file in /proc/[0-9]*/stat; do
  read -r stat <"$file" || continue
  set -- \${stat##*) }
  [ "$3" = "$0" ] || continue
  [ "$1" = Z ] || exit 1
  code=0
done 2>/dev/null
exit $code
`;

/** Whether zombies are all that is left of a process group; false where there is no /proc. */
export function isZombies(group: number): boolean {
  const { status } = spawnSync("/bin/sh", ["-c", SCRIPT, String(group)], {
    env: {},
    stdio: "ignore",
  });
  return status === 0;
}
