/** The thread that does checkpoints. */
import thread from "./checkpoint_thread.js" with { type: "text" };

/** Does checkpoints outside the event loop. */
export interface CheckpointThread {
  /** Moves what was committed into the file, as far as no reader needs it. @throws {Error} */
  checkpoint(): Promise<void>;
  /** Resolves when it has let go of the file. Never rejects: what it could not move is in the WAL. */
  close(): Promise<void>;
}

/** Starts a thread. @param code what it runs; tests give code that fails */
export function startThread(path: string, code: string = thread): CheckpointThread {
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(code)}`, {
    type: "module",
  });
  let dead: Error | undefined;
  const ask = (message: { path?: string }) =>
    new Promise<void>((resolve, reject) => {
      if (dead) return reject(dead);
      worker.onmessage = ({ data: { fault } }) => fault ? reject(new Error(fault)) : resolve();
      worker.onerror = (event) => {
        event.preventDefault(); // else it ends the process
        reject(dead = new Error(`The thread of checkpoints has failed: ${event.message}`));
      };
      worker.postMessage(message);
    });
  return { checkpoint: () => ask({ path }), close: () => ask({}).catch(() => {}) };
}
