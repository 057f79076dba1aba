import assert from "node:assert/strict";
import { test } from "node:test";
import { ASSETS, SHELL } from "../../src/page/assets.ts";

/** The modules that app.js imports, and those that they import, without app.js. */
function imported(): string[] {
  const found = new Set(["app.js"]);
  for (const name of found) {
    for (const [, other] of ASSETS[name].text.matchAll(/^import .*? from "\.\/(.+?)";$/gms)) {
      found.add(other);
    }
  }
  return [...found].filter((name) => name !== "app.js").sort();
}

test("the page names all modules that it will import, so that none waits for another's text", () => {
  const named = [...SHELL.matchAll(/<link rel="modulepreload" href="\{\{assets\}\}(.+?)">/g)];

  const modules = imported();

  assert.ok(modules.includes("virtual_list.js"), String(modules)); // the deepest
  assert.deepEqual(named.map(([, name]) => name), modules);
});

test("a notice is read aloud alone, not with those that are still shown", () => {
  // A status is read as a whole unless it says otherwise.
  assert.match(SHELL, /<div id="notices" role="status" [^>]*aria-atomic="false"/);
});
