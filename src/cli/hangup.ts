/** SIGHUP to a server: it means to read the files again, or that the terminal is gone. */
import { fstatSync, statSync } from "node:fs";
import process from "node:process";
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
  process.on("SIGHUP", () => {
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
  const device = (fd: number) => {
    try {
      const stat = fstatSync(fd);
      return stat.isCharacterDevice() && stat.rdev !== statSync("/dev/null").rdev;
    } catch {
      return false; // it was closed
    }
  };
  // Loaded only when needed: it loads Node's streams, which would slow the start down.
  const { isatty } = process.getBuiltinModule("node:tty");
  return STANDARD.some(device) && !STANDARD.some((fd) => isatty(fd));
}
