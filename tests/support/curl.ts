/** curl as a client: its exit code tells a stream that has ended from one that broke off. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { Cleanup } from "./program.ts";
import { framesOf, type Seen } from "./stream_bench.ts";

export interface Curl {
  /** What has arrived so far. */
  readonly text: () => string;
  /** Waits until what has arrived passes. Rejects when curl ends before that. */
  until(passes: (text: string) => boolean): Promise<void>;
  /** Sends more of the body; without a text it ends there. */
  send(text?: string): void;
  /** 0 when the answer was whole. */
  readonly code: Promise<number>;
}

/** Starts curl with the arguments; it is ended with the test. */
export function curl(t: Cleanup, args: readonly string[]): Curl {
  const child = spawn("curl", ["-sSkN", ...args], { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  let faults = "";
  child.stdout.on("data", (chunk) => said += chunk);
  child.stderr.on("data", (chunk) => faults += chunk);
  child.stdin.on("error", () => {}); // it has ended, and its code says why
  const code = new Promise<number>((resolve, reject) => {
    child.on("error", (cause) => reject(new Error("There is no curl", { cause })));
    child.on("close", (code) => resolve(code ?? -1));
  });
  t.after(async () => {
    child.kill("SIGKILL");
    await code;
  });
  return {
    text: () => said,
    code,
    send: (text) => void (text === undefined ? child.stdin.end() : child.stdin.write(text)),
    until: (passes) =>
      new Promise((resolve, reject) => {
        const look = () => passes(said) && resolve();
        child.stdout.on("data", look);
        code.then((ended) => reject(new Error(`curl ended with ${ended}: ${faults}\n${said}`)));
        look();
      }),
  };
}

/**
 * A stream that is open, and what has come when it breaks off. Bun's fetch may throw away what it
 * has not read by then.
 *
 * @param opened part of what comes first
 */
export async function curledToBreak(
  t: Cleanup,
  { url, headers = {}, opened }: {
    readonly url: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly opened: string;
  },
): Promise<{ readonly frames: Promise<Seen[]> }> {
  const fields = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const stream = curl(t, [...fields, url]);
  await stream.until((text) => text.includes(opened));
  const broken = async () => {
    assert.notEqual(await stream.code, 0, stream.text());
    return framesOf(stream.text());
  };
  return { frames: broken() };
}

/** A whole answer: status, headers by their names in lower case, and body. */
export async function curled(t: Cleanup, args: readonly string[]) {
  const asked = curl(t, ["-i", ...args]);
  asked.send();
  const code = await asked.code;
  const [head, ...rest] = asked.text().split("\r\n\r\n");
  const [first, ...lines] = head.split("\r\n");
  const headers = new Map(
    lines.map((line) => {
      const [name, ...value] = line.split(": ");
      return [name.toLowerCase(), value.join(": ")] as const;
    }),
  );
  return { code, status: Number(first.split(" ")[1]), headers, body: rest.join("\r\n\r\n") };
}
