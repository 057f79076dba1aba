/** SIGHUP to a server: read the files again, or the terminal is gone. */
import { fstatSync, statSync } from "node:fs";
import process from "node:process";
import { endAsBySignal } from "./output.ts";

const STANDARD = [0, 1, 2];

let heard = false;
let missed = false;
let act: (() => void) | undefined;

/**
 * From now on SIGHUP ends no server by itself; one that comes before `atHangup` is made up for
 * there. Where it comes as the terminal that the server was started in has closed, it is taken for
 * SIGTERM: nobody has such a server in sight any more. (`nohup` leaves no terminal to lose.)
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

/** Does that at each SIGHUP, and at once where one has come already. */
export function atHangup(then: () => void): void {
  hearHangup();
  act = then;
  if (missed) then();
  missed = false;
}

/** Whether something of ours was a terminal that is none any more: its file stays what it was. */
function lostTerminal(): boolean {
  const device = (fd: number) => {
    try {
      const stat = fstatSync(fd);
      return stat.isCharacterDevice() && stat.rdev !== statSync("/dev/null").rdev;
    } catch {
      return false; // it was closed
    }
  };
  // Not before it is needed: it brings Node's streams with it, which a start has no use for.
  const { isatty } = process.getBuiltinModule("node:tty");
  return STANDARD.some(device) && !STANDARD.some((fd) => isatty(fd));
}
