/** SIGHUP, which would end a process that does not hear it. */
import process from "node:process";

let heard = false;
let missed = false;
let act: (() => void) | undefined;

/** From now on SIGHUP ends nothing; one that comes before `atHangup` is made up for there. */
export function hearHangup(): void {
  if (heard) return;
  heard = true;
  process.on("SIGHUP", () => {
    if (act) act();
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
