/** Headless Chromium, driven over its DevTools protocol: enough to run a script in a page. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import type { Cleanup } from "./program.ts";
import { tempDirectory } from "./temp.ts";

const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  "--remote-debugging-port=0",
];

/** A page of the browser. */
export interface Page {
  /** Goes to a URL, sending these headers with every request from there on. */
  open(url: string, headers: Record<string, string>): Promise<void>;
  /** Runs an expression, waits for the promise it may be, and gives its JSON. */
  run<Answer>(expression: string): Promise<Answer>;
}

/** Starts Chromium with one page; it is ended with the test. Throws when there is no Chromium. */
export async function chromium(t: Cleanup): Promise<Page> {
  const program = ["/usr/bin/chromium", "/usr/bin/google-chrome"].find(existsSync);
  if (!program) throw new Error("Cannot run a browser test: there is no Chromium");
  const { path, remove } = tempDirectory();
  const child = spawn(program, [...FLAGS, `--user-data-dir=${path}`, "about:blank"], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, TMPDIR: path }, // it leaves files there
  });
  const gone = new Promise<void>((resolve) => child.on("close", () => resolve()));
  t.after(async () => {
    child.kill("SIGKILL");
    await gone;
    remove();
  });
  const port = await new Promise<string>((resolve, reject) => {
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
      const [, found] = /DevTools listening on ws:\/\/[^:]+:(\d+)\//.exec(said) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.on("close", () => reject(new Error(`Chromium ended: ${said.slice(-500)}`)));
  });
  const targets = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
  const target = targets.find(({ type }: { type: string }) => type === "page");
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("Chromium's page cannot be reached"));
  });
  t.after(() => socket.close());
  return pageOf(socket);
}

function pageOf(socket: WebSocket): Page {
  // deno-lint-ignore no-explicit-any -- the protocol's answers
  const waiting = new Map<number, (answer: any) => void>();
  const loaded: (() => void)[] = [];
  let last = 0;
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.method === "Page.loadEventFired") { for (const tell of loaded.splice(0)) tell(); }
    waiting.get(message.id)?.(message);
    waiting.delete(message.id);
  };
  const call = async (method: string, params: object = {}) => {
    const id = ++last;
    // deno-lint-ignore no-explicit-any -- the protocol's answers
    const answer = await new Promise<any>((resolve) => {
      waiting.set(id, resolve);
      socket.send(JSON.stringify({ id, method, params }));
    });
    if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result;
  };
  return {
    async open(url, headers) {
      await call("Page.enable");
      await call("Network.enable");
      await call("Network.setExtraHTTPHeaders", { headers });
      const load = new Promise<void>((resolve) => loaded.push(resolve));
      await call("Page.navigate", { url });
      await load;
    },
    async run(expression) {
      const { result, exceptionDetails } = await call("Runtime.evaluate", {
        expression,
        awaitPromise: true,
        returnByValue: true,
      });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? "it threw");
      return result.value;
    },
  };
}
