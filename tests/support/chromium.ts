/** Headless Chromium, driven over its DevTools protocol: what browser tests need of it. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import process from "node:process";
import type { Cleanup } from "./program.ts";
import { tempDirectory } from "./temp.ts";

const FLAGS = [
  "--headless=new",
  "--hide-scrollbars",
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

/** What has not come by then never will: a test says so, before `bun test` ends it after 120 s. */
const HANG_MS = 110_000;

/** Named keys that tests press. */
const KEYS: Readonly<
  Record<string, { code: string; windowsVirtualKeyCode: number; text?: string }>
> = {
  Tab: { code: "Tab", windowsVirtualKeyCode: 9 },
  Enter: { code: "Enter", windowsVirtualKeyCode: 13, text: "\r" },
  Escape: { code: "Escape", windowsVirtualKeyCode: 27 },
  End: { code: "End", windowsVirtualKeyCode: 35 },
  Home: { code: "Home", windowsVirtualKeyCode: 36 },
  ArrowUp: { code: "ArrowUp", windowsVirtualKeyCode: 38 },
  ArrowDown: { code: "ArrowDown", windowsVirtualKeyCode: 40 },
};

/** Looks of a page: what a device and its owner's settings make of it. */
export interface Look {
  readonly width?: number;
  readonly height?: number;
  readonly phone?: boolean;
  readonly dark?: boolean;
  readonly reducedMotion?: boolean;
  readonly forcedColours?: boolean;
  /** As on paper. */
  readonly print?: boolean;
  /** The size of text that the browser is set to, in pixels. */
  readonly text?: number;
}

/** A page of the browser. */
export interface Page {
  /** Goes to a URL, sending these headers with every request from there on. */
  open(url: string, headers?: Record<string, string>): Promise<void>;
  reload(): Promise<void>;
  /** Runs an expression, waits for the promise it may be, and gives its JSON. */
  run<Answer>(expression: string): Promise<Answer>;
  /** Waits until an expression holds, as the page changes; its value. */
  until<Answer = true>(expression: string): Promise<Answer>;
  /** What is written in the page, as it is seen. */
  text(): Promise<string>;
  press(key: string): Promise<void>;
  type(text: string): Promise<void>;
  look(look: Look): Promise<void>;
  offline(offline: boolean): Promise<void>;
  /** As a tab behind another one, from there on. */
  hide(): Promise<void>;
  /** Writes a picture to the directory that SYNCTAIL_SCREENSHOTS names; nothing without it. */
  picture(name: string, whole?: boolean): Promise<void>;
  /** What the page's own code has complained about: exceptions, console errors, breaches of policy. */
  readonly complaints: readonly string[];
  /** As new, but for its cookies: nothing shown, no looks, no complaints. */
  reset(): Promise<void>;
  /** Another page with the same cookies. */
  sibling(): Promise<Page>;
  close(): Promise<void>;
}

/** Pages that share cookies with each other and with no other profile. */
export interface Profile {
  page(): Promise<Page>;
  close(): Promise<void>;
}

/** A browser that is running. */
export interface Browser {
  profile(): Promise<Profile>;
  close(): Promise<void>;
}

/** Starts Chromium with one page; it is ended with the test. Throws when there is no Chromium. */
export async function chromium(t: Cleanup): Promise<Page> {
  const browser = await startBrowser();
  t.after(() => browser.close());
  return await (await browser.profile()).page();
}

/** Starts Chromium. Throws when there is none. */
export async function startBrowser(): Promise<Browser> {
  const program = ["/usr/bin/chromium", "/usr/bin/google-chrome"].find(existsSync);
  if (!program) throw new Error("Cannot run a browser test: there is no Chromium");
  const { path, remove } = tempDirectory();
  const child = spawn(program, [...FLAGS, `--user-data-dir=${path}`, "about:blank"], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, TMPDIR: path }, // it leaves files there
  });
  const gone = new Promise<void>((resolve) => child.on("close", () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
      const [, found] = /DevTools listening on (ws:\/\/\S+)/.exec(said) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.on("close", () => reject(new Error(`Chromium ended: ${said.slice(-500)}`)));
  });
  const wire = await connected(url);
  return {
    async profile() {
      const { browserContextId } = await wire.call("Target.createBrowserContext");
      return {
        page: () => openPage(wire, browserContextId),
        close: async () =>
          void await wire.call("Target.disposeBrowserContext", { browserContextId }),
      };
    },
    async close() {
      wire.close();
      child.kill("SIGKILL");
      await gone;
      remove();
    },
  };
}

interface Wire {
  // deno-lint-ignore no-explicit-any -- the protocol's answers
  call(method: string, params?: object, sessionId?: string): Promise<any>;
  // deno-lint-ignore no-explicit-any -- the protocol's events
  listen(sessionId: string, tell: (method: string, params: any) => void): void;
  close(): void;
}

