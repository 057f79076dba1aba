/** Goes on when the thread of its checkpoints dies. */
import { startThread } from "../../src/log/checkpoint_worker.ts";

const thread = startThread("none", 'throw new Error("no thread");');
await thread.checkpoint().catch(() => {});
// The runtime ends a process whose thread has died a turn later.
await new Promise((resolve) => setTimeout(resolve, 100));
await thread.close();
console.log("it goes on");
