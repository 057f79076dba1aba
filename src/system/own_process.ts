/** This process, by calls that load nothing of Node's under Deno: every start needs them. */
import { nodeFs, nodeProcess } from "./node.ts";

type Signal = "SIGHUP" | "SIGINT" | "SIGTERM";

export interface OwnProcess {
  /** What the command line says behind the program. */
  args(): readonly string[];
  /** The environment as it is now. */
  env(): Readonly<Record<string, string | undefined>>;
  /** Sets a variable, or removes it. */
  setEnv(name: string, value: string | undefined): void;
  pid(): number;
  /** The user; undefined where the system has none. */
  uid(): number | undefined;
  /** Calls `act` at each such signal, which ends the process no more. */
  onSignal(name: Signal, act: () => void): void;
  /** Whether anything of this process acts on the signal. */
  hears(name: Signal): boolean;
  /** Writes some of the bytes to stdout. @returns how many @throws {Error} with the system's code */
  writeOut(bytes: Uint8Array): number;
}

export const ownProcess: OwnProcess = "Bun" in globalThis ? nodes() : denos();

function nodes(): OwnProcess {
  const process = nodeProcess();
  return {
    args: () => process.argv.slice(2),
    env: () => process.env,
    setEnv(name, value) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    },
    pid: () => process.pid,
    uid: () => process.getuid?.(),
    onSignal: (name, act) => void process.on(name, act),
    hears: (name) => process.listenerCount(name) > 0,
    writeOut: (bytes) => nodeFs().writeSync(1, bytes),
  };
}

function denos(): OwnProcess {
  const heard = new Set<Signal>();
  return {
    args: () => Deno.args,
    env: () => Deno.env.toObject(),
    setEnv(name, value) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    },
    pid: () => Deno.pid,
    uid: () => Deno.uid() ?? undefined,
    onSignal(name, act) {
      heard.add(name);
      Deno.addSignalListener(name, act);
    },
    hears: (name) => heard.has(name) || nodeProcess().listenerCount(name) > 0,
    writeOut: (bytes) => Deno.stdout.writeSync(bytes),
  };
}
