/** A real pipe for an output of a program, where the runtime gives none. */
import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, read, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const CHUNK_BYTES = 64 * 1024;

/** A named pipe whose name was taken away at once. */
export interface Pipe {
  /** What the program writes to; to be let go of once it has it. */
  readonly inner: number;
  readonly closeInner: () => void;
  /** What it writes, as it comes; read no faster than it is taken. */
  readonly chunks: () => AsyncGenerator<Uint8Array, void, void>;
  /** The program's next write finds nobody. */
  readonly close: () => void;
}

/** So many pipes; undefined where the system has no named ones. */
export function pipes(count: number): readonly Pipe[] | undefined {
  if (count === 0) return [];
  let directory: string | undefined;
  try {
    const made = directory = mkdtempSync(join(tmpdir(), "synctail-exec-"));
    const paths = Array.from({ length: count }, (_, at) => join(made, `${at}`));
    const { status } = spawnSync("mkfifo", ["-m", "600", ...paths], { stdio: "ignore" });
    return status === 0 ? paths.map(opened) : undefined;
  } catch {
    // No room for a file, or no mkfifo: the runtime's own pipes will do.
    return undefined;
  } finally {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  }
}

function opened(path: string): Pipe {
  // Either end alone would wait for the other.
  const both = openSync(path, constants.O_RDWR);
  const outer = openSync(path, constants.O_RDONLY);
  const inner = openSync(path, constants.O_WRONLY);
  closeSync(both);
  let open = true;
  const close = () => {
    if (open) closeSync(outer);
    open = false;
  };
  return {
    inner,
    closeInner: () => closeSync(inner),
    close,
    async *chunks() {
      const buffer = new Uint8Array(CHUNK_BYTES);
      while (open) {
        const count = await new Promise<number>((resolve, reject) =>
          read(
            outer,
            buffer,
            0,
            CHUNK_BYTES,
            null,
            (fault, count) => fault ? reject(fault) : resolve(count),
          )
        );
        if (count === 0) return close();
        yield buffer.subarray(0, count);
      }
    },
  };
}
