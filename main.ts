/** synctail: tail -f for sync jobs. */
import { program } from "./src/cli/program.ts";
import { logTold } from "./src/logger.ts";
import { nodeProcess } from "./src/system/node.ts";
import { ownProcess } from "./src/system/own_process.ts";

const code = await program(ownProcess.args());
await logTold();
// A connection that is kept alive would keep the process; everything of ours is closed by now.
nodeProcess().exit(code);
