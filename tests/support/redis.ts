/** A real Redis on a free port. */
import { createClient } from "@redis/client";
import { type ChildProcess, spawn } from "node:child_process";
import { freePort } from "./free_port.ts";
import type { Cleanup } from "./program.ts";

export interface Redis {
  readonly url: string;
  /** Publishes until `receivers` have heard it. */
  publish(channel: string, message: unknown): Promise<void>;
  /** Ends it, and starts it again on the same port. */
  restart(): Promise<void>;
  /** Has a command done, as one who may do all. */
  command(...args: string[]): Promise<unknown>;
  /** Answers nobody any more. */
  freeze(): void;
}

/** Starts redis-server; it is ended with the test. Throws when there is none. */
export async function redis(t: Cleanup): Promise<Redis> {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  let child = await started(port);
  t.after(() => ended(child));
  const client = createClient({ url, socket: { reconnectStrategy: () => 20 } });
  client.on("error", () => {}); // while it restarts
  await client.connect();
  t.after(() => client.destroy());
  return {
    url,
    async publish(channel, message) {
      const text = typeof message === "string" ? message : JSON.stringify(message);
      while (await client.publish(channel, text) === 0);
    },
    async restart() {
      await ended(child);
      child = await started(port);
    },
    command: (...args) => client.sendCommand(args),
    freeze: () => void child.kill("SIGSTOP"),
  };
}

function started(port: number): Promise<ChildProcess> {
  const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "ignore"] });
  return new Promise((resolve, reject) => {
    let said = "";
    child.on("error", (cause) => reject(new Error("There is no redis-server", { cause })));
    child.on("close", () => reject(new Error(`redis-server ended: ${said}`)));
    child.stdout.on("data", (chunk) => {
      said += chunk;
      if (said.includes("Ready to accept connections")) resolve(child);
    });
  });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.on("close", () => resolve());
    child.kill("SIGKILL");
  });
}
