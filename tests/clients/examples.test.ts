import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { testServer } from "../support/server.ts";

const DOC = readFileSync(new URL("../../docs/workers.md", import.meta.url), "utf8");
const README = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const OWN = "Bun" in globalThis ? [process.execPath, "run"] : [process.execPath, "run", "-A"];

/** The one fenced block of that language. */
function block(text: string, language: string): string {
  const found = [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))];
  assert.equal(found.length, 1, `blocks of ${language}`);
  return found[0][1];
}

for (
  const [name, text, language, file, command, inserted] of [
    ["docs/workers.md, curl", DOC, "bash", "worker.sh", ["sh"], 2],
    ["docs/workers.md, Python", DOC, "python", "worker.py", ["python3"], 100],
    ["docs/workers.md, TypeScript", DOC, "ts", "worker.ts", OWN, 100],
    ["README.md, curl", README, "bash", "worker.sh", ["sh"], 2],
  ] as const
) {
  test(`the worker of ${name} does what it says`, async (t) => {
    const server = await testServer(t);
    const path = join(server.temp, file);
    const imports = language === "ts" ? 'import process from "node:process";\n' : "";
    writeFileSync(path, imports + block(text, language));

    const { code, said } = await ran([...command, path], server.url, server.key());

    assert.equal(code, 0, said);
    const { items: [job] } = await (await server.ask("/v1/sync/jobs")).json();
    assert.deepEqual(
      [job.status, job.sync, job.entities_inserted],
      ["completed", "nightly-users", inserted],
    );
  });
}

for (const [name, text] of [["docs/workers.md", DOC], ["README.md", README]]) {
  test(`the worker of ${name}, curl, says why the server refuses it`, async (t) => {
    const server = await testServer(t);
    const path = join(server.temp, "worker.sh");
    writeFileSync(path, block(text, "bash"));

    const { code, said } = await ran(["sh", path], server.url, "wrong");

    assert.notEqual(code, 0);
    assert.match(said, /"detail":"The API key or token is not known here/);
  });
}

/** Runs a worker to its end; what it has said on stderr. */
async function ran([program, ...args]: readonly string[], server: string, key: string) {
  const child = spawn(program, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, SYNCTAIL_SERVER: server, SYNCTAIL_KEY: key },
  });
  let said = "";
  child.stderr.on("data", (chunk) => said += chunk);
  const code = await new Promise((resolve) => child.on("close", resolve));
  return { code, said };
}

if ("Bun" in globalThis) {
  test("the TypeScript client becomes one file that Node runs", async (t) => {
    const server = await testServer(t);
    const built = join(server.temp, "synctail.mjs");
    const args = block(DOC, "sh").trim().split(" ");
    assert.deepEqual([args.slice(0, 4), args.at(-1)], [
      ["npx", "-y", "bun", "build"],
      "synctail.mjs",
    ]);
    const worker = `
      import { runJob } from "./synctail.mjs";
      const { SYNCTAIL_SERVER: server, SYNCTAIL_KEY: key } = process.env;
      await runJob({ server, key, sync: "users", total: 1 }, (job) => job.inserted());
    `;
    writeFileSync(join(server.temp, "worker.mjs"), worker);
    // As \`npm init\` makes it.
    writeFileSync(join(server.temp, "package.json"), '{"type": "commonjs"}');

    const run = async (program: string, ...rest: string[]) => {
      const child = spawn(program, rest, {
        cwd: new URL("../..", import.meta.url),
        env: { ...process.env, SYNCTAIL_SERVER: server.url, SYNCTAIL_KEY: server.key() },
      });
      let said = "";
      child.stderr.on("data", (chunk) => said += chunk);
      assert.equal(await new Promise((resolve) => child.on("close", resolve)), 0, said);
    };
    await run(process.execPath, ...args.slice(3, -1), built);
    await run("node", join(server.temp, "worker.mjs"));

    const { items: [job] } = await (await server.ask("/v1/sync/jobs")).json();
    assert.deepEqual([job.status, job.entities_inserted], ["completed", 1]);
  });
}