async function connected(url: string): Promise<Wire> {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("Chromium cannot be reached"));
  });
  // deno-lint-ignore no-explicit-any -- the protocol's answers
  const waiting = new Map<number, (answer: any) => void>();
  // deno-lint-ignore no-explicit-any -- the protocol's events
  const listeners = new Map<string, (method: string, params: any) => void>();
  let last = 0;
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.method) listeners.get(message.sessionId)?.(message.method, message.params);
    waiting.get(message.id)?.(message);
    waiting.delete(message.id);
  };
  return {
    async call(method, params = {}, sessionId) {
      const id = ++last;
      // deno-lint-ignore no-explicit-any -- the protocol's answers
      const answer = await new Promise<any>((resolve) => {
        waiting.set(id, resolve);
        socket.send(JSON.stringify({ id, method, params, sessionId }));
      });
      if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
      return answer.result;
    },
    listen: (sessionId, tell) => void listeners.set(sessionId, tell),
    close: () => socket.close(),
  };
}

async function openPage(wire: Wire, browserContextId: string): Promise<Page> {
  const { targetId } = await wire.call("Target.createTarget", {
    url: "about:blank",
    browserContextId,
    newWindow: true, // a tab behind another one draws nothing
  });
  const { sessionId } = await wire.call("Target.attachToTarget", { targetId, flatten: true });
  const call = (method: string, params: object = {}) => wire.call(method, params, sessionId);
  const loaded: (() => void)[] = [];
  const complaints: string[] = [];
  wire.listen(sessionId, (method, params) => {
    if (method === "Page.loadEventFired") { for (const tell of loaded.splice(0)) tell(); }
    if (method === "Runtime.exceptionThrown") {
      const { text, exception } = params.exceptionDetails;
      complaints.push(`${text} ${exception?.description ?? ""}`);
    }
    if (method === "Runtime.consoleAPICalled" && params.type === "error") {
      complaints.push(params.args.map((arg: { value?: unknown }) => String(arg.value)).join(" "));
    }
    if (method === "Log.entryAdded" && params.entry.source === "security") {
      complaints.push(params.entry.text);
    }
  });
  await Promise.all(
    ["Page", "Network", "Runtime", "Log"].map((domain) => call(`${domain}.enable`)),
  );
  const loading = async (method: string, params: object = {}) => {
    const load = new Promise<void>((resolve) => loaded.push(resolve));
    await call(method, params);
    await load;
  };
  const run = async (expression: string) => {
    const { result, exceptionDetails } = await call("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) {
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    }
    return result.value;
  };
  const page: Page = {
    complaints,
    run,
    async open(url, headers = {}) {
      await call("Network.setExtraHTTPHeaders", { headers });
      await loading("Page.navigate", { url });
    },
    reload: () => loading("Page.reload"),
    until: (expression) =>
      run(`new Promise((resolve, reject) => {
        const end = performance.now() + ${HANG_MS}; // tests set Date
        const look = () => {
          try {
            const value = (${expression});
            if (value) return resolve(value);
          } catch (cause) { return reject(cause); }
          if (performance.now() < end) return setTimeout(look, 20);
          reject(new Error("The page never came to it: " + ${JSON.stringify(expression)} +
            "; it shows: " + document.body.innerText.slice(0, 2000)));
        };
        look();
      })`),
    text: () => run("document.body.innerText"),
    async press(name) {
      const key = name === " "
        ? { code: "Space", windowsVirtualKeyCode: 32, text: " " }
        : KEYS[name];
      await call("Input.dispatchKeyEvent", { type: "keyDown", key: name, ...key });
      await call("Input.dispatchKeyEvent", { type: "keyUp", key: name, ...key });
    },
    type: (text) => call("Input.insertText", { text }),
    async look({ width = 1280, height = 900, phone = false, dark = false, text = 16, ...look }) {
      await call("Page.setFontSizes", { fontSizes: { standard: text } });
      await call("Emulation.setDeviceMetricsOverride", {
        width: phone ? 390 : width,
        height: phone ? 844 : height,
        deviceScaleFactor: phone ? 2 : 1,
        mobile: phone,
      });
      await call("Emulation.setEmulatedMedia", {
        media: look.print ? "print" : "",
        features: [
          { name: "prefers-color-scheme", value: dark ? "dark" : "light" },
          {
            name: "prefers-reduced-motion",
            value: look.reducedMotion ? "reduce" : "no-preference",
          },
          { name: "forced-colors", value: look.forcedColours ? "active" : "none" },
        ],
      });
    },
    async hide() {
      // The first hides the page, and the second leaves it hidden.
      await call("Page.setWebLifecycleState", { state: "frozen" });
      await call("Page.setWebLifecycleState", { state: "active" });
    },
    async offline(offline) {
      await call("Network.emulateNetworkConditions", {
        offline,
        latency: 0,
        downloadThroughput: -1,
        uploadThroughput: -1,
      });
      if (!offline) return;
      // The page may hear of it before it holds, and what has connected by then lives on.
      await run(`(async () => {
        const asked = () => fetch(location.href, { method: "HEAD", cache: "no-store" });
        while (await asked().then(() => true, () => false));
        dispatchEvent(new Event("offline"));
      })()`);
    },
    async picture(name, whole = false) {
      const directory = process.env.SYNCTAIL_SCREENSHOTS;
      if (!directory) return;
      const { data } = await call("Page.captureScreenshot", {
        format: "png",
        captureBeyondViewport: whole,
      });
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, `${name}.png`), new Uint8Array(Buffer.from(data, "base64")));
    },
    async reset() {
      await page.offline(false);
      await page.look({});
      await page.open("about:blank");
      complaints.length = 0;
    },
    sibling: () => openPage(wire, browserContextId),
    close: async () => void await wire.call("Target.closeTarget", { targetId }),
  };
  return page;
}
