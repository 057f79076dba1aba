import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = new URL("..", import.meta.url).pathname;

/** Lower numbers are below; imports go downwards or stay within a layer, without a circle. */
const LAYERS = [
  ["clock", "event_loop", "logger", "page", "reason", "system", "time_slice"],
  ["sync"],
  ["client"],
  ["log"],
  ["sources", "destinations", "hub", "sse"],
  ["stream", "jobs", "auth"],
  ["http"],
  ["cli", "runtime"],
  ["main"],
];

/** What runs in browsers, is shown there, or runs in a thread: imported as text, a file like any other. */
const ASSET = /^src\/(page\/[^/]+\.(js|css|html|svg)|log\/checkpoint_thread\.js)$/;

/** Files by path, with what they import as written. */
type Modules = Map<string, { imports: string[]; text: string }>;

function layerOf(path: string): number {
  const part = path === "main.ts" ? "main" : path.split("/")[1].replace(/\.ts$/, "");
  return LAYERS.findIndex((names) => names.includes(part));
}

function resolved(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

/** Every breach of the rules, in words. */
function breaches(modules: Modules, dependencies: readonly string[]): string[] {
  const found: string[] = [];
  for (const [path, { imports, text }] of modules) {
    if (layerOf(path) < 0) found.push(`${path} is in no layer`);
    if (/^export default/m.test(text)) found.push(`${path} has a default export`);
    if (/(^|\/)(index|mod)\.ts$/.test(path)) found.push(`${path} is a barrel`);
    if (
      !/^src\/(runtime|system)\//.test(path) && /\b(Deno|Bun)\.[a-z]/.test(withoutComments(text))
    ) {
      found.push(`${path} names a runtime's globals`);
    }
    for (const specifier of imports) {
      if (specifier.startsWith("node:") || specifier === "../../package.json") continue;
      if (!specifier.startsWith(".")) {
        const known = dependencies.some((name) =>
          specifier === name || specifier.startsWith(`${name}/`)
        );
        if (!known) found.push(`${path} imports ${specifier}, which package.json does not list`);
        continue;
      }
      const target = resolved(path, specifier);
      if (!modules.has(target)) found.push(`${path} imports ${target}, which is not there`);
      else if (layerOf(target) > layerOf(path)) {
        found.push(`${path} imports ${target}, which is above it`);
      }
    }
  }
  for (const path of modules.keys()) {
    const circle = circleFrom(modules, path);
    if (circle) found.push(`a circle: ${circle.join(" > ")}`);
  }
  return found;
}

function circleFrom(modules: Modules, start: string): string[] | undefined {
  const seen = new Set<string>();
  const search = (path: string, way: string[]): string[] | undefined => {
    for (const specifier of modules.get(path)?.imports ?? []) {
      if (!specifier.startsWith(".")) continue;
      const target = resolved(path, specifier);
      if (target === start) return [...way, target];
      if (seen.has(target)) continue;
      seen.add(target);
      const circle = search(target, [...way, target]);
      if (circle) return circle;
    }
  };
  return search(start, [start]);
}

function importsOf(text: string): string[] {
  const statements =
    /^(?:import|export)\s[^;]*?from\s+"([^"]+)"|^import\s+"([^"]+)"|import\("([^"]+)"\)/gm;
  return [...text.matchAll(statements)].map((match) => match[1] ?? match[2] ?? match[3]);
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
}

function modulesOf(files: Record<string, string>): Modules {
  return new Map(
    Object.entries(files).map(([path, text]) => [path, { text, imports: importsOf(text) }]),
  );
}

function ownModules(): Modules {
  const paths = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .map((path) => `src/${path}`).filter((path) => path.endsWith(".ts") || ASSET.test(path));
  return modulesOf(Object.fromEntries(
    [...paths, "main.ts"].map((path) => [path, readFileSync(join(ROOT, path), "utf8")]),
  ));
}

