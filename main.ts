/** synctail: tail -f for sync jobs. */
import process from "node:process";
import { program } from "./src/cli/program.ts";
import { logTold } from "./src/logger.ts";

process.exitCode = await program(process.argv.slice(2));
await logTold();
// A connection that is kept alive would keep the process; everything of ours is closed by now.
process.exit();
