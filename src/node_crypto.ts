/** Node's crypto, loaded when it is first used: with it come all of Node's streams, a sixth of a start. */
import process from "node:process";

type NodeCrypto = typeof import("node:crypto");

let loaded: NodeCrypto | undefined;

/** The module `node:crypto`, loaded where it is first asked for. */
export function nodeCrypto(): NodeCrypto {
  return loaded ??= process.getBuiltinModule("node:crypto");
}
