/** SIGHUP to a server: read the files again, or the terminal is gone. */
import process from "node:process";
import { isatty } from "node:tty";
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
  const inTerminal = STANDARD.some(isatty);
  process.on("SIGHUP", () => {
    if (inTerminal && !STANDARD.some(isatty)) endAsBySignal();
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
