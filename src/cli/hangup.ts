/** SIGHUP to a server: it means to read the files again, or that the terminal is gone. */
import { nodeFs, nodeTty } from "../system/node.ts";
import { ownProcess } from "../system/own_process.ts";
import { endAsBySignal } from "./output.ts";

const STANDARD = [0, 1, 2];

let heard = false;
let missed = false;
let act: (() => void) | undefined;

/**
 * From now on SIGHUP does not end the server; one that comes before `atHangup` is acted on there.
 *
 * When the terminal that the server was started in has closed, it counts as SIGTERM, as nobody sees
 * such a server any more. (A server started with `nohup` has no terminal to lose.)
 */
export function hearHangup(): void {
  if (heard) return;
  heard = true;
  ownProcess.onSignal("SIGHUP", () => {
    if (lostTerminal()) endAsBySignal();
    else if (act) act();
    else missed = true;
  });
}

/** Calls `then` at each SIGHUP, and at once if one came before. */
export function atHangup(then: () => void): void {
  hearHangup();
  act = then;
  if (missed) then();
  missed = false;
}

/**
 * Whether a standard stream was a terminal that has closed: its file is still a device, but no
 * terminal.
 */
function lostTerminal(): boolean {
  const { fstatSync, statSync } = nodeFs();
  const device = (fd: number) => {
    try {
      const stat = fstatSync(fd);
      return stat.isCharacterDevice() && stat.rdev !== statSync("/dev/null").rdev;
    } catch {
      return false; // it was closed
    }
  };
  const { isatty } = nodeTty();
  return STANDARD.some(device) && !STANDARD.some((fd) => isatty(fd));
}
