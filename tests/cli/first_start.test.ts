import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { OWN, startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

test("serve opens with a URL that signs in, at its first start and in a terminal only", async (t) => {
  const { path, remove } = tempDirectory();
  const data = join(path, "data");
  const inTerminal = (more: string) => {
    const line = [...OWN, "serve", "--port", "0", "--data", data].join(" ");
    const args = ["-qefc", `echo of $$; exec ${line}${more}`, "/dev/null"];
    const terminal = startProgram.raw(t, { command: ["script"], args });
    const pid = () => Number(/^of (\d+)/.exec(terminal.stdout())?.[1]);
    return { ...terminal, signal: (name: string) => process.kill(pid(), name) };
  };
  t.after(remove);

  const first = inTerminal(" --log-level info");
  await first.until((stdout) => stdout.includes("another)"));
  const [, url, link] = /Open (http:\/\/\S+)\/#link=(\S+)/.exec(first.stdout()) ?? [];
  const signedIn = await fetch(`${url}/v1/session`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ link }),
  });
  const { scopes } = await signedIn.json();
  first.signal("SIGHUP");
  await first.until((stdout) => stdout.includes("no file to read again"));
  first.signal("SIGTERM");
  await first.ended;
  const second = inTerminal(" --log-level info");
  await second.until((stdout) => stdout.includes("Listening on"));
  second.signal("SIGTERM");
  await second.ended;

  assert.deepEqual(scopes, ["read", "run"]);
  assert.doesNotMatch(second.stdout(), /Open|#link/);
});
