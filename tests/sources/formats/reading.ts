/** Runs a format over recorded samples and over real programs. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { RecordSession } from "../../../src/destinations/record_destination.ts";
import type {
  Exit,
  LineReader,
  Outcome,
  ProgramFormat,
} from "../../../src/sources/formats/format.ts";
import type { SourceEvent, SourceProgress } from "../../../src/sources/source.ts";
import { NO_PROGRESS } from "../../../src/sync/progress.ts";
import { systemClock } from "../../../src/clock.ts";
import { FakeClock } from "../../support/fake_clock.ts";

/** Of a run that is told nothing by its command. */
export const RUN = { command: [], cwd: "/", env: {}, clock: new FakeClock() };

const SAMPLES = new URL("./samples/", import.meta.url).pathname;
const EMPTY: SourceProgress = { type: "progress", ...NO_PROGRESS };

/** What a run told: the last totals, the lines, all progress, and why it failed. */
export function told(events: readonly SourceEvent[], { error, cancelled = false }: Outcome = {}) {
  const progress = events.filter((event): event is SourceProgress => event.type === "progress");
  const lines = events.flatMap((event) =>
    event.type === "log" ? [`${event.level}: ${event.message}`] : []
  );
  const last = progress.at(-1) ?? EMPTY;
  const { inserted, updated, deleted, kept, skipped } = last;
  neverBack(progress);
  return {
    counts: { inserted, updated, deleted, kept, skipped },
    last,
    lines,
    progress,
    error,
    cancelled,
  };
}

export const none = { inserted: 0, updated: 0, deleted: 0, kept: 0, skipped: 0 };

/** Totals go up only: a server takes them from `exec` as they are. */
function neverBack(progress: readonly SourceProgress[]): void {
  const names = ["inserted", "updated", "deleted", "kept", "skipped", "bytesDone"] as const;
  for (const [at, next] of progress.slice(1).entries()) {
    for (const name of names) {
      const [was, is] = [progress[at][name] ?? 0, next[name] ?? 0];
      if (is < was) throw new Error(`${name} went back from ${was} to ${is}`);
    }
  }
}

/** Feeds lines to a reader, `O: ` from stdout and `E: ` from stderr. */
export function feed(reader: LineReader, lines: readonly string[], exit: Exit) {
  const events = lines.flatMap((line) =>
    reader.line(line.slice(3), line.startsWith("E: ") ? "stderr" : "stdout")
  );
  const verdict = reader.end(exit);
  return told([...events, ...verdict.events], verdict);
}

/** Replays what a program really printed: its command, its lines, its exit. */
export function replay(format: ProgramFormat, name: string, records?: RecordSession) {
  const [command, ...rest] = readFileSync(join(SAMPLES, name), "utf8").trimEnd().split("\n");
  const code = Number(rest.pop()?.slice("exit ".length));
  const reader = format.reader({ ...RUN, command: JSON.parse(command.slice(2)), records });
  return feed(reader, rest, { code, signal: null });
}

export interface RealRun {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Told of each event; may ask the program to stop. */
  readonly onEvent?: (event: SourceEvent, stop: () => void) => void;
}

/** Runs a program as the server would: prepared, read, and stopped by the format's signal. */
export function runReal(format: ProgramFormat, asGiven: readonly string[], options: RealRun) {
  const env = { ...process.env, ...options.env };
  const { command, added } = format.prepare(asGiven, env);
  const reader = format.reader({ command, cwd: options.cwd, env, clock: systemClock });
  const [program, ...args] = command;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const events: SourceEvent[] = [];
  let stopping = false;
  // Once: a second signal kills a program that is tidying up. Not by child.kill(): after that Deno
  // reports the signal, whatever the exit code is.
  const stop = () => {
    if (!stopping && child.pid !== undefined) process.kill(child.pid, format.stopSignal);
    stopping = true;
  };
  const take = (more: readonly SourceEvent[]) => {
    for (const event of more) {
      events.push(event);
      options.onEvent?.(event, stop);
    }
  };
  const ends = (["stdout", "stderr"] as const).map((from) => {
    const lines = createInterface({ input: child[from], crlfDelay: Infinity });
    if (format.reads.includes(from)) lines.on("line", (text) => take(reader.line(text, from)));
    return new Promise((resolve) => lines.once("close", resolve));
  });
  return new Promise<ReturnType<typeof told> & { exit: Exit; added: readonly string[] }>(
    (resolve, reject) => {
      child.once("error", reject);
      child.once("close", async (code, signal) => {
        await Promise.all(ends);
        const exit = { code, signal };
        const verdict = reader.end(exit);
        take(verdict.events);
        resolve({ ...told(events, verdict), exit, added });
      });
    },
  );
}
