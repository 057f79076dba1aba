import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { OWN, startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

test("serve opens with a URL that signs in, at its first start and in a terminal only", async (t) => {
  const { path, remove } = tempDirectory();
  const data = join(path, "data");
  const inTerminal = (more: string) => {
    const line = [...OWN, "serve", "--port", "0", "--data", data].join(" ");
    const args = ["-qefc", `${line}${more}`, "/dev/null"];
    return startProgram.raw(t, { command: ["script"], args });
  };
  t.after(remove);

  const first = inTerminal("");
  await first.until((stdout) => stdout.includes("another)"));
  const [, url, link] = /Open (http:\/\/\S+)\/#link=(\S+)/.exec(first.stdout()) ?? [];
  const signedIn = await fetch(`${url}/v1/session`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ link }),
  });
  const { scopes } = await signedIn.json();
  await first.stop("SIGTERM");
  const second = inTerminal(" --log-level info");
  await second.until((stdout) => stdout.includes("Listening on"));
  await second.stop("SIGTERM");

  assert.deepEqual(scopes, ["read", "run"]);
  assert.doesNotMatch(second.stdout(), /Open|#link/);
});
