/**
 * Node's modules, each loaded where it is first asked for. All together are half of a start under
 * Deno: `node:process` and `node:fs` take 37 ms, and most others 8. Under Bun `node:crypto`, `node:net`
 * and `node:tty` bring all of Node's streams with them, a sixth of a start.
 *
 * What `serve` loads before it listens takes them from here; all else may import them.
 */
import type process from "node:process";

/** `node:process`. */
export function nodeProcess(): typeof process {
  return (globalThis as unknown as { readonly process: typeof process }).process;
}

export const nodeCrypto = once(() => nodeProcess().getBuiltinModule("node:crypto"));
export const nodeFs = once(() => nodeProcess().getBuiltinModule("node:fs"));
export const nodeNet = once(() => nodeProcess().getBuiltinModule("node:net"));
export const nodeOs = once(() => nodeProcess().getBuiltinModule("node:os"));
export const nodePath = once(() => nodeProcess().getBuiltinModule("node:path"));
export const nodeTty = once(() => nodeProcess().getBuiltinModule("node:tty"));

function once<T>(load: () => T): () => T {
  let loaded: T | undefined;
  return () => loaded ??= load();
}
