/** Shows a job to whoever reads the command's output: a bar, lines, or JSON. */
import { SingleBar } from "cli-progress";
import process from "node:process";
import type { Clock } from "../clock.ts";
import { isTerminalPayload, type Payload } from "./follow.ts";
import { clean } from "../sync/clean.ts";
import { cut } from "../sync/cut.ts";
import { print, printError, printJson } from "./output.ts";
import { bytesText, countsText, logText, shareOf, summaryText } from "./words.ts";

/** Shows frames in the order in which they come. */
export interface Display {
  show(payload: Payload): void;
  /** A line for people that is no frame. */
  say(text: string): void;
  /** Nothing more is shown; the terminal is left as it was found. */
  end(): void;
}

/** Width of a terminal that does not say its own, or says 0. */
const COLUMNS = 80;
/** What a narrow terminal leaves out first, in this order. */
const LEFT_OUT = ["phase", "bytes", "rate", "eta"] as const;
/** Piped output gets a line of progress at most this often, in milliseconds. */
const LINE_MS = 2_000;

/** The display for `--json`, for a terminal or for a pipe. */
export function displayFor(options: { readonly json: boolean; readonly clock: Clock }): Display {
  if (options.json) return new JsonDisplay();
  return failureOnce(process.stdout.isTTY ? new BarDisplay() : new LineDisplay(options.clock));
}

/** Leaves out the error frame of a failed job: its terminal frame gets the error and its code. */
export function failureOnce(display: Display): Display {
  let held: Payload | undefined;
  const tellHeld = () => {
    const error = held;
    held = undefined;
    if (error) display.show(error);
  };
  return {
    show(payload) {
      if (held && isTerminalPayload(payload) && payload.error) {
        const error = `${payload.error} (${held.code})`;
        held = undefined;
        return display.show({ ...payload, error });
      }
      tellHeld();
      if (payload.type === "error") held = payload;
      else display.show(payload);
    },
    say(text) {
      tellHeld();
      display.say(text);
    },
    end() {
      tellHeld();
      display.end();
    },
  };
}

/** One JSON object a line on stdout, words on stderr. */
class JsonDisplay implements Display {
  show(payload: Payload): void {
    printJson(payload);
  }

  say(text: string): void {
    printError(`${text}\n`);
  }

  end(): void {}
}

/** Lines for a pipe or a log: few, and without control characters. */
class LineDisplay implements Display {
  readonly #clock: Clock;
  #lastMs = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  show(payload: Payload): void {
    const text = lineOf(payload);
    if (text !== undefined) return this.say(text);
    if (payload.type !== "progress") return;
    const now = this.#clock.monotonic();
    const terminal = isTerminalPayload(payload);
    if (!terminal && now - this.#lastMs < LINE_MS) return;
    this.#lastMs = now;
    this.say(terminal ? summaryText(payload) : progressLine(payload));
  }

  say(text: string): void {
    print(`${text}\n`);
  }

  end(): void {}
}

/** A bar that is redrawn in place. Without a percent only the words are shown. */
class BarDisplay implements Display {
  #bar: SingleBar | undefined;

  show(payload: Payload): void {
    const text = lineOf(payload);
    if (text !== undefined) return this.say(text);
    if (payload.type !== "progress") return;
    if (isTerminalPayload(payload)) {
      this.end();
      return this.say(summaryText(payload));
    }
    this.#bar ??= started();
    this.#bar.update(shareOf(payload) ?? 0, payload);
  }

  say(text: string): void {
    const bar = this.#bar;
    this.end();
    print(`${text}\n`);
    if (bar) this.#bar = started();
  }

  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

function started(): SingleBar {
  const bar = new SingleBar({
    format: (_options: unknown, _state: unknown, payload: Payload) =>
      barText(payload, process.stdout.columns || COLUMNS),
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    linewrap: false,
    fps: 10,
  });
  bar.start(100, 0, { type: "progress" });
  return bar;
}

/** One line for a terminal. What does not fit is left out whole: a cut number would be wrong. */
export function barText(payload: Payload, columns: number): string {
  const parts = partsOf(payload);
  const share = shareOf(payload);
  if (share !== undefined) {
    const size = Math.max(10, Math.min(30, columns - 90));
    const bar = "█".repeat(Math.round(size * share / 100)).padEnd(size, "░");
    parts.percent = `${bar} ${share.toFixed(1).padStart(5)} %${ofBytes(payload)}`;
  }
  for (const name of LEFT_OUT) {
    if (joined(parts).length >= columns) parts[name] = undefined;
  }
  const text = joined(parts);
  if (text.length < columns) return text;
  const kept = cut(text, columns - 2);
  return `${kept.replace(/\S*$/, "") || kept}…`; // a path has no blank
}

/** The line of a frame that gets one of its own; undefined for others. */
function lineOf(payload: Payload): string | undefined {
  switch (payload.type) {
    case "log":
      return logText(payload);
    case "error":
      return `error: ${clean(payload.message)} (${clean(payload.code)})`;
    case "connected":
      return payload.resume === "gap"
        ? "Some of what happened meanwhile is not kept any more; here is how it stands now."
        : undefined;
    default:
      return undefined;
  }
}

/** " of bytes" when the percent is one of bytes, as the counts beside it are of entities. */
function ofBytes({ percent, bytes_done, bytes_total }: Payload): string {
  const share = 100 * Number(bytes_done) / Number(bytes_total);
  return Math.abs(share - Number(percent)) < 0.11 ? " of bytes" : ""; // it is cut to tenths
}

function progressLine(payload: Payload): string {
  return joined(partsOf(payload));
}

/** The parts of a progress line, in their order. */
interface Parts {
  percent: string | undefined;
  status: string | undefined;
  phase: string | undefined;
  counts: string | undefined;
  bytes: string | undefined;
  rate: string | undefined;
  eta: string | undefined;
}

function partsOf(payload: Payload): Parts {
  const share = shareOf(payload);
  const bytes = Number(payload.bytes_done) > 0 ? bytesText(Number(payload.bytes_done)) : undefined;
  return {
    percent: share === undefined ? undefined : `${share.toFixed(1)} %${ofBytes(payload)}`,
    status: payload.status === "cancelling" ? "cancelling" : undefined,
    phase: payload.phase === undefined ? undefined : clean(payload.phase),
    counts: countsText(payload) ?? (bytes === undefined ? "nothing counted yet" : undefined),
    bytes,
    rate: typeof payload.rate_per_s === "number"
      ? `${Math.round(payload.rate_per_s)}/s${payload.paced ? " (paced)" : ""}`
      : payload.paced
      ? "paced"
      : undefined,
    eta: typeof payload.eta_s === "number" ? `${payload.eta_s} s left` : undefined,
  };
}

function joined(parts: Parts): string {
  return Object.values(parts).filter(Boolean).join("  ");
}
