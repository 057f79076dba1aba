/** Tells of what was left in a directory of spools, with no server there, and says what came of it. */
import process from "node:process";
import { SpoolDirectory } from "../../src/client/spool_directory.ts";
import { systemClock } from "../../src/clock.ts";

const faults: string[] = [];
const onFault = (message: string) => void faults.push(message);
const flushed = await new SpoolDirectory(process.argv[2], onFault).flush({
  server: null,
  keyPrint: null,
  everyKey: true,
  endpoint: () => Promise.resolve(undefined),
  clock: systemClock,
  signal: new AbortController().signal,
  onFault,
});
console.log(JSON.stringify({ ...flushed, faults }));
