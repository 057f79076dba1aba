/** The publisher inside a bench server, and what it tells the bench. */
import process from "node:process";

/** Where viewers connect. */
export interface Target {
  readonly port: number;
  readonly path: string;
  readonly key: string;
}

/**
 * Prints where to connect, then takes commands on stdin: `go N` publishes with N in flight,
 * `stop` halts and prints how many events there were and what CPU they took, in microseconds.
 */
export function publishUntilStopped(target: Target, publish: () => Promise<unknown>): void {
  let going = false;
  let events = 0;
  let before = process.cpuUsage();
  const lane = async () => {
    while (going) {
      await publish();
      events++;
    }
  };
  process.stdin.on("data", (chunk) => {
    const [command, count] = String(chunk).trim().split(" ");
    if (command === "go") {
      going = true;
      events = 0;
      before = process.cpuUsage();
      for (let n = 0; n < Number(count); n++) lane();
    } else {
      going = false;
      const { user, system } = process.cpuUsage(before);
      process.stdout.write(`${JSON.stringify({ events, cpuUs: user + system })}\n`);
    }
  });
  process.stdin.on("end", () => process.exit(0));
  process.stdout.write(`${JSON.stringify(target)}\n`);
}
