/** Has the runtime collect its garbage. */
import v8 from "node:v8";
import vm from "node:vm";
import { turns } from "./stream_bench.ts";

/** Resolves when what nobody holds is gone, but for what the stack may still name. */
export async function collectGarbage(): Promise<void> {
  const { Bun } = globalThis as unknown as { readonly Bun?: { gc(sync: boolean): void } };
  if (!Bun) v8.setFlagsFromString("--expose-gc");
  const collect: () => void = Bun ? () => Bun.gc(true) : vm.runInNewContext("gc");
  for (let n = 0; n < 3; n++) {
    await turns(2);
    collect();
  }
}