/** An import that is more than one of types. */
const LOADED = /^(?:import|export)\s(?!type\s)[^;]*?from\s+"([^"]+)"/gm;

/** What is loaded with a file: all that it imports, and what that imports; not what it loads later. */
function loadedWith(modules: Modules, path: string, found = new Set<string>()): Set<string> {
  found.add(path);
  for (const [, specifier] of (modules.get(path)?.text ?? "").matchAll(LOADED)) {
    const target = specifier.startsWith(".") ? resolved(path, specifier) : specifier;
    if (!found.has(target)) loadedWith(modules, target, found);
  }
  return found;
}

test("what a server loads before it listens has SQLite of Node alone: all else is slow to load", () => {
  const modules = ownModules();
  const starting = ["main.ts", "src/cli/serve.ts", "src/runtime/deno.ts", "src/runtime/bun.ts"];

  const loaded = new Set(starting.flatMap((path) => [...loadedWith(modules, path)]));

  assert.ok(loaded.has("src/log/sqlite_log.ts"));
  const outside = [...loaded].filter((path) => !modules.has(path) && !path.endsWith(".json"));
  assert.deepEqual(outside, ["node:sqlite"]);
});

test("what serves requests, runs jobs or checks credentials is not loaded before a server listens", () => {
  const modules = ownModules();
  const starting = loadedWith(modules, "main.ts");
  loadedWith(modules, "src/cli/serve.ts", starting);

  const later = [
    "cli/serving",
    "http/app",
    "jobs/job_runner",
    "auth/authenticator",
    "stream/viewers",
  ]
    .map((path) => `src/${path}.ts`);
  assert.deepEqual(later.filter((path) => !modules.has(path)), []);
  assert.deepEqual(later.filter((path) => starting.has(path)), []);
});

test("imports go downwards only, and only to what is listed", () => {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const modules = ownModules();

  assert.ok(modules.size > 50);
  assert.deepEqual(breaches(modules, Object.keys(dependencies)), []);
});

for (
  const [what, files, breach] of [
    [
      "an import upwards",
      { "src/log/a.ts": 'import { b } from "../http/b.ts";', "src/http/b.ts": "" },
      "src/log/a.ts imports src/http/b.ts, which is above it",
    ],
    [
      "an import upwards over several lines, of a type",
      { "src/sse/a.ts": 'import type {\n  B,\n} from "../jobs/b.ts";', "src/jobs/b.ts": "" },
      "src/sse/a.ts imports src/jobs/b.ts, which is above it",
    ],
    [
      "a dynamic import upwards",
      { "src/hub/a.ts": 'await import("../cli/b.ts");', "src/cli/b.ts": "" },
      "src/hub/a.ts imports src/cli/b.ts, which is above it",
    ],
    [
      "a package that is not listed",
      { "src/log/a.ts": 'import x from "left-pad";' },
      "src/log/a.ts imports left-pad, which package.json does not list",
    ],
    [
      "a runtime's global",
      { "src/log/a.ts": "const x = Deno.env;" },
      "src/log/a.ts names a runtime's globals",
    ],
    ["a folder of no layer", { "src/misc/a.ts": "" }, "src/misc/a.ts is in no layer"],
    [
      "a default export",
      { "src/log/a.ts": "export default 1;" },
      "src/log/a.ts has a default export",
    ],
    ["a barrel", { "src/log/index.ts": "" }, "src/log/index.ts is a barrel"],
  ] as const
) {
  test(`the rules see ${what}`, () => {
    assert.deepEqual(breaches(modulesOf(files), ["zod"]), [breach]);
  });
}

test("the rules see a circle, also one of types", () => {
  const files = {
    "src/log/a.ts": 'import { b } from "./b.ts";',
    "src/log/b.ts": 'import type { A } from "./a.ts";',
  };

  assert.equal(breaches(modulesOf(files), []).length, 2);
});
